"""kill -9 at random under load: no file is half written, and all users can still log in."""

import imaplib
import json
import random
import re
import smtplib
import threading
import time

import pytest

from support.imap import get_metadata, set_metadata
from support.messages import encrypted
from support.wait import eventually

TOKEN = "/private/devicetoken"
VICTIMS = "^dovecot/(auth|imap|lmtp)( |$)"
KILLS = 40
# Errors of a client when the process at the other end dies.
BROKEN = (imaplib.IMAP4.error, smtplib.SMTPException, OSError)


@pytest.fixture(scope="module")
def relay(make_relay):
    return make_relay(without=["postfix", "milter", "opendkim", "notifyd"])


class Load(threading.Thread):
    """Repeats one kind of work until stopped; counts successes."""

    def __init__(self, work, stop):
        super().__init__()
        self.work, self.stop = work, stop
        self.done = self.broken = 0
        self.error = None

    def run(self):
        while not self.stop.is_set():
            try:
                self.work()
                self.done += 1
            except BROKEN:
                self.broken += 1
            except BaseException as error:
                self.error = error
                raise


class Clients:
    """Runs the work and records what the server confirmed."""

    def __init__(self, relay):
        self.relay = relay
        self.lock = threading.Lock()
        self.accounts = []
        self.shared = relay.registered()
        self.tokens = set()
        self.delivered = 0
        self.number = 0

    def register(self):
        account = self.relay.account()
        with self.lock:
            self.accounts.append(account)
        self.relay.imap(account).logout()

    def log_in(self):
        client = self.relay.imap(self.shared, select=True)
        client.noop()
        client.logout()

    def set_token(self):
        with self.lock:
            self.number += 1
            # Few enough that no token displaces another.
            token = f"token-{self.number % 20}"
        client = self.relay.imap(self.shared)
        status, _ = set_metadata(client, "INBOX", TOKEN, token)
        if status == "OK":
            with self.lock:
                self.tokens.add(token)
        client.logout()

    def deliver(self):
        message = encrypted("sender@peer.test", self.shared.address)
        if self.relay.deliver("sender@peer.test", self.shared.address, message) == {}:
            with self.lock:
                self.delivered += 1


def kill_at_random(relay):
    killed = {}
    for _ in range(KILLS):
        found = relay.inside("pgrep", "-a", "-f", VICTIMS, check=False).stdout.splitlines()
        if found:
            pid, name = random.choice(found).split(" ", 1)
            relay.inside("kill", "-9", pid, check=False)
            killed[name] = killed.get(name, 0) + 1
        time.sleep(random.uniform(0, 0.15))
    return killed


@pytest.fixture(scope="module")
def aftermath(relay):
    """The clients, after the test."""
    clients = Clients(relay)
    stop = threading.Event()
    work = [clients.register, clients.register, clients.log_in, clients.set_token, clients.deliver]
    loads = [Load(each, stop) for each in work]
    for load in loads:
        load.start()
    try:
        killed = kill_at_random(relay)
    finally:
        stop.set()
        for load in loads:
            load.join()
    assert all(load.error is None for load in loads)
    assert {"dovecot/auth", "dovecot/auth -w"} & set(killed) and len(killed) >= 2
    # The load was real: work succeeded, and work was interrupted.
    assert all(load.done > 0 for load in loads)
    assert sum(load.broken for load in loads) > 0
    return clients


def test_every_account_is_whole(relay, aftermath):
    for account in aftermath.accounts:
        mailbox = relay.mailbox(account)
        if (mailbox / "password").exists():
            stored = (mailbox / "password").read_text()
            assert re.fullmatch(r"\{SHA512-CRYPT\}\$6\$[^$]+\$[A-Za-z0-9./]{86}", stored)
            assert (mailbox / "enforceE2EEincoming").exists()


def test_every_user_can_log_in(relay, aftermath):
    """Users who had an account still have it; users whose first login was interrupted get it
    now."""

    def works():
        try:
            relay.imap(aftermath.shared).logout()
            return True
        except BROKEN:
            return False

    eventually(works, message="the server did not recover")
    for account in aftermath.accounts:
        relay.imap(account).logout()
        with pytest.raises(imaplib.IMAP4.error):
            relay.imap(account, "another password")


def test_no_token_is_lost(relay, aftermath):
    stored = json.loads((relay.mailbox(aftermath.shared) / "metadata.json").read_text())
    assert aftermath.tokens <= set(stored["devicetoken"])
    client = relay.imap(aftermath.shared)
    assert aftermath.tokens <= set(get_metadata(client, "INBOX", [TOKEN])[TOKEN].split(" "))
    assert set_metadata(client, "INBOX", TOKEN, "afterwards")[0] == "OK"
    client.logout()


def test_every_queue_entry_is_whole(relay, aftermath):
    queue = relay.path(f"/home/vmail/mail/{relay.domain}/pending_notifications")
    entries = [path for path in queue.iterdir() if not path.name.startswith(".tmp.")]
    assert entries
    for path in entries:
        address, when, token = path.read_text().split("\n")
        assert address == aftermath.shared.address
        assert abs(int(when) - time.time()) < 600
        assert re.fullmatch(r"token-\d+", token)


def test_no_accepted_message_is_lost(relay, aftermath):
    assert len(relay.fetch(aftermath.shared)) >= aftermath.delivered > 0
