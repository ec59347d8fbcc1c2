"""Two relays: clients of one talk to clients of the other, by SMTP, TLS and DKIM."""

import pytest

from support.deltachat import noise_image
from support.messages import encrypted
from support.relay import Relay


@pytest.fixture(scope="module")
def relays(stages, dns):
    """Each sends all mail for others to the other's port 25 and finds its DKIM key in the DNS."""
    pair = [
        Relay(stages, domain=f"{name}.test", ini={"resolver": dns.resolver})
        for name in ("north", "south")
    ]
    for relay, other in (pair, pair[::-1]):
        relay.settings["relayhost"] = f"[127.0.0.1]:{other.ports['smtp_port']}"
        # Their certificates are self-signed.
        relay.settings["smtp_tls_security_level"] = "encrypt"
    try:
        for relay in pair:
            relay.start()
            dns.txt(f"opendkim._domainkey.{relay.domain}", relay.dkim_record())
        yield pair
    finally:
        for relay in pair:
            relay.stop()


def test_clients_of_two_relays_talk(core, relays, tmp_path):
    [alice], [bob] = (core.clients(relay, 1) for relay in relays)
    of_bob, of_alice = bob.join(alice)
    of_alice.send_text("from north to south")
    of_bob.send_text("from south to north")
    [snapshot] = bob.wait_for_texts(of_bob, ["from north to south"])
    assert snapshot.show_padlock
    [snapshot] = alice.wait_for_texts(of_alice, ["from south to north"])
    assert snapshot.show_padlock
    image = noise_image(tmp_path / "picture.png", 1_000_000)
    of_alice.send_message(file=str(image), filename=image.name, viewtype="File")
    snapshot = bob.wait_for_file(of_bob, image.name)
    with open(snapshot.file, "rb") as received:
        assert received.read() == image.read_bytes()


def test_bounce_of_the_other_relay_arrives(relays):
    """The bounce is cleartext, but signed by the relay that sends it. The other relay had accepted
    the message for bob."""
    north, south = relays
    alice, bob, nobody = north.registered(), south.registered(), south.account()
    message = encrypted(alice.address, nobody.address)
    assert north.send(alice, [bob.address, nobody.address], message)[0] == 250
    [bounce] = north.messages(alice, timeout=60)
    assert b"mailer-daemon@south.test" in bounce.lower()
    assert nobody.address.encode() in bounce


def test_bounce_of_the_own_relay_arrives(relays):
    """The other relay refuses a message whose only recipient does not exist."""
    north, south = relays
    alice, nobody = north.registered(), south.account()
    message = encrypted(alice.address, nobody.address)
    assert north.send(alice, nobody.address, message)[0] == 250
    [bounce] = north.messages(alice, timeout=60)
    assert b"mailer-daemon@north.test" in bounce.lower()
    assert b"No such user here" in bounce
