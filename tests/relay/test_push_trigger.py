"""LMTP creates one queue entry for each token of the recipient."""

import json
import os
import time

import pytest

from support.imap import set_metadata
from support.messages import encrypted, values

TOKEN = "/private/devicetoken"


@pytest.fixture(scope="module")
def relay(make_relay):
    """A relay without the notifier, so that the queue can be inspected."""
    return make_relay(without=["postfix", "milter", "opendkim", "notifyd"])


@pytest.fixture(autouse=True)
def empty_queue(relay):
    for entry in queue(relay):
        os.unlink(entry)


def queue(relay):
    top = relay.path(f"/home/vmail/mail/{relay.domain}/pending_notifications")
    return sorted(top.iterdir()) if top.exists() else []


def entries(relay):
    """(address, token) of each entry, provided that upstream's notifier can read it."""
    found = []
    for path in queue(relay):
        address, when, token = path.read_text().split("\n")
        assert abs(int(when) - time.time()) < 600
        found.append((address, token))
    return sorted(found)


def with_tokens(relay, *tokens):
    account = relay.registered()
    client = relay.imap(account)
    for token in tokens:
        assert set_metadata(client, "INBOX", TOKEN, token)[0] == "OK"
    client.logout()
    return account


def deliver(relay, sender, *recipients, header_from=None):
    message = encrypted(header_from or sender, recipients[0])
    assert relay.deliver(sender, list(recipients), message) == {}


def test_one_entry_per_token(relay):
    account = with_tokens(relay, "openpgp:one", "openpgp:two")
    deliver(relay, "sender@peer.test", account.address)
    # The entries exist when LMTP has replied 250.
    assert entries(relay) == [(account.address, "openpgp:one"), (account.address, "openpgp:two")]
    assert len(relay.fetch(account)) == 1


def test_no_entry_without_a_token(relay):
    account = relay.registered()
    deliver(relay, "sender@peer.test", account.address)
    assert entries(relay) == []
    assert len(relay.fetch(account)) == 1


def test_every_recipient_gets_entries(relay):
    first, second = with_tokens(relay, "first"), with_tokens(relay, "second")
    third = relay.registered()
    deliver(relay, "sender@peer.test", first.address, third.address, second.address)
    assert entries(relay) == sorted([(first.address, "first"), (second.address, "second")])


def test_mail_from_oneself_creates_no_entry(relay):
    sender, other = with_tokens(relay, "mine"), with_tokens(relay, "theirs")
    deliver(relay, sender.address, sender.address, other.address)
    assert entries(relay) == [(other.address, "theirs")]
    assert len(relay.fetch(sender)) == 1


@pytest.mark.parametrize(
    "change", [str.upper, lambda address: f"Somebody <{address}>", lambda address: f" {address}  "]
)
def test_mail_from_oneself_is_detected_by_its_header(relay, change):
    account = with_tokens(relay, "mine")
    message = encrypted("x@y.test", account.address).replace(
        b"From: <x@y.test>", b"From: " + change(account.address).encode()
    )
    assert values(message, "from")
    # The envelope sender is that of a mailing list, for example.
    assert relay.deliver("list@peer.test", account.address, message) == {}
    assert entries(relay) == []


def test_bounces_create_entries(relay):
    account = with_tokens(relay, "mine")
    deliver(relay, "", account.address, header_from="mailer-daemon@peer.test")
    assert entries(relay) == [(account.address, "mine")]


def test_a_clients_append_creates_no_entry(relay):
    account = with_tokens(relay, "mine")
    client = relay.imap(account, select=True)
    client.append("INBOX", "", None, encrypted("sender@peer.test", account.address))
    client.create("Other")
    client.copy("1", "Other")
    client.logout()
    assert entries(relay) == []


def test_expired_tokens_get_no_entry(relay):
    account = with_tokens(relay, "fresh")
    path = relay.mailbox(account) / "metadata.json"
    tokens = {"stale": int(time.time()) - 91 * 86400, "fresh": int(time.time())}
    path.write_text(json.dumps({"devicetoken": tokens}))
    deliver(relay, "sender@peer.test", account.address)
    assert entries(relay) == [(account.address, "fresh")]


def test_push_errors_do_not_stop_delivery(relay):
    account = with_tokens(relay, "mine")
    (relay.mailbox(account) / "metadata.json").write_text("not JSON")
    deliver(relay, "sender@peer.test", account.address)
    assert entries(relay) == []
    assert len(relay.fetch(account)) == 1
    assert "chatmail: push: metadata.json" in relay.log("dovecot")
