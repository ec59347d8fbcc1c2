"""chatmail-expire beside real servers: the messages that it deletes, Dovecot's quota afterwards,
and mail that it keeps during delivery and reading."""

import json
import os
import random
import re
import threading
import time

import pytest

from support.messages import encrypted
from support.wait import eventually

DAY = 86400
MIB = 1 << 20


@pytest.fixture(scope="module")
def small(make_relay):
    """A relay with mailboxes of ten megabytes: they are trimmed from 7.5 down to 7."""
    return make_relay(ini={"max_mailbox_size": "10M"})


@pytest.fixture(scope="module")
def sender(small):
    return small.registered()


def files(relay, account):
    mailbox = relay.mailbox(account)
    return sorted([*mailbox.glob("cur/*"), *mailbox.glob("new/*")])


def counted(paths):
    """The size of these files as quota counts it: from their names, because the files are
    compressed."""
    return sum(int(re.search(r",S=(\d+)", path.name)[1]) for path in paths)


def quota(relay, account):
    """Kilobytes and messages, as Dovecot counts them."""
    output = relay.inside(
        "doveadm", "-f", "json", "quota", "get", "-u", account.address, dovecot=True
    ).stdout
    rows = {row["type"]: int(row["value"]) for row in json.loads(output)}
    return rows["STORAGE"], rows["MESSAGE"]


