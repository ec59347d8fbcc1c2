"""A message between real clients wakes the recipient's phone. Core has no call that sets a device
token, so another connection sets it, as the phone would."""

import pytest

from support.push_relay import Device, push_relay, queue
from support.wait import eventually


@pytest.fixture(scope="module")
def relay(make_relay):
    with push_relay(make_relay) as relay:
        yield relay


def wait_until_idle(relay):
    relay.settle()
    eventually(lambda: not queue(relay), message="the queue did not become empty")


def test_messages_of_core_wake_only_the_recipient(relay, pair, chats):
    alice, bob = pair
    of_alice, of_bob = chats
    device_of_alice, device_of_bob = Device(relay, alice.login), Device(relay, bob.login)

    of_alice.send_text("wake up")
    bob.wait_for_texts(of_bob, ["wake up"])
    relay.push.wait_for([device_of_bob.token])
    wait_until_idle(relay)
    # The copy that core may send to itself wakes no device either.
    assert device_of_alice.token not in relay.push.tokens()

    before = relay.push.counts()[device_of_bob.token]
    of_bob.send_text("I am")
    alice.wait_for_texts(of_alice, ["I am"])
    relay.push.wait_for([device_of_alice.token])
    wait_until_idle(relay)
    assert relay.push.counts()[device_of_bob.token] == before


def test_a_dead_token_is_removed(relay, pair, chats):
    alice, bob = pair
    of_alice, of_bob = chats
    device = Device(relay, bob.login)
    relay.push.answer = lambda token: 410 if token == device.token else 200
    assert device.token in device.tokens()
    of_alice.send_text("are you there")
    bob.wait_for_texts(of_bob, ["are you there"])
    eventually(lambda: device.token not in device.tokens())
