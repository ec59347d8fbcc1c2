"""The quota: clients see it, old mail makes room for new, and new mail comes in all the same."""

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
    """Puts messages into the mailbox that were delivered some days ago."""
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
    """(used, limit) in bytes, as GETQUOTAROOT says."""
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


def test_the_oldest_go_when_it_is_nearly_full(small):
    account = new_account(small)
    fill(small, account, 37, 200_000, age_days=3)
    assert usage(small, account)[0] > 7 * MEGABYTE
    assert small.send(account, account.address, message(account, 500_000))[0] == 250
    eventually(
        lambda: usage(small, account)[0] <= 7 * MEGABYTE, message="the mailbox was not trimmed"
    )
    left = old_messages(small, account)
    assert 30 < len(left) < 37
    # Those that are left are the newest of them, and the two fresh ones are there.
    numbers = sorted(int(re.search(r"\.M(\d+)P", path.name).group(1)) for path in left)
    assert numbers == list(range(37 - len(left), 37))
    assert len(small.fetch(account)) == len(left) + 2


@pytest.mark.parametrize("counted", [True, False])
def test_old_mail_makes_room_however_full_it_is(small, counted):
    """The limit may have been lowered. No warning comes then, for no part of it is crossed."""
    account = new_account(small)
    fill(small, account, 110, 209_000, age_days=3)
    if counted:
        assert usage(small, account)[0] > 2 * 10 * MEGABYTE
    assert (small.mailbox(account) / "maildirsize").exists() == counted
    fresh = encrypted("sender@peer.test", account.address, size=300_000)
    assert small.deliver("sender@peer.test", account.address, fresh) == {}
    assert usage(small, account)[0] <= 7.5 * MEGABYTE
    assert len(small.fetch(account)) == len(old_messages(small, account)) + 2


def test_a_full_mailbox_takes_fresh_mail(small):
    """Nothing in it is old enough to go: what comes is stored all the same, for a while."""
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


def test_the_last_message_may_be_a_large_one(small):
    """It fits when it begins; the next one does not."""
    account = new_account(small)
    fill(small, account, 95, 209_000, age_days=0)
    used, limit = usage(small, account)
    assert 1.8 * limit < used < 1.95 * limit
    for replies in ({}, {account.address: 552}):
        large = encrypted("sender@peer.test", account.address, size=12 * MEGABYTE)
        found = small.deliver("sender@peer.test", account.address, large)
        assert {recipient: reply[0] for recipient, reply in found.items()} == replies


def test_not_even_fresh_mail_fills_the_disk(small):
    """What is too young to go is bounced when it is twice of what may be."""
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