def kilobytes(paths):
    return -(-counted(paths) // 1024)


def send(relay, sender, account, count, size=750_000):
    """Delivers messages; returns the new files. Armor makes a megabyte of 750,000 bytes."""
    before = set(files(relay, account))
    for _ in range(count):
        code, text = relay.send(
            sender, account.address, encrypted(sender.address, account.address, size)
        )
        assert code == 250, text
    return eventually(
        lambda: (new := set(files(relay, account)) - before) and len(new) == count and new,
        timeout=60,
        message="the messages were not delivered",
    )


def make_older(paths, seconds):
    """Makes files look as if they had been delivered earlier, by the time in the name and that of
    the file."""
    for path in paths:
        delivered, rest = path.name.split(".", 1)
        older = path.with_name(f"{int(delivered) - seconds}.{rest}")
        os.rename(path, older)
        os.utime(older, (time.time() - seconds,) * 2)


def expire(relay, *options):
    output = relay.inside(
        "chatmail-expire", "-c", "/etc/chatmail.ini", "--json", "--force", *options
    ).stdout
    return json.loads(output)


def test_quota_warning_trims_the_oldest(small, sender):
    bob = small.registered()
    make_older(send(small, sender, bob, 2), 3 * DAY)
    make_older(send(small, sender, bob, 4), 2 * DAY)
    assert len(files(small, bob)) == 6
    before = len(files(small, bob))
    for _ in range(2):  # the second message exceeds 75 %
        code, text = small.send(sender, bob.address, encrypted(sender.address, bob.address, 750_000))
        assert code == 250, text
        small.settle()
    eventually(
        lambda: counted(files(small, bob)) <= 7 * MIB and len(files(small, bob)) > 0,
        message="the mailbox was not trimmed",
    )
    left = files(small, bob)
    assert len(left) < before + 2
    ages = sorted(round((time.time() - int(path.name.split(".")[0])) / DAY) for path in left)
    assert ages.count(3) < 2  # the oldest were deleted first,
    assert ages.count(2) == 4  # none of the younger ones,
    assert ages.count(0) == 2  # and none of today.
    assert quota(small, bob) == (kilobytes(left), len(left))
    assert len(small.fetch(bob)) == len(left)
    assert quota(small, bob) == (kilobytes(left), len(left))


def test_quota_warning_keeps_messages_of_today(small, sender):
    carol = small.registered()
    send(small, sender, carol, 8)
    small.settle()
    left = files(small, carol)
    assert counted(left) > 7.5 * MIB
    assert len(left) == 8
    assert quota(small, carol) == (kilobytes(left), 8)


@pytest.mark.parametrize("client", ["none", "idle", "delivery"])
def test_dovecot_counts_again_after_expiry(small, sender, client):
    """Whichever session comes first: the quota matches the files on disk, and stays so."""
    dave = small.registered()
    old = send(small, sender, dave, 3, 20_000)
    kept = send(small, sender, dave, 2, 20_000)
    assert quota(small, dave) == (kilobytes(old | kept), 5)
    for path in old:
        os.utime(path, (time.time() - 21 * DAY,) * 2)
    imap = small.imap(dave, select=True) if client == "idle" else None
    summary = expire(small)
    assert summary["messages_deleted"] == 3
    assert summary["troubles"] == 0
    if imap is not None:
        imap.noop()
        _, [uids] = imap.uid("SEARCH", "ALL")
        _, data = imap.uid("FETCH", uids.replace(b" ", b",").decode(), "(BODY.PEEK[])")
        assert sum(isinstance(part, tuple) for part in data) == 2
        imap.logout()
    if client == "delivery":
        send(small, sender, dave, 1, 20_000)
    left = files(small, dave)
    assert len(left) == (3 if client == "delivery" else 2)
    assert quota(small, dave) == (kilobytes(left), len(left))
    assert len(small.fetch(dave)) == len(left)
    send(small, sender, dave, 1, 20_000)
    left = files(small, dave)
    assert quota(small, dave) == (kilobytes(left), len(left))


def test_expired_account_is_deleted_and_can_be_registered_again(small, sender):
    erin = small.registered()
    send(small, sender, erin, 1, 1000)
    os.utime(small.mailbox(erin) / "password", (time.time() - 91 * DAY,) * 2)
    by_ctl = small.inside("chatmailctl", "expire", "--dry-run", "--json", "--force").stdout
    assert json.loads(by_ctl)["accounts_deleted"] == 1
    assert small.mailbox(erin).exists()
    assert expire(small)["accounts_deleted"] == 1
    assert not small.mailbox(erin).exists()
    again = small.account(erin.name, "another password of the next owner")
    small.imap(again).logout()
    assert small.fetch(again) == []


def test_a_login_keeps_the_account(small):
    frank = small.registered()
    password = small.mailbox(frank) / "password"
    os.utime(password, (time.time() - 91 * DAY,) * 2)
    small.imap(frank).logout()
    assert expire(small)["accounts_deleted"] == 0
    assert password.exists()


def test_deliveries_and_logins_during_runs(small):
    """20 users return after 91 days, send to each other and read while expiry runs."""
    users = [small.registered() for _ in range(20)]
    idle = [small.registered() for _ in range(20)]
    for account in users + idle:
        os.utime(small.mailbox(account) / "password", (time.time() - 91 * DAY,) * 2)
    done = threading.Event()
    start = threading.Barrier(len(users) + 1, timeout=120)
    failures = []
    each = 3

    def use(index):
        user, neighbour = users[index], users[(index + 1) % len(users)]
        try:
            small.imap(user).logout()
            start.wait()
            for _ in range(each):
                message = encrypted(user.address, neighbour.address, 2000)
                code, text = small.send(user, neighbour.address, message)
                assert code == 250, text
                small.imap(user, select=True).logout()
        except BaseException as error:
            failures.append(error)
            start.abort()

    def run():
        while not done.is_set():
            summary = expire(small)
            assert summary["troubles"] == 0, summary
            runs.append(summary)

    runs = []
    threads = [threading.Thread(target=use, args=(i,)) for i in range(len(users))]
    runner = threading.Thread(target=run)
    for thread in threads:
        thread.start()
    start.wait()
    runner.start()
    for thread in threads:
        thread.join()
    small.settle()
    done.set()
    runner.join()
    assert failures == []
    assert runs
    assert sum(summary["accounts_deleted"] for summary in runs) == len(idle)
    assert sum(summary["messages_deleted"] for summary in runs) == 0
    for user in users:
        assert len(small.messages(user, each)) == each
        assert quota(small, user) == (kilobytes(files(small, user)), each)
    assert not any(small.mailbox(account).exists() for account in idle)


def test_logins_in_the_moment_of_expiry(small):
    """The account of a client that got in is never deleted, and neither is a message that it saw."""
    users = [small.registered() for _ in range(16)]
    sessions, failures = [], []

    def old(user):
        mailbox = small.mailbox(user)
        small.deliver("x@peer.test", user.address, encrypted("x@peer.test", user.address))
        os.utime(mailbox / "password", (time.time() - 91 * DAY,) * 2)

    def log_in(user):
        try:
            time.sleep(random.random())
            client = small.imap(user)
            _, [count] = client.select("INBOX")
            sessions.append((user, int(count)))
            client.logout()
        except BaseException as error:
            failures.append((user, error))

    deleted = kept = 0
    for _ in range(3):
        sessions.clear()
        for user in users:
            old(user)
        threads = [threading.Thread(target=log_in, args=(user,)) for user in users]
        for thread in threads:
            thread.start()
        # Some of them log in before the first run, and some after it.
        time.sleep(0.5)
        while any(thread.is_alive() for thread in threads):
            deleted += expire(small)["accounts_deleted"]
        assert failures == [] and len(sessions) == len(users)
        for user, count in sessions:
            assert (small.mailbox(user) / "password").exists(), user.address
            assert len(small.fetch(user)) == count
            kept += count
    # Neither side always comes first.
    assert deleted > 0 and kept > 0
