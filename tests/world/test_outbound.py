"""Outgoing mail: certificates are verified, dead destinations delay no other mail, a new DNS
record works at once."""

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
    """The reason why the message to this address waits, or None."""
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


def test_mail_never_leaves_without_tls(world, north, alice, stock):
    stock.set(smtpd_tls_security_level="none")
    send(north, alice, "plain@stock.example")
    reason = eventually(lambda: deferred(north, "plain@stock.example"), 60)
    assert "TLS is required" in reason
    stock.set(smtpd_tls_security_level="may")
    north.inside("postqueue", "-f")
    eventually(lambda: stock.mail("plain"), 60)


def test_a_certificate_for_another_name_is_refused(world, north, alice, stock):
    """The MX of other.example is the same machine, whose certificate is for stock.example."""
    world.publish("other", ["@ IN MX 10 mx", f"mx IN A {stock.host.ipv4}"])
    send(north, alice, "x@other.example")
    reason = eventually(lambda: deferred(north, "x@other.example"), 60)
    assert "not verified" in reason or "not trusted" in reason
    assert stock.mail("x") == []
    drop_queue(north)


def test_nauta_cu_needs_no_tls(world, north, alice, stock):
    """It has no STARTTLS, and its users have no alternative."""
    stock.set(smtpd_tls_security_level="none", virtual_mailbox_domains="stock.example nauta.cu")
    send(north, alice, "cuban@nauta.cu")
    eventually(lambda: stock.mail("cuban"), 60)
    stock.set(virtual_mailbox_domains="stock.example")


def test_null_mx_bounces(world, north, alice):
    world.publish("other", ["@ IN MX 0 .", "@ IN A 198.51.100.40"])
    send(north, alice, "x@other.example")
    [bounce] = north.messages(alice, timeout=60)
    assert b"5.1.0" in bounce or b"5.1.10" in bounce or b"556" in bounce
    assert b"nullMX" in bounce


PRIVATE = (
    "A 127.0.0.1", "A 10.1.2.3", "A 172.16.0.1", "A 192.168.1.1", "A 169.254.169.254",
    "A 100.64.0.1", "A 0.0.0.0", "A 224.0.0.1", "AAAA ::1", "AAAA fe80::1", "AAAA fd00::1",
    "AAAA ::ffff:10.1.2.3", "AAAA ::ffff:127.0.0.1", "AAAA 2002:7f00:1::1", "AAAA 2001::1", "AAAA ff02::1",
    "AAAA 64:ff9b::a09:909",
)  # fmt: skip


@pytest.mark.parametrize("records", [PRIVATE[:8], PRIVATE[8:], PRIVATE], ids=["IPv4", "IPv6", "both"])
def test_private_addresses_are_not_connected_to(world, north, alice, records):
    world.publish("other", ["@ IN MX 10 mx", *(f"mx IN {record}" for record in records)])
    name = f"inside{len(records)}@other.example"
    send(north, alice, name)
    log = eventually(lambda: status_of(north, name), 60)
    # No connection was made.
    assert "relay=none" in log and "filter drops all results" in log, log
    drop_queue(north)


LITERALS = (
    "[10.1.2.3]", "[127.0.0.1]", "[100.64.0.1]", "[169.254.169.254]", "[172.16.0.1]", "[192.168.1.1]",
    "[IPv6:::1]", "[IPv6:fd00::1]", "[IPv6:::ffff:10.1.2.3]", "[IPv6:2002:7f00:1::1]", "[IPv6:64:ff9b::a09:909]",
)  # fmt: skip


def bounced_literals(relay, account):
    """Sends to all of them at once; the number of refusals that the bounce has."""
    to = [f"x@{literal}" for literal in LITERALS]
    assert relay.send(account, to, encrypted(account.address, to[0]))[0] == 250
    bounces = relay.messages(account, timeout=60)
    eventually(lambda: relay.queue() == [], 60)
    return sum(bounce.count(b"Diagnostic-Code: X-Postfix; Not a public address") for bounce in bounces)


def test_private_literals_are_not_connected_to(north, alice):
    assert bounced_literals(north, alice) == len(LITERALS)


@pytest.fixture(scope="module")
def smtp_alone(the_world):
    """A relay with `outbound = smtp`, whose Postfix asks no chatmail-transport."""
    the_world.add_host("plain")
    relay = the_world.make_relay("plain", ini={"outbound": "smtp", "federation_deny_file": ""})
    the_world.relays["plain"] = relay
    yield relay.start()
    the_world.relays.pop("plain").stop()


