"""From a delivered message to the POST at the push service, through a real relay: Postfix,
Dovecot's LMTP with the plugin, the push queue, chatmail-notifyd, and a TLS server with HTTP/2."""

import pytest

from support.messages import encrypted
from support.push_relay import Device, push_relay, queue
from support.wait import eventually


@pytest.fixture(scope="module")
def relay_of_module(make_relay):
    with push_relay(make_relay) as relay:
        yield relay


@pytest.fixture
def relay(relay_of_module):
    relay_of_module.push.answer = lambda token: 200
    return relay_of_module


@pytest.fixture
def bob(relay):
    return relay.account()


@pytest.fixture
def device(relay, bob):
    return Device(relay, bob)


@pytest.fixture
def alice(relay):
    return relay.registered()


def send(relay, sender, recipient):
    message = encrypted(sender.address, recipient.address)
    code, text = relay.send(sender, recipient.address, message)
    assert code == 250, text


def wait_until_idle(relay):
    eventually(lambda: not queue(relay), message="the queue did not become empty")


def test_a_message_wakes_every_device(relay, alice, bob, device):
    other = Device(relay, bob)
    send(relay, alice, bob)
    relay.push.wait_for([device.token, other.token])
    wait_until_idle(relay)
    counts = relay.push.counts()
    assert counts[device.token] == counts[other.token] == 1
    assert device.tokens() == {device.token, other.token}


def test_own_messages_wake_no_device(relay, alice, bob, device):
    send(relay, bob, bob)
    relay.messages(bob)
    assert queue(relay) == []
    # the next request is for the first message
    send(relay, alice, bob)
    relay.push.wait_for([device.token])
    wait_until_idle(relay)
    assert relay.push.counts()[device.token] == 1


def test_a_dead_token_is_removed(relay, alice, bob, device):
    dead = Device(relay, bob)
    assert device.tokens() == {device.token, dead.token}
    relay.push.answer = lambda token: 410 if token == dead.token else 200
    send(relay, alice, bob)
    relay.push.wait_for([device.token, dead.token])
    eventually(lambda: device.tokens() == {device.token})
    assert dead.tokens() == {device.token}
    send(relay, alice, bob)
    eventually(lambda: relay.push.counts()[device.token] == 2)
    wait_until_idle(relay)
    assert relay.push.counts()[dead.token] == 1
    # a device that is alive after all sets its token again
    assert Device(relay, bob).token in device.tokens()


def test_the_queue_waits_for_the_notifier(relay, alice, bob, device):
    relay.stop_service("notifyd")
    without_token = relay.registered()
    send(relay, alice, without_token)
    relay.messages(without_token)
    assert queue(relay) == []
    send(relay, alice, bob)
    relay.messages(bob)
    assert len(queue(relay)) == 1
    relay.start_service("notifyd")
    relay.push.wait_for([device.token])
    wait_until_idle(relay)


def test_a_message_from_another_relay(relay, bob, device):
    carol = "carol@[127.0.0.1]"  # a relay without a name, which cannot sign
    code, text = relay.receive(carol, bob.address, encrypted(carol, bob.address))
    assert code == 250, text
    relay.push.wait_for([device.token])


def test_logs_do_not_show_whose_phone_is_woken(relay, alice, bob, device):
    relay.push.answer = lambda token: 410
    send(relay, alice, bob)
    eventually(lambda: not device.tokens())
    relay.restart_service("notifyd")
    log = relay.log("notifyd")
    assert "dead tokens" in log
    assert "openpgp:" not in log
    assert f"@{relay.domain}" not in log
