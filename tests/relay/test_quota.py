"""The quota: clients see it, old messages are deleted to make room, and new mail arrives all the
same."""

import os
import re
import time

import pytest

from support.messages import encrypted
from support.wait import eventually

MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def small(stages, dns):
    """A relay whose mailboxes hold 10 MB."""
    from support.relay import Relay

    with Relay(stages, ini={"max_mailbox_size": "10M", "resolver": dns.resolver}) as instance:
        yield instance


def fill(relay, account, count, size, age_days):
    """Stores messages that look as if they were delivered some days ago."""
    mailbox = relay.mailbox(account)
    owner = mailbox.stat()
    delivered = int(time.time() - age_days * 86400)
    for number in range(count):
        name = f"{delivered + number}.M{number}P1.old,S={size},W={size}:2,"
        path = mailbox / "cur" / name
        path.write_bytes(b"Subject: old\n\n" + os.urandom(size - 14).replace(b"\n", b"."))
        os.utime(path, (delivered, delivered))
        os.chown(path, owner.st_uid, owner.st_gid)
    (mailbox / "maildirsize").unlink(missing_ok=True)


def usage(relay, account):
    """(used, limit) in bytes, as GETQUOTAROOT reports it."""
    client = relay.imap(account)
    _, (_, [quota]) = client.getquotaroot("INBOX")
    client.logout()
    used, limit = re.search(rb"STORAGE (\d+) (\d+)", quota).groups()
    return int(used) * 1024, int(limit) * 1024


def new_account(relay):
    account = relay.account()
    relay.imap(account, select=True).logout()
    assert relay.send(account, account.address, message(account, 1000))[0] == 250
    relay.messages(account)
    return account


def message(account, size):
    return encrypted(account.address, account.address, size=size)


def old_messages(relay, account):
    return list(relay.mailbox(account).glob("cur/*.old,*"))


def test_clients_see_the_limit(small):
    account = new_account(small)
    used, limit = usage(small, account)
    assert limit == 10 * MEGABYTE
    assert 0 < used < 10_000


def test_the_oldest_messages_are_deleted_when_it_is_nearly_full(small):
    account = new_account(small)
    fill(small, account, 37, 200_000, age_days=3)
    assert usage(small, account)[0] > 7 * MEGABYTE
    assert small.send(account, account.address, message(account, 500_000))[0] == 250
    eventually(
        lambda: usage(small, account)[0] <= 7 * MEGABYTE, message="the mailbox was not trimmed"
    )
    left = old_messages(small, account)
    assert 30 < len(left) < 37
    # The newest of them are left, and the two fresh messages.
    numbers = sorted(int(re.search(r"\.M(\d+)P", path.name).group(1)) for path in left)
    assert numbers == list(range(37 - len(left), 37))
    assert len(small.fetch(account)) == len(left) + 2


@pytest.mark.parametrize("counted", [True, False])
def test_old_messages_are_deleted_however_full_it_is(small, counted):
    """The limit may have been lowered. Then no warning comes, because no threshold is crossed."""
    account = new_account(small)
    fill(small, account, 110, 209_000, age_days=3)
    if counted:
        assert usage(small, account)[0] > 2 * 10 * MEGABYTE
    assert (small.mailbox(account) / "maildirsize").exists() == counted
    fresh = encrypted("sender@peer.test", account.address, size=300_000)
    assert small.deliver("sender@peer.test", account.address, fresh) == {}
    assert usage(small, account)[0] <= 7.5 * MEGABYTE
    assert len(small.fetch(account)) == len(old_messages(small, account)) + 2


def test_a_full_mailbox_accepts_fresh_mail(small):
    """None of its messages is old enough to be deleted: new mail is stored all the same, up to a
    limit."""
    account = new_account(small)
    fill(small, account, 50, 209_000, age_days=0)
    used, limit = usage(small, account)
    assert 0.97 * limit < used < limit
    for _ in range(6):
        before = len(small.fetch(account))
        assert small.send(account, account.address, message(account, 300_000))[0] == 250
        small.messages(account, before + 1)
    assert usage(small, account)[0] > limit
    assert len(old_messages(small, account)) == 50


def test_clients_see_more_than_the_limit(small):
    """GETQUOTA and GETQUOTAROOT show what is there, not the limit at most (RFC 9208 4.2.1)."""
    account = new_account(small)
    fill(small, account, 90, 209_000, age_days=0)
    client = small.imap(account)
    _, (roots, _) = client.getquotaroot("INBOX")
    root = re.fullmatch(rb'(?:"INBOX"|INBOX) "(.+)"', roots[0]).group(1)
    stored = [path.stat().st_size for path in small.mailbox(account).glob("*/*,S=*")]
    assert len(stored) == 91 and 1.7 < sum(stored) / (10 * MEGABYTE) < 1.9
    _, [quota] = client.getquota(f'"{root.decode()}"')
    used, limit, count, _ = map(
        int, re.search(rb"STORAGE (\d+) (\d+) MESSAGE (\d+) (\d+)", quota).groups()
    )
    assert (limit, count) == (10240, 91)
    assert abs(used - sum(stored) / 1024) < 2
    assert usage(small, account) == (used * 1024, 10 * MEGABYTE)
    client.logout()


def test_the_last_message_may_be_a_large_one(small):
    """The message begins below the limit; the next one does not."""
    account = new_account(small)
    fill(small, account, 95, 209_000, age_days=0)
    used, limit = usage(small, account)
    assert 1.8 * limit < used < 1.95 * limit
    for replies in ({}, {account.address: 552}):
        large = encrypted("sender@peer.test", account.address, size=12 * MEGABYTE)
        found = small.deliver("sender@peer.test", account.address, large)
        assert {recipient: reply[0] for recipient, reply in found.items()} == replies


def test_fresh_mail_cannot_fill_the_disk(small):
    """LMTP refuses mail for a mailbox at twice its quota, even if no message is old enough to be
    deleted."""
    account, sender = new_account(small), small.registered()
    fill(small, account, 100, 209_000, age_days=0)
    used, limit = usage(small, account)
    assert used > 1.9 * limit
    before = len(small.fetch(account))
    for _ in range(2):
        fresh = encrypted(sender.address, account.address, size=300_000)
        assert small.send(sender, account.address, fresh)[0] == 250
    small.settle()
    assert len(small.fetch(account)) <= before + 1
    small.messages(sender)
