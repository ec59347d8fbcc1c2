"""From a delivered message to the POST at the push service, through a real relay: Postfix, Dovecot's
LMTP with the plugin, the queue directory, chatmail-notifyd, an HTTP/2 TLS server."""

import os
import re
import tempfile
from pathlib import Path

import pytest

from support import messages
from support.certificates import Authority
from support.push_service import Backend, Nghttpx
from support.wait import eventually


@pytest.fixture(scope="module")
def push_relay(make_relay):
    """A relay whose notifyd talks to relay.push, a Backend behind nghttpx."""
    backend = Backend().start()
    with tempfile.TemporaryDirectory(prefix="push-") as directory, pytest.MonkeyPatch.context() as m:
        # The notifier runs as vmail and has to read the authority's certificate.
        os.chmod(directory, 0o755)
        authority = Authority(Path(directory) / "ca")
        m.setenv("SSL_CERT_FILE", str(authority.certificate))
        with Nghttpx(directory, backend, authority.issue("localhost")) as server:
            relay = make_relay(ini={"notify_url": server.url})
            relay.push = backend
            yield relay
            relay.stop()
    backend.stop()


@pytest.fixture
def relay(push_relay):
    push_relay.push.answer = lambda token: 200
    return push_relay


class Device:
    """A client that knows METADATA."""

    def __init__(self, relay, account):
        self.client = relay.imap(account, select=True)

    def set_token(self, token):
        kind, data = self.client.xatom("SETMETADATA", "INBOX", f'(/private/devicetoken "{token}")')
        assert kind == "OK", data
        return token

    def tokens(self):
        self.client.untagged_responses.pop("METADATA", None)
        kind, data = self.client.xatom("GETMETADATA", "INBOX", "(/private/devicetoken)")
        assert kind == "OK", data
        reply = repr(self.client.response("METADATA")[1])
        return set(re.findall(r"openpgp:[A-Za-z0-9/+=]+", reply))


def new_token(number=iter(range(1000000))):
    return f"openpgp:token{next(number):06}" + "A" * 500


def account_with_token(relay):
    account = relay.account()
    device = Device(relay, account)
    return account, device, device.set_token(new_token())


def send(relay, sender, recipient, **options):
    code, text = relay.send(
        sender, recipient.address, messages.encrypted(sender.address, recipient.address, **options)
    )
    assert code == 250, text


def queue(relay):
    directory = relay.mailbox(relay.account()).parent / "pending_notifications"
    return list(directory.iterdir()) if directory.exists() else []


def test_a_message_wakes_every_device(relay):
    bob, device, first = account_with_token(relay)
    second = Device(relay, bob).set_token(new_token())
    send(relay, relay.registered(), bob)
    relay.push.wait_for([first, second])
    eventually(lambda: not queue(relay))
    counts = relay.push.counts()
    assert counts[first] == counts[second] == 1
    assert device.tokens() == {first, second}


def test_not_for_messages_of_ones_own(relay):
    bob, _, token = account_with_token(relay)
    send(relay, bob, bob)
    relay.messages(bob)
    assert queue(relay) == []
    # what comes next is the first one
    send(relay, relay.registered(), bob)
    relay.push.wait_for([token])
    eventually(lambda: not queue(relay))
    assert relay.push.counts()[token] == 1


def test_not_for_what_a_client_stores(relay):
    bob, device, token = account_with_token(relay)
    alice = relay.registered()
    text = messages.encrypted(alice.address, bob.address)
    assert device.client.append("INBOX", None, None, text)[0] == "OK"
    assert queue(relay) == []
    send(relay, alice, bob)
    relay.push.wait_for([token])
    eventually(lambda: not queue(relay))
    assert relay.push.counts()[token] == 1


def test_a_dead_token_is_removed(relay):
    bob, device, dead = account_with_token(relay)
    alive = device.set_token(new_token())
    relay.push.answer = lambda token: 410 if token == dead else 200
    alice = relay.registered()
    send(relay, alice, bob)
    relay.push.wait_for([dead, alive])
    eventually(lambda: device.tokens() == {alive})
    send(relay, alice, bob)
    eventually(lambda: relay.push.counts()[alive] == 2)
    assert relay.push.counts()[dead] == 1
    assert dead not in (relay.mailbox(bob) / "metadata.json").read_text()


def test_the_queue_waits_for_the_notifier(relay):
    bob, _, token = account_with_token(relay)
    without = relay.registered()
    alice = relay.registered()
    relay.stop_service("notifyd")
    send(relay, alice, without)
    relay.messages(without)
    assert queue(relay) == []
    send(relay, alice, bob)
    relay.messages(bob)
    (entry,) = queue(relay)
    address, moment, text = entry.read_text().split("\n")
    assert (address, text) == (bob.address, token)
    assert moment.isdigit()
    relay.start_service("notifyd")
    relay.push.wait_for([token])
    eventually(lambda: not queue(relay))


def test_a_message_from_another_relay(relay):
    bob, _, token = account_with_token(relay)
    carol = "carol@[127.0.0.1]"  # a relay without a name, which cannot sign
    code, text = relay.receive(carol, bob.address, messages.encrypted(carol, bob.address))
    assert code == 250, text
    relay.push.wait_for([token])


def test_nothing_is_logged_of_whom(relay):
    _, _, token = account_with_token(relay)
    assert "watching the queue" in relay.log("notifyd")
    assert "openpgp:" not in relay.log("notifyd")
    assert f"@{relay.domain}" not in relay.log("notifyd")
