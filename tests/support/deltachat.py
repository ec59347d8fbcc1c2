"""Real Delta Chat clients: deltachat-rpc-server, driven by deltachat-rpc-client."""

import os
import struct
import sys
import time
import zlib
from pathlib import Path
from queue import Empty
from urllib.parse import quote, urlencode

from deltachat_rpc_client import DeltaChat, Rpc

from support.wait import eventually

SERVER = Path(sys.executable).parent / "deltachat-rpc-server"
INCOMING_STATES = (10, 13, 16)  # fresh, noticed, seen
READ_BY_RECIPIENT = 28


def dclogin(relay, account):
    """The login link of an account: explicit servers, any certificate (ic=3)."""
    parameters = {
        "p": account.password,
        "v": "1",
        "ih": relay.address,
        "ip": relay.ports["imaps_port"],
        "is": "ssl",
        "sh": relay.address,
        "sp": relay.ports["smtps_port"],
        "ss": "ssl",
        "ic": "3",
    }
    return f"dclogin:{account.address}?{urlencode(parameters, quote_via=quote)}"


class Core:
    """One process with any number of clients."""

    def __init__(self, directory, server=SERVER):
        self.rpc = Rpc(accounts_dir=str(directory), rpc_server_path=str(server))

    def __enter__(self):
        self.rpc.start()
        self.accounts = DeltaChat(self.rpc)
        return self

    def __exit__(self, *exception):
        self.rpc.close()

    def clients(self, relay, count):
        """Clients that register by their first login, all at the same time."""
        clients = [Client(relay, self.accounts.add_account()) for _ in range(count)]
        for configured in [client.configure() for client in clients]:
            configured()
        for client in clients:
            client.account.start_io()
        return clients


class Client:
    """An account of core and the login that it invented."""

    def __init__(self, relay, account):
        self.relay = relay
        self.account = account
        self.login = relay.account()

    def configure(self):
        """Starts the first login; calling the result waits for its end."""
        return self.account.add_transport_from_qr.future(dclogin(self.relay, self.login))

    def join(self, inviter):
        """Secure-join by the inviter's QR code; returns each client's chat with the other."""
        ours = self.account.secure_join(inviter.account.get_qr_code())
        self.wait_for_event("SecurejoinJoinerProgress", lambda event: event["progress"] == 1000)
        inviter.wait_for_event("SecurejoinInviterProgress", lambda event: event["progress"] == 1000)
        theirs = eventually(lambda: inviter.chat_with(self), message="no chat at the inviter's")
        return ours, theirs

    def wait_for_event(self, kind, condition=lambda event: True, timeout=120):
        """The next event of this kind that meets the condition; earlier events are dropped."""
        queue = self.account.manager.rpc.get_queue(self.account.id)
        deadline = time.monotonic() + timeout
        while True:
            try:
                event = queue.get(timeout=max(0, deadline - time.monotonic()))
            except Empty:
                raise AssertionError(f"no {kind} within {timeout} s") from None
            if event["kind"] == kind and condition(event):
                return event

    def contact_of(self, other):
        """Our contact for another client, with a key; or None."""
        for contact in self.account.get_contacts():
            snapshot = contact.get_snapshot()
            if snapshot.address == other.login.address and snapshot.e2ee_avail:
                return contact
        return None

    def chat_with(self, other):
        contact = self.contact_of(other)
        return contact and self.account.get_chat_by_contact(contact)

    def received(self, chat):
        """The messages that arrived in a chat, oldest first, without info messages."""
        return [
            snapshot
            for snapshot in (message.get_snapshot() for message in chat.get_messages())
            if snapshot.state in INCOMING_STATES and not snapshot.is_info
        ]

    def wait_for_texts(self, chat, texts):
        """The messages with these texts, when all have arrived."""

        def all_there():
            found = {snapshot.text: snapshot for snapshot in self.received(chat)}
            return all(text in found for text in texts) and [found[text] for text in texts]

        return eventually(all_there, 120 + 3 * len(texts), message="messages did not arrive")

    def wait_for_file(self, chat, name):
        """The message with this file, when it is completely downloaded."""

        def there():
            for snapshot in self.received(chat):
                if snapshot.file_name == name and snapshot.download_state == "Done":
                    if snapshot.file and Path(snapshot.file).exists():
                        return snapshot
            return None

        return eventually(there, 120, message=f"{name} did not arrive")


def noise_image(path, size):
    """Writes a PNG of at least size bytes that cannot be compressed."""
    width = 640
    height = size // (width * 3) + 1
    rows = b"".join(b"\0" + os.urandom(width * 3) for _ in range(height))

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    return path
