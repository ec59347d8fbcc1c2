"""What leaves: TLS is verified, dead destinations hold nobody up, a fresh DNS record works at once."""

import http.client
import ssl

import pytest

from support.messages import encrypted
from support.wait import eventually


@pytest.fixture
def alice(north):
    return north.registered()


@pytest.fixture
def stock(world):
    yield world.stock
    world.stock.set(dkim=False, smtpd_tls_security_level="may")


def deferred(relay, address):
    """Why the message to this address waits; None if there is none."""
    for entry in relay.queue():
        for recipient in entry["recipients"]:
            if recipient["address"] == address:
                return recipient.get("delay_reason")
    return None


def send(relay, account, to):
    assert relay.send(account, to, encrypted(account.address, to))[0] == 250


def drop_queue(relay):
    relay.inside("postsuper", "-d", "ALL")


def test_a_valid_certificate_is_enough(world, north, alice, stock):
    send(north, alice, "friend@stock.example")
    [message] = eventually(lambda: stock.mail("friend"), 60)
    assert "TLSv1.3" in message and "DKIM-Signature: " in message
    assert f"[{north.host.ipv4}]" in message  # IPv4 first


def test_no_plaintext(world, north, alice, stock):
    stock.set(smtpd_tls_security_level="none")
    send(north, alice, "plain@stock.example")
    reason = eventually(lambda: deferred(north, "plain@stock.example"), 60)
    assert "TLS is required" in reason
    stock.set(smtpd_tls_security_level="may")
    north.inside("postqueue", "-f")
    eventually(lambda: stock.mail("plain"), 60)


def test_a_certificate_for_another_name(world, north, alice, stock):
    """other.example's MX is the same machine, whose certificate is stock.example's."""
    world.publish("other", ["@ IN MX 10 mx", f"mx IN A {stock.host.ipv4}"])
    send(north, alice, "x@other.example")
    reason = eventually(lambda: deferred(north, "x@other.example"), 60)
    assert "not verified" in reason or "not trusted" in reason
    assert stock.mail("x") == []
    drop_queue(north)


def test_nauta_cu_is_excused(world, north, alice, stock):
    """It has no STARTTLS, and its users no other way."""
    stock.set(smtpd_tls_security_level="none", virtual_mailbox_domains="stock.example nauta.cu")
    send(north, alice, "cuban@nauta.cu")
    eventually(lambda: stock.mail("cuban"), 60)
    stock.set(virtual_mailbox_domains="stock.example")


def test_null_mx(world, north, alice):
    world.publish("other", ["@ IN MX 0 .", "@ IN A 198.51.100.40"])
    send(north, alice, "x@other.example")
    [bounce] = north.messages(alice, timeout=60)
    assert b"5.1.0" in bounce or b"5.1.10" in bounce or b"556" in bounce
    assert b"nullMX" in bounce


def test_a_fresh_record_works_at_once(world, north, alice, stock):
    world.publish("other", ["@ IN TXT none"])
    send(north, alice, "early@other.example")
    [bounce] = north.messages(alice, timeout=60)
    assert b"other.example" in bounce
    world.publish("other", ["@ IN MX 10 stock.example."])
    stock.set(virtual_mailbox_domains="stock.example other.example")
    send(north, alice, "late@other.example")
    eventually(lambda: stock.mail("late"), 60)
    stock.set(virtual_mailbox_domains="stock.example")


def test_a_fresh_dkim_key_works_at_once(world, north, stock):
    """It was asked for before it was published."""
    stock.set(dkim=True)
    bob = north.registered()
    zone = [line for line in stock.zone if "_domainkey" not in line]
    world.publish("stock", zone)
    sender = "keyless@stock.example"
    stock.send(sender, [bob.address], encrypted(sender, bob.address).decode())
    [bounce] = eventually(lambda: stock.mail("keyless"), 60)
    assert "No valid DKIM signature found" in bounce
    world.publish("stock", stock.zone)
    stock.send(sender, [bob.address], encrypted(sender, bob.address).decode())
    north.messages(bob, timeout=60)


def test_one_dead_destination_holds_up_nobody(world, north, south, alice, stock):
    bob = south.registered()
    world.publish("other", ["@ IN MX 10 mx", "mx IN A 198.51.100.99"])
    for number in range(60):
        send(north, alice, f"dead{number}@other.example")
    send(north, alice, bob.address)
    south.messages(bob, timeout=20)
    waiting = [entry["recipients"][0]["address"] for entry in north.queue()]
    assert len([address for address in waiting if address.endswith("@other.example")]) == 60
    drop_queue(north)


def test_mta_sts(world, north):
    context = ssl.create_default_context(cafile=world.authority.certificate)
    connection = http.client.HTTPSConnection(north.address, context=context, timeout=30)
    connection._context = context
    connection.sock = context.wrap_socket(
        __import__("socket").create_connection((north.address, 443), 30),
        server_hostname="mta-sts.north.example",
    )
    connection.request("GET", "/.well-known/mta-sts.txt", headers={"Host": "mta-sts.north.example"})
    policy = connection.getresponse().read().decode()
    assert policy.splitlines() == ["version: STSv1", "mode: enforce", "mx: north.example", "max_age: 2419200"]
    assert any("_mta-sts" in line for line in world.zone(north))


def test_the_zone_is_complete(world, north):
    """chatmailctl's own check finds nothing to complain about in what it printed."""
    server = north.inside("chatmailctl", "dns", "--check", "--server", "198.51.100.2", check=False)
    assert server.returncode == 0, server.stdout
