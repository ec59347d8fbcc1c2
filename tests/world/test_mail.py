"""Mail between all relays of the world, in every direction."""

import itertools

import pytest

from support.messages import encrypted

HOSTS = ("north", "south", "literal")


@pytest.mark.parametrize("source, target", itertools.permutations(HOSTS, 2))
def test_mail_arrives(world, source, target):
    sender, recipient = world.relays[source].registered(), world.relays[target].registered()
    message = encrypted(sender.address, recipient.address)
    assert world.relays[source].send(sender, recipient.address, message)[0] == 250
    [received] = world.relays[target].messages(recipient, timeout=60)
    assert b"BEGIN PGP MESSAGE" in received
