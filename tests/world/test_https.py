"""Relays detect that others accept mail over HTTPS, and then need port 25 no longer."""

from support.messages import encrypted
from support.wait import eventually


def sent_over(relay, address):
    """The transport of a message to this address, from the log of the sending relay."""
    for line in relay.log("mail").splitlines():
        if f"to=<{address}>" in line and "status=sent" in line:
            return "https" if "postfix/chatmail" in line else "smtp"
    return None


def learn(source, target):
    """Sends messages until they leave over HTTPS."""

    def over_https():
        alice, bob = source.registered(), target.registered()
        assert source.send(alice, bob.address, encrypted(alice.address, bob.address))[0] == 250
        target.messages(bob, timeout=60)
        return eventually(lambda: sent_over(source, bob.address)) == "https"

    eventually(over_https, 120, interval=0.5)


def test_named_relays_detect_https(north, south):
    learn(north, south)
    learn(south, north)


def test_relays_without_a_name_detect_https(north, literal):
    learn(north, literal)
    learn(literal, north)


def test_a_message_to_many_recipients(north, south):
    """Over HTTPS unknown recipients do not affect the others."""
    learn(north, south)
    alice = north.registered()
    friends = [south.registered() for _ in range(3)]
    nobody = south.account()
    to = [friend.address for friend in friends] + [nobody.address]
    assert north.send(alice, to, encrypted(alice.address, to[0]))[0] == 250
    for friend in friends:
        assert len(south.messages(friend, timeout=60)) == 1
    bounces = north.messages(alice, timeout=60)
    assert any(nobody.address.encode() in bounce for bounce in bounces)


def test_without_port_25(world, north, south):
    """A network that blocks port 25, as seen from north: known peers are reached, and bounces
    arrive."""
    learn(north, south)
    learn(south, north)
    for relay in (north, south):
        relay.stop_service("postfix")
        relay.inside("sed", "-i", "s/^25 /127.0.0.1:25 /", "/etc/postfix/master.cf")
        relay.start_service("postfix")
    try:
        alice, bob, nobody = north.registered(), south.registered(), south.account()
        message = encrypted(alice.address, bob.address)
        assert north.send(alice, [bob.address, nobody.address], message)[0] == 250
        south.messages(bob, timeout=60)
        north.messages(alice, timeout=60)
    finally:
        for relay in (north, south):
            relay.stop_service("postfix")
            relay.inside("sed", "-i", "s/^127.0.0.1:25 /25 /", "/etc/postfix/master.cf")
            relay.start_service("postfix")


def test_a_large_message(north, south):
    learn(north, south)
    alice, bob = north.registered(), south.registered()
    message = encrypted(alice.address, bob.address, size=20_000_000)
    assert north.send(alice, bob.address, message)[0] == 250
    [received] = south.messages(bob, timeout=120)
    assert len(received) > 20_000_000
    assert sent_over(north, bob.address) == "https"
