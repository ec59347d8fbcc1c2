"""IDLE: what a client is told, and when, without and with hibernation."""

import concurrent.futures
import contextlib
import os
import random
import select
import socket
import subprocess
import time

import pytest

from support.imap import Idle
from support.messages import encrypted
from support.wait import eventually

SENDER = "sender@peer.test"


def deliver(relay, account):
    assert relay.deliver(SENDER, account.address, encrypted(SENDER, account.address)) == {}


@pytest.fixture(scope="module")
def sleepy(make_relay):
    """A relay whose clients hibernate after a second."""
    return make_relay(
        settings={"imap_hibernate_timeout": "1s"}, without=["postfix", "milter", "opendkim"]
    )


@pytest.fixture(scope="module")
def stock(make_relay):
    """A relay with Dovecot's own way of waiting."""
    return make_relay(ini={"instant_idle": "false"}, without=["postfix", "milter", "opendkim"])


def inotify_instances(relay, program):
    """How many of them the processes of this program hold now."""
    pids = relay.inside("pgrep", "-f", f"^dovecot/{program}( |$)", check=False).stdout.split()
    # A process may end meanwhile: it holds none then.
    listings = [relay.inside("ls", "-l", f"/proc/{pid}/fd", check=False).stdout for pid in pids]
    return sum(listing.count("inotify") for listing in listings)


def test_idle_tells_of_mail(relay):
    account = relay.registered()
    client = relay.imap(account, select=True)
    with Idle(client) as idle:
        for count in range(1, 6):
            deliver(relay, account)
            assert idle.exists() == count
    assert len(client.search(None, "ALL")[1][0].split()) == 5
    client.logout()


def test_idle_can_be_switched_off(stock):
    account = stock.registered()
    client = stock.imap(account, select=True)
    with Idle(client) as idle:
        for count in range(1, 4):
            deliver(stock, account)
            assert idle.exists() == count
        # Dovecot's own at most, and none beside it.
        assert inotify_instances(stock, "imap") <= 1
    client.logout()


def test_no_mail_is_missed(relay):
    """200 messages by four senders, while three clients idle, come and go."""
    account = relay.registered()
    clients = [relay.imap(account, select=True) for _ in range(3)]

    def send(_):
        for _ in range(50):
            deliver(relay, account)

    def watch(client):
        seen = 0
        while seen < 200:
            with Idle(client) as idle:
                for _ in range(20):
                    assert idle.exists(timeout=60) is not None, f"silence after {seen}"
                    seen = idle.count
                    if seen == 200:
                        break
            seen = idle.count
        return seen

    with concurrent.futures.ThreadPoolExecutor(7) as pool:
        watching = [pool.submit(watch, client) for client in clients]
        list(pool.map(send, range(4)))
        assert [result.result() for result in watching] == [200] * 3
    for client in clients:
        client.logout()


def test_flags_and_deletions_are_told(relay):
    account = relay.registered()
    deliver(relay, account)
    watcher = relay.imap(account, select=True)
    other = relay.imap(account, select=True)
    with Idle(watcher) as idle:
        other.store("1", "+FLAGS", r"(\Seen \Deleted)")
        eventually(lambda: "FETCH" in (idle.line() or ""))
        other.close()
        eventually(lambda: (idle.line() or "") == "* 1 EXPUNGE")
    other.logout()
    watcher.logout()


def imap_processes(relay):
    return set(relay.inside("pgrep", "-f", "^dovecot/imap( |$)", check=False).stdout.split())


def test_the_end_of_idle_waits_for_nothing(relay):
    """Closing an inotify descriptor takes the kernel some 10 ms, so ours is kept for the next."""
    before = imap_processes(relay)
    account = relay.registered()
    client = relay.imap(account, select=True)
    (process,) = imap_processes(relay) - before
    for count in range(1, 11):
        with Idle(client) as idle:
            deliver(relay, account)
            assert idle.exists() == count
        listing = relay.inside("ls", "-l", f"/proc/{process}/fd").stdout
        assert listing.count("inotify") == 2, "one is Dovecot's own"
    client.logout()


