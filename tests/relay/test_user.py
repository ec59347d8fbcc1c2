"""chatmailctl user beside real servers: accounts are listed, blocked, deleted and given new
passwords while their owners are logged in and mail arrives."""

import contextlib
import imaplib
import json
import os
import smtplib
import subprocess
import threading
import time

import pytest

from support.messages import encrypted
from support.wait import eventually

DAY = 86400


def user(relay, *arguments, check=True, **options):
    return relay.inside("chatmailctl", "user", *arguments, check=check, **options)


def refused(relay, account, password=None):
    try:
        relay.imap(account, password).logout()
    except imaplib.IMAP4.error:
        return True
    return False


def ended(client):
    """True when the server has closed the connection."""
    try:
        client.noop()
    except (imaplib.IMAP4.abort, OSError):
        return True
    return False


@pytest.fixture(scope="module")
def sender(relay):
    return relay.registered()


def test_list_and_show_accounts(relay, sender):
    alice, bob = relay.registered("usera0001"), relay.registered("usera0002")
    password = relay.mailbox(bob) / "password"
    os.utime(password, (time.time() - 40 * DAY,) * 2)
    relay.deliver(sender.address, bob.address, encrypted(sender.address, bob.address, 3000))
    listed = json.loads(user(relay, "list", "--json", "usera*").stdout)
    assert [entry["address"] for entry in listed] == [alice.address, bob.address]
    assert listed[1]["last_seen"] == int(time.time() - 40 * DAY) // DAY * DAY
    assert bob.address not in user(relay, "list", "--unused", "41").stdout
    assert alice.address not in user(relay, "list", "--unused", "40").stdout
    assert bob.address in user(relay, "list", "--unused", "40").stdout
    sizes = json.loads(user(relay, "list", "--sizes", "--json", "usera0002*").stdout)
    assert sizes[0]["messages"] == 1 and sizes[0]["bytes"] > 3000
    shown = json.loads(user(relay, "show", "--json", "usera0002").stdout)
    assert shown["address"] == bob.address
    assert (shown["messages"], shown["push_tokens"], shown["blocked"]) == (1, 0, False)
    assert shown["takes_cleartext"] is False
    assert "state        active" in user(relay, "show", bob.address).stdout


@pytest.mark.parametrize(
    "address, status, text",
    [
        ("nobody001", 1, "no such account"),
        ("x@elsewhere.test", 2, "not an address of this relay"),
        ("../x", 2, "not an address"),
    ],
)
@pytest.mark.parametrize("verb", ["show", "block", "unblock", "delete", "password"])
def test_wrong_address(relay, verb, address, status, text):
    options = {"delete": ["--yes"], "password": ["--random"]}.get(verb, [])
    done = user(relay, verb, *options, address, check=False)
    assert (done.returncode, done.stdout) == (status, "")
    assert text in done.stderr


@pytest.mark.parametrize("asleep", [False, True])
def test_blocking_ends_sessions_and_mail(relay, sender, asleep):
    alice, neighbour = relay.registered(), relay.registered()
    with contextlib.ExitStack() as clients:
        client = relay.imap(alice, select=True)
        other = relay.imap(neighbour, select=True)
        clients.callback(client.shutdown)
        clients.callback(other.shutdown)
        if asleep:
            client.send(b"a IDLE\r\n")
            client.readline()
        user(relay, "block", alice.address)
        if asleep:
            client.sock.settimeout(60)
            while client.sock.recv(4096):
                pass
        else:
            eventually(lambda: ended(client), message="the session goes on")
        assert not ended(other)
    assert refused(relay, alice)
    assert relay.deliver(sender.address, alice.address, encrypted(sender.address, alice.address))
    listed = user(relay, "list", "--blocked").stdout.split()
    assert alice.address in listed and neighbour.address not in listed
    user(relay, "unblock", alice.address)
    relay.imap(alice).logout()
    assert alice.address not in user(relay, "list", "--blocked").stdout


def test_blocking_several_ends_all_sessions(relay):
    accounts = [relay.registered() for _ in range(3)]
    clients = [relay.imap(account) for account in accounts]
    names = [account.address for account in accounts]
    done = user(relay, "block", "--json", *names, "nobody001", check=False)
    assert done.returncode == 1 and "nobody001" in done.stderr
    assert json.loads(done.stdout) == [{"address": name, "blocked": True} for name in names]
    eventually(lambda: all(ended(client) for client in clients), message="a session goes on")
    assert all(refused(relay, account) for account in accounts)


