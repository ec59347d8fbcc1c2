"""A peer gets the signed message unchanged from Postfix, including long lines and bytes beyond
ASCII."""

import queue
import socketserver
import threading

import dkim
import pytest

from support.messages import encrypted
from support.ports import free_ports

BOB = "bob@peer.test"


class Session(socketserver.StreamRequestHandler):
    """A peer that records every byte."""

    def handle(self):
        self.say("220 peer.test")
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"EHLO":
                self.say("250-peer.test\r\n250-8BITMIME\r\n250 SIZE")
            elif verb == b"DATA":
                self.say("354 go on")
                self.server.messages.put(self.data())
                self.say("250 taken")
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def data(self):
        lines = []
        for line in self.rfile:
            if line == b".\r\n":
                break
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)


@pytest.fixture(scope="module")
def peer():
    with socketserver.ThreadingTCPServer(("127.0.0.1", free_ports(1)[0]), Session) as server:
        server.daemon_threads = True
        server.messages = queue.Queue()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def relay(make_relay, peer):
    settings = {
        "relayhost": f"[127.0.0.1]:{peer.server_address[1]}",
        "smtp_tls_security_level": "none",
    }
    return make_relay(settings=settings, without=["notifyd"])


@pytest.fixture(scope="module")
def verifies(relay):
    record = relay.dkim_record().encode()
    return lambda message: dkim.verify(message, dnsfunc=lambda name, timeout=5: record)


LONG_FIELDS = {
    "references": "References: " + " ".join(f"<{n}@localhost>" for n in range(200)),
    "one long word": "Message-ID: <" + "x" * 1500 + "@localhost>",
    "autocrypt": "Autocrypt: addr={user}; keydata=" + "A" * 3000,
    "beyond ASCII": "Subject: Grüße",
}


@pytest.mark.parametrize("case", LONG_FIELDS)
def test_mail_of_a_user_arrives_as_signed(relay, peer, verifies, case):
    alice = relay.registered()
    extra = [LONG_FIELDS[case].format(user=alice.address)]
    message = encrypted(alice.address, BOB, extra=extra)
    if case == "one long word":
        message = b"\r\n".join(
            line for line in message.split(b"\r\n") if not line.startswith(b"Message-ID: <") or b"xx" in line
        )
    code, text = relay.send(alice, BOB, message)
    if code != 250:
        # A refusal during the dialogue is acceptable; accepting and then damaging the message is
        # not.
        assert 500 <= code < 600, text
        return
    received = peer.messages.get(timeout=60)
    assert max(map(len, received.split(b"\r\n"))) <= 998
    assert verifies(received)
