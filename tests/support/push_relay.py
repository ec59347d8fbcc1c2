"""A relay whose chatmail-notifyd sends to a push service of the test."""

import contextlib
import os
import tempfile
from pathlib import Path

import pytest

from support.certificates import Authority
from support.imap import get_metadata, set_metadata
from support.push_service import Backend, Nghttpx

ENTRY = "/private/devicetoken"


@contextlib.contextmanager
def push_relay(make_relay, **options):
    """The started relay; its `push` is the Backend, behind nghttpx."""
    backend = Backend().start()
    with tempfile.TemporaryDirectory(prefix="push-") as directory, pytest.MonkeyPatch.context() as m:
        # The notifier runs as vmail and has to read the authority's certificate.
        os.chmod(directory, 0o755)
        authority = Authority(Path(directory) / "ca")
        m.setenv("SSL_CERT_FILE", str(authority.certificate))
        with Nghttpx(directory, backend, authority.issue("localhost")) as server:
            relay = make_relay(ini={"notify_url": server.url}, **options)
            relay.push = backend
            yield relay
            relay.stop()
    backend.stop()


def queue(relay):
    """The entries in the queue."""
    directory = relay.path(f"/home/vmail/mail/{relay.domain}/pending_notifications")
    return list(directory.iterdir()) if directory.exists() else []


class Device:
    """A client that has set a push token of the usual length."""

    def __init__(self, relay, account):
        self.client = relay.imap(account, select=True)
        self.token = "openpgp:" + os.urandom(270).hex()
        assert set_metadata(self.client, "INBOX", ENTRY, self.token)[0] == "OK"

    def tokens(self):
        """The tokens of all devices on the server."""
        return set((get_metadata(self.client, "INBOX", [ENTRY])[ENTRY] or "").split())
