"""An address has many spellings, and no spelling bypasses a rule."""

import pytest

from support.messages import cleartext, encrypted
from support.peer import Peer

QUOTED = '<"{name}"@relay.test>'
SPELLINGS = [
    "<{name}+tag@relay.test>",
    "<{name}+@relay.test>",
    QUOTED,
    '<"{name}+tag"@relay.test>',
    "<{name}>",
    "<{name}@relay.test.>",
    "<{name}@[127.0.0.1]>",
    "<{name}%relay.test>",
    "<{name}%relay.test@relay.test>",
    "<relay.test!{name}>",
    "<relay.test!{name}@relay.test>",
    "<@relay.test:{name}@relay.test>",
    "<{name}@relay.test@relay.test>",
    '<"{name}@relay.test"@relay.test>',
    "<{name}\\@relay.test@relay.test>",
]


@pytest.fixture(scope="module")
def peer(dns):
    # A separate peer: the relay still has the keys of other tests' peers in its cache.
    return Peer(dns, "spellings.test")


@pytest.fixture(scope="module")
def bob(relay):
    return relay.registered()


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_cleartext_is_refused_in_every_spelling(relay, peer, bob, spelling):
    message = peer.sign(cleartext(peer.address(), bob.address))
    relay.receive(peer.address(), spelling.format(name=bob.name), message)
    relay.settle()
    assert relay.fetch(bob) == []


def test_encrypted_mail_to_a_subaddress_arrives(relay, peer):
    carol = relay.registered()
    message = peer.sign(encrypted(peer.address(), carol.address))
    assert relay.receive(peer.address(), f"{carol.name}+tag@relay.test", message)[0] == 250
    assert len(relay.messages(carol)) == 1


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_sender_has_one_spelling(relay, bob, spelling):
    """Except for the quotes that a name with odd dots needs (RFC 5322 3.4.1)."""
    path = spelling.format(name=bob.name)
    message = encrypted(path.strip("<>"), bob.address)
    code, _ = relay.send(bob, bob.address, message, sender=path)
    assert code == 250 if spelling == QUOTED else code in (500, 501, 553)


@pytest.mark.parametrize(
    "recipient",
    [
        "<user@elsewhere.test>",
        "<user%elsewhere.test@relay.test>",
        "<elsewhere.test!user@relay.test>",
        "<@relay.test:user@elsewhere.test>",
        '<"user@elsewhere.test"@relay.test>',
        '<"user@elsewhere.test">',
    ],
)
def test_strangers_cannot_relay(relay, peer, recipient):
    message = peer.sign(encrypted(peer.address(), "user@elsewhere.test"))
    code, _ = relay.receive(peer.address(), recipient, message)
    relay.settle()
    queue = relay.queue()
    assert code in (250, 554)
    assert not [entry for entry in queue for to in entry["recipients"]
                if to["address"].endswith("elsewhere.test")]
