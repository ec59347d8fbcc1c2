"""IDLE: which changes a client is notified of, and when, without and with hibernation."""

import concurrent.futures
import contextlib
import fcntl
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


def each_message_is_reported(relay, account, idle, messages, timeout=30):
    """To a client whose mailbox was empty."""
    for count in range(1, messages + 1):
        deliver(relay, account)
        assert idle.exists(timeout) == count


@pytest.fixture(scope="module")
def sleepy(make_relay):
    """A relay whose clients hibernate after a second."""
    return make_relay(
        settings={"imap_hibernate_timeout": "1s"}, without=["postfix", "milter", "opendkim"]
    )


@pytest.fixture(scope="module")
def stock(make_relay):
    """A relay with Dovecot's own IDLE."""
    return make_relay(ini={"instant_idle": "false"}, without=["postfix", "milter", "opendkim"])


def inotify_instances(relay, program):
    """The number of inotify instances that the processes of this program hold now."""
    pids = relay.inside("pgrep", "-f", f"^dovecot/{program}( |$)", check=False).stdout.split()
    # A process may end meanwhile: then it holds none.
    listings = [relay.inside("ls", "-l", f"/proc/{pid}/fd", check=False).stdout for pid in pids]
    return sum(listing.count("inotify") for listing in listings)


def test_idle_notifies_of_mail(relay):
    account = relay.registered()
    client = relay.imap(account, select=True)
    with Idle(client) as idle:
        each_message_is_reported(relay, account, idle, 5)
    assert len(client.search(None, "ALL")[1][0].split()) == 5
    client.logout()


def test_instant_idle_can_be_disabled(stock):
    account = stock.registered()
    client = stock.imap(account, select=True)
    with Idle(client) as idle:
        each_message_is_reported(stock, account, idle, 3)
        # Dovecot's own instances at most, and none besides.
        assert inotify_instances(stock, "imap") <= 1
    client.logout()


def test_no_mail_is_missed(relay):
    """200 messages by four senders, while three clients idle, connect and disconnect."""
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


def test_idle_notifies_of_flags_and_deletions(relay):
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


def imap_process(relay, account):
    """The process of the account's only session, which has the mailbox's index open."""
    (process,) = (
        process for process in imap_processes(relay) if account.address in open_files(relay, process)
    )
    return process


def open_files(relay, process):
    """Nothing, if the process has ended meanwhile."""
    return relay.inside("ls", "-l", f"/proc/{process}/fd", check=False).stdout


def test_the_end_of_idle_is_not_delayed(relay):
    """Closing an inotify instance takes the kernel some 10 ms, so all sessions share one."""
    account = relay.registered()
    client = relay.imap(account, select=True)
    process = imap_process(relay, account)
    for count in range(1, 11):
        with Idle(client) as idle:
            deliver(relay, account)
            assert idle.exists() == count
        assert open_files(relay, process).count("inotify") == 2, "one is Dovecot's own"
    client.logout()


def test_a_locked_mailbox_is_reported_when_it_is_unlocked(relay):
    """Locked longer than by a delivery: then Dovecot itself waits for the lock."""
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


def test_a_delivery_that_pauses(relay):
    """Once the index has the directory's new time, and not yet the message: Dovecot's sync finds
    nothing then, and inotify has reported all that it will."""
    account = relay.registered()
    deliver(relay, account)
    client = relay.imap(account, select=True)
    mailbox = relay.mailbox(account)
    lock = mailbox / "dovecot-uidlist.lock"

    def files():
        return len([*(mailbox / "cur").iterdir(), *(mailbox / "new").iterdir()])

    with Idle(client) as idle, concurrent.futures.ThreadPoolExecutor(1) as pool:
        for count in range(2, 6):
            # Between the two it writes what it knows of the message into the cache.
            with (mailbox / "dovecot.index.cache").open("r+b") as cache:
                fcntl.lockf(cache, fcntl.LOCK_EX)
                delivery = pool.submit(deliver, relay, account)
                eventually(lambda: files() == count)
                time.sleep(1)
                assert lock.exists() and not delivery.done()
            delivery.result()
            assert idle.exists(timeout=20) == count
    client.logout()


def sleeping(relay):
    """The number of clients that imap-hibernate holds now."""
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
    # Commands still work after hibernation.
    assert client.noop()[0] == "OK"
    assert len(client.search(None, "ALL")[1][0].split()) == 3
    client.logout()
    # No error is logged when one of thousands of clients hibernates.
    assert "Error" not in sleepy.log("dovecot")[logged:]


def test_no_mail_is_missed_on_the_way_to_hibernation(sleepy):
    """Mail arrives at the moment when a client hibernates, a second after the last change."""

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


def test_unseen_mail_before_hibernation(sleepy):
    """The process wakes up to two events: new mail, and the end of the time before hibernation."""
    account = sleepy.registered()
    client = sleepy.imap(account, select=True)
    process = imap_process(sleepy, account)
    before = sleeping(sleepy)
    with Idle(client) as idle:
        sleepy.inside("kill", "-STOP", process)
        try:
            deliver(sleepy, account)
            time.sleep(1.5)
        finally:
            sleepy.inside("kill", "-CONT", process)
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


def test_hibernation_does_not_count_as_login(sleepy):
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


# Runs its arguments in a user namespace with all users, in which each user has separate limits.
OWN_LIMITS = """
import ctypes, os, sys
ready = os.pipe()
if os.fork() == 0:
    os.read(ready[0], 1)
    for name in ("uid_map", "gid_map"):
        with open(f"/proc/{os.getppid()}/{name}", "w") as map:
            map.write("0 0 65536")
    os._exit(0)
assert ctypes.CDLL(None).unshare(0x10000000) == 0
os.write(ready[1], b"x")
assert os.wait()[1] == 0
os.execvp(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture(scope="module")
def short_of_inotify(make_relay):
    return make_relay(wrapper=["/usr/bin/python3", "-c", OWN_LIMITS], without=["postfix", "milter", "notifyd"])


def limit_inotify_instances(relay, count):
    """The limit for each user of the relay."""
    pid = (relay.home / "pid").read_text().strip()
    limit = f"echo {count} > /proc/sys/user/max_inotify_instances"
    subprocess.run(["nsenter", "--user", f"--target={pid}", "sh", "-c", limit], check=True)


def test_one_inotify_instance_is_enough(short_of_inotify):
    relay = short_of_inotify
    account = relay.registered()
    # They wait for clients, and have their instances; some may end by themselves.
    relay.inside("kill", *imap_processes(relay), check=False)
    client = relay.imap(account, select=True)
    process = imap_process(relay, account)
    limit_inotify_instances(relay, 1)
    with Idle(client) as idle:
        each_message_is_reported(relay, account, idle, 3, timeout=25)
        assert open_files(relay, process).count("inotify") == 2
    client.logout()


def test_without_inotify_instances(short_of_inotify):
    """Mail is noticed all the same, and sooner than by Dovecot's own polling; thirty clients that
    cannot hibernate do not flood the log."""
    relay = short_of_inotify
    account = relay.registered()
    clients = [relay.imap(account, select=True) for _ in range(30)]
    limit_inotify_instances(relay, 0)
    with contextlib.ExitStack() as stack:
        idles = [stack.enter_context(Idle(client)) for client in clients]
        for count in range(1, 4):
            deliver(relay, account)
            for idle in idles:
                assert idle.exists(timeout=25) == count
    for client in clients:
        client.logout()
    # Once a minute.
    assert 1 <= relay.log("dovecot").count("otify") < len(clients)