def test_private_addresses_without_chatmail_transport(world, smtp_alone):
    assert "socketmap" not in smtp_alone.inside("postconf", "-h", "transport_maps").stdout
    bob = smtp_alone.registered()
    assert bounced_literals(smtp_alone, bob) == len(LITERALS)
    world.publish("other", ["@ IN MX 10 mx", *(f"mx IN {record}" for record in PRIVATE)])
    send(smtp_alone, bob, "inside@other.example")
    log = eventually(lambda: status_of(smtp_alone, "inside@other.example"), 60)
    assert "relay=none" in log and "filter drops all results" in log, log
    drop_queue(smtp_alone)


def test_public_ones_without_chatmail_transport(world, smtp_alone, literal, stock):
    bob, carol = smtp_alone.registered(), literal.registered()
    send(smtp_alone, bob, carol.address)

    def refused():
        smtp_alone.inside("postqueue", "-f")  # the other side's DNS may have been slow
        return "No valid DKIM signature" in status_of(smtp_alone, carol.address)

    # Not signed by anybody whom the DNS knows: the other side says so, and so was reached.
    eventually(refused, 120, interval=2)
    assert f"relay={literal.address}[{literal.address}]:25" in status_of(smtp_alone, carol.address)
    send(smtp_alone, bob, "plain@stock.example")
    eventually(lambda: stock.mail("plain"), 60)


def test_a_public_address_beside_a_private_one_is_used(world, north, alice, stock):
    stock.set(virtual_mailbox_domains="stock.example other.example")
    world.publish("other", ["@ IN MX 5 inner", "@ IN MX 10 stock.example.", "inner IN A 10.0.0.1"])
    send(north, alice, "outside@other.example")
    eventually(lambda: stock.mail("outside"), 60)
    stock.set(virtual_mailbox_domains="stock.example")


def status_of(relay, address):
    """The last line that Postfix's smtp client logged about an address."""
    lines = [line for line in relay.log("mail").splitlines()
             if f"to=<{address}>" in line and "status=" in line]  # fmt: skip
    return lines and lines[-1]


def test_a_new_record_works_at_once(world, north, alice, stock):
    world.publish("other", ["@ IN TXT none"])
    send(north, alice, "early@other.example")
    [bounce] = north.messages(alice, timeout=60)
    assert b"other.example" in bounce
    world.publish("other", ["@ IN MX 10 stock.example."])
    stock.set(virtual_mailbox_domains="stock.example other.example")
    send(north, alice, "late@other.example")
    eventually(lambda: stock.mail("late"), 60)
    stock.set(virtual_mailbox_domains="stock.example")


def test_a_new_dkim_key_works_at_once(world, north, stock):
    """The key was queried before it was published."""
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


def test_a_dead_destination_delays_no_other_mail(world, north, south, alice, stock):
    bob = south.registered()
    world.publish("other", ["@ IN MX 10 mx", "mx IN A 198.51.100.99"])
    for number in range(60):
        send(north, alice, f"dead{number}@other.example")
    send(north, alice, bob.address)
    south.messages(bob, timeout=20)
    waiting = [entry["recipients"][0]["address"] for entry in north.queue()]
    assert len([address for address in waiting if address.endswith("@other.example")]) == 60
    drop_queue(north)


def test_undeliverable_mail_bounces_after_two_days(north, alice, stock):
    """Seconds stand for days."""
    lifetime = north.inside("postconf", "-h", "maximal_queue_lifetime", "bounce_queue_lifetime").stdout
    assert lifetime.split() == ["2d", "2d"]
    stock.set(smtpd_tls_security_level="none")
    send(north, alice, "old@stock.example")
    eventually(lambda: deferred(north, "old@stock.example"), 60)
    north.inside("postqueue", "-f")
    eventually(lambda: deferred(north, "old@stock.example"), 60)
    assert north.fetch(alice) == []
    main = north.path("/etc/postfix/main.cf")
    text = main.read_text()
    main.write_text(text.replace("maximal_queue_lifetime = 2d", "maximal_queue_lifetime = 1s"))
    try:
        north.restart_service("postfix")
        north.inside("postqueue", "-f")
        [bounce] = north.messages(alice, timeout=60)
        assert b"old@stock.example" in bounce and b"TLS is required" in bounce
        eventually(lambda: north.queue() == [], 60)
    finally:
        main.write_text(text)
        north.restart_service("postfix")


def test_mta_sts_policy(world, north):
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
    """chatmailctl's own check finds no fault in the records that it printed."""
    server = north.inside("chatmailctl", "dns", "--check", "--server", "198.51.100.2", check=False)
    assert server.returncode == 0, server.stdout
