"""A relay behind a slow connection that loses packets: every message arrives, once."""

import socket
import time

import pytest

from support.messages import encrypted
from support.wait import eventually


@pytest.fixture(scope="module", autouse=True)
def bad_network(the_world):
    """The round trip to north takes at least 300 ms, and 2 of 100 packets are lost in each
    direction."""
    with the_world.internet.hosts["south"].slow(150, 2):
        yield


def test_the_connection_is_slow(world, south):
    start = time.monotonic()
    socket.create_connection((south.address, 25), 120).close()
    assert time.monotonic() - start >= 0.3


def test_messages_each_way(world, north, south):
    pairs = [(north, north.registered(), south, south.registered())]
    pairs.append((south, pairs[0][3], north, pairs[0][1]))
    for here, sender, there, recipient in pairs:
        with here.submission(sender) as client:
            for _ in range(20):
                message = encrypted(sender.address, recipient.address)
                client.sendmail(sender.address, [recipient.address], message)
        eventually(lambda h=here: h.inside("postqueue", "-f") and h.queue() == [], 240, interval=1)
        assert len(there.messages(recipient, 20, timeout=240)) == 20


def test_a_large_message(world, north, south):
    alice, bob = north.registered(), south.registered()
    message = encrypted(alice.address, bob.address, size=1_000_000)
    assert north.send(alice, bob.address, message)[0] == 250
    eventually(lambda: north.inside("postqueue", "-f") and north.queue() == [], 400, interval=1)
    [received] = south.messages(bob, timeout=400)
    assert len(received) > 1_000_000