def test_password_change(relay):
    alice = relay.registered()
    file = relay.mailbox(alice) / "password"
    os.utime(file, (time.time() - 40 * DAY,) * 2)
    seen, owner = file.stat().st_mtime, file.stat().st_uid
    client = relay.imap(alice)
    os.utime(file, (seen, seen))
    new = json.loads(user(relay, "password", "--random", "--json", alice.address).stdout)["password"]
    eventually(lambda: ended(client), message="the session goes on")
    assert (file.stat().st_mtime, file.stat().st_uid) == (seen, owner)
    assert refused(relay, alice)
    relay.imap(alice, new).logout()
    user(relay, "password", alice.address, input="another secret\n")
    assert refused(relay, alice, new)
    relay.imap(alice, "another secret").logout()
    done = user(relay, "password", alice.address, input="short\n", check=False)
    assert done.returncode == 2 and "9 characters" in done.stderr
    relay.imap(alice, "another secret").logout()


@pytest.mark.parametrize("verb", [("password", "--random"), ("block",)], ids=["password", "block"])
def test_no_login_in_progress_survives(relay, verb):
    """A client that knows the old password keeps logging in while it is changed. The command does not
    wait for a login that takes longer than a second, on a busy machine."""
    for _ in range(5):
        alice, stop, first, sessions = relay.registered(), threading.Event(), threading.Event(), []

        def log_in(alice=alice, stop=stop, first=first, sessions=sessions):
            while not stop.is_set():
                with contextlib.suppress(imaplib.IMAP4.error, OSError):
                    start = time.monotonic()
                    client = relay.imap(alice)
                    if time.monotonic() - start < 1:
                        sessions.append(client)
                    first.set()

        threads = [threading.Thread(target=log_in) for _ in range(6)]
        for thread in threads:
            thread.start()
        assert first.wait(60)
        user(relay, *verb, alice.address)
        stop.set()
        for thread in threads:
            thread.join()
        eventually(lambda sessions=sessions: all(ended(client) for client in sessions))


def test_delete_asks_before(relay):
    alice = relay.registered()
    done = user(relay, "delete", alice.address, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and "--yes" in done.stderr
    relay.imap(alice).logout()


def test_delete_several(relay):
    accounts = [relay.registered() for _ in range(3)]
    done = user(
        relay, "delete", "--yes", "--json", *[account.address for account in accounts], "nobody001", check=False
    )
    assert done.returncode == 1 and "nobody001" in done.stderr
    assert [entry["address"] for entry in json.loads(done.stdout)] == [a.address for a in accounts]
    assert not any(relay.mailbox(account).exists() for account in accounts)
    assert not (relay.mailbox(accounts[0]).parent / ".expired").exists()


def test_delete_counts_an_account_once(relay):
    alice = relay.registered()
    done = user(relay, "delete", "--yes", "--json", alice.address, alice.address, check=False)
    assert done.returncode == 1 and f"{alice.address}: no such account" in done.stderr
    assert [entry["address"] for entry in json.loads(done.stdout)] == [alice.address]


def test_delete_while_the_account_is_in_use(relay, sender):
    """Clients idle and read, mail arrives: nothing of the account is left, and other accounts are
    not affected."""
    alice, neighbour = relay.registered(), relay.registered()
    message = encrypted(sender.address, alice.address, 20000)
    stop = threading.Event()
    delivered = []

    def deliver():
        while not stop.is_set():
            try:
                refusal = relay.deliver(sender.address, [alice.address, neighbour.address], message)
            except smtplib.SMTPServerDisconnected:
                # Dovecot 2.4.5 crashes if the mailbox disappears while a message is stored in it, and
                # Postfix tries again.
                if "maildir_get_dest_filename" not in relay.log("dovecot"):
                    raise
                continue
            delivered.append(alice.address not in refusal)

    def read():
        while not stop.is_set():
            try:
                with relay.imap(alice, select=True) as client:
                    while not stop.is_set():
                        client.uid("STORE", "1:*", "+FLAGS", "(\\Seen)")
                        client.noop()
            except (imaplib.IMAP4.error, OSError):
                return

    threads = [threading.Thread(target=target) for target in (deliver, deliver, read, read)]
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: delivered.count(True) >= 20, timeout=120)
        user(relay, "delete", "--yes", alice.address)
        gone = len(delivered)
        eventually(lambda: len(delivered) >= gone + 10, timeout=120)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not any(delivered[gone + 4 :])
    assert not (relay.mailbox(alice) / "password").exists()
    assert not relay.mailbox(alice).exists()
    relay.imap(neighbour).logout()
    assert len(relay.fetch(neighbour)) == len(delivered)
    again = relay.account(alice.name, "quite another one")
    relay.imap(again).logout()
    assert relay.fetch(again) == []