def test_a_locked_mailbox_is_told_of_when_it_is_free(relay):
    """Longer than a delivery would have the lock: Dovecot itself waits for it then."""
    account = relay.registered()
    client = relay.imap(account, select=True)
    mailbox = relay.mailbox(account)
    lock = mailbox / "dovecot-uidlist.lock"
    with Idle(client) as idle:
        deliver(relay, account)
        assert idle.exists() == 1
        lock.write_text(f"{os.getpid()}:{socket.gethostname()}")
        temporary = mailbox / "tmp" / "1.foreign"
        temporary.write_bytes(encrypted(SENDER, account.address))
        os.chown(temporary, mailbox.stat().st_uid, mailbox.stat().st_gid)
        temporary.rename(mailbox / "new" / "1.foreign")
        assert select.select([client.sock], [], [], 1)[0] == []
        lock.unlink()
        assert idle.exists() == 2
        deliver(relay, account)
        assert idle.exists() == 3
    client.logout()


def sleeping(relay):
    """How many clients imap-hibernate holds now."""
    return inotify_instances(relay, "imap-hibernate")


def test_mail_wakes_a_hibernated_client(sleepy):
    account = sleepy.registered()
    logged = len(sleepy.log("dovecot"))
    before = sleeping(sleepy)
    client = sleepy.imap(account, select=True)
    with Idle(client) as idle:
        for count in range(1, 4):
            eventually(lambda: sleeping(sleepy) > before, message="the client did not hibernate")
            deliver(sleepy, account)
            assert idle.exists() == count
    # Back from hibernation, commands still work.
    assert client.noop()[0] == "OK"
    assert len(client.search(None, "ALL")[1][0].split()) == 3
    client.logout()
    # And nobody complained, each time that one of thousands goes to sleep.
    assert "Error" not in sleepy.log("dovecot")[logged:]


def test_no_mail_is_missed_on_the_way_to_hibernation(sleepy):
    """Mail that comes in the moments when a client goes to sleep, a second after the last."""

    def watch(_):
        account = sleepy.registered()
        client = sleepy.imap(account, select=True)
        with Idle(client) as idle:
            for count in range(1, 16):
                deliver(sleepy, account)
                assert idle.exists() == count
                time.sleep(random.uniform(0.9, 1.05))
        client.logout()

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        list(pool.map(watch, range(10)))


def test_mail_that_nobody_looked_at_before_hibernation(sleepy):
    """The process wakes up to find both: mail has come, and it is time to sleep."""
    account = sleepy.registered()
    client = sleepy.imap(account, select=True)
    processes = imap_processes(sleepy)
    before = sleeping(sleepy)
    with Idle(client) as idle:
        sleepy.inside("kill", "-STOP", *processes)
        try:
            deliver(sleepy, account)
            time.sleep(1.5)
        finally:
            sleepy.inside("kill", "-CONT", *processes)
        assert idle.exists() == 1
        eventually(lambda: sleeping(sleepy) > before, message="the client did not hibernate")
    client.logout()


def test_client_ends_its_hibernation(sleepy):
    account = sleepy.registered()
    before = sleeping(sleepy)
    client = sleepy.imap(account, select=True)
    with Idle(client):
        eventually(lambda: sleeping(sleepy) > before, message="the client did not hibernate")
    deliver(sleepy, account)
    client.noop()
    assert len(client.search(None, "ALL")[1][0].split()) == 1
    client.logout()


def test_hibernation_is_no_login(sleepy):
    account = sleepy.registered()
    before = sleeping(sleepy)
    client = sleepy.imap(account, select=True)
    old = int(time.time()) // 86400 * 86400 - 50 * 86400
    with Idle(client) as idle:
        eventually(lambda: sleeping(sleepy) > before)
        os.utime(sleepy.mailbox(account) / "password", (old, old))
        deliver(sleepy, account)
        assert idle.exists() == 1
    client.logout()
    assert (sleepy.mailbox(account) / "password").stat().st_mtime == old


HOARDER = """
import ctypes, os, sys
instances = []
libc = ctypes.CDLL(None)
while (fd := libc.inotify_init1(0)) >= 0:
    instances.append(fd)
os.close(instances.pop())
print(len(instances), flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def one_inotify_instance_left(uid):
    """The user has one instance more, which is Dovecot's own; the plugin's would be the second."""
    command = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups"]
    hoarder = subprocess.Popen(
        [*command, "/usr/bin/python3", "-c", HOARDER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd="/",
    )
    try:
        assert int(hoarder.stdout.readline()) > 0
        yield
    finally:
        hoarder.communicate()


def test_without_inotify_instances(relay):
    """When there are no more of them, Dovecot's own way remains."""
    account = relay.registered()
    client = relay.imap(account, select=True)
    with one_inotify_instance_left(relay.mailbox(account).stat().st_uid):
        with Idle(client) as idle:
            for count in range(1, 4):
                deliver(relay, account)
                assert idle.exists(timeout=90) == count
    client.logout()
