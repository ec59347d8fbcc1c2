"""A NUL, after which some mail programs show text and others do not."""

import pytest

from support.messages import cleartext, encrypted

PEER = "peer@[127.0.0.1]"


@pytest.fixture(scope="module")
def alice(relay):
    return relay.registered()


def submit(relay, alice, recipient, change):
    return relay.send(alice, recipient.address, change(encrypted(alice.address, recipient.address)))


def receive(relay, alice, recipient, change):
    return relay.receive(PEER, recipient.address, change(encrypted(PEER, recipient.address)))


both_ways = pytest.mark.parametrize("way", [submit, receive])


@both_ways
@pytest.mark.parametrize(
    "field",
    [
        b"X-Mailer: program\0 unseen",
        b"In-Reply-To: <1@localhost>\0 unseen\r\n unseen?",
        b"Date: \0unseen",
        b"References: " + b"<1@localhost>" * 100 + b"\0" + b" unseen" * 100,
    ],
)
def test_postfix_ends_a_header_line_at_a_nul(relay, alice, way, field):
    """The milter protocol ends a value there, so the text after it must not be delivered either."""
    carol = relay.registered()
    reply = way(relay, alice, carol, lambda message: field + b"\r\n" + message)
    assert reply[0] == 250, reply
    [received] = relay.messages(carol)
    assert b"\0" not in received
    assert b"unseen\r" not in received and b"unseen " not in received


@both_ways
@pytest.mark.parametrize("field", [b"X-Mai\0ler: program", b"\0X-Mailer: program"])
def test_a_nul_in_the_name_of_a_field_ends_the_header(relay, alice, way, field):
    carol = relay.registered()
    split = way(relay, alice, carol, lambda message: message.replace(b"\r\nTo:", b"\r\n" + field + b"\r\nTo:", 1))
    assert split[0] == 523, split
    first = way(relay, alice, carol, lambda message: field + b"\r\n" + message)
    assert first[0] == 500, first


@both_ways
@pytest.mark.parametrize("place", [b"\r\n\r\nVersion: 1", b"\r\n\r\n-----BEGIN", b"\r\n--"])
def test_no_encrypted_body_has_a_nul(relay, alice, way, place):
    carol = relay.registered()
    reply = way(relay, alice, carol, lambda message: message.replace(place, place + b"\0", 1))
    assert reply[0] == 523, reply


def test_cleartext_with_a_nul_reaches_whom_takes_cleartext(relay):
    carol = relay.registered()
    relay.accept_cleartext(carol)
    message = cleartext(PEER, carol.address).replace(b"\r\n\r\n", b"\r\n\r\nfirst\0second\r\n", 1)
    reply = relay.receive(PEER, carol.address, message)
    assert reply[0] == 250, reply
    [received] = relay.messages(carol)
    assert b"second" in received
