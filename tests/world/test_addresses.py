"""Relays without a name, with IPv4 or with only IPv6."""

import http.client
import json
import smtplib
import ssl

import pytest

from support.messages import encrypted
from support.relay import transact, trusting
from support.wait import eventually


@pytest.fixture(scope="module")
def six(the_world):
    """A relay with an IPv6 address."""
    the_world.add_host("literal6")
    relay = the_world.make_relay("literal6")
    the_world.relays["literal6"] = relay
    return relay.start()


@pytest.mark.parametrize(
    "source, target", [("literal6", "north"), ("north", "literal6"), ("literal", "literal6")]
)
def test_mail_between_relays_with_and_without_names(world, six, source, target):
    here, there = world.relays[source], world.relays[target]
    alice, bob, nobody = here.registered(), there.registered(), there.account()
    message = encrypted(alice.address, bob.address)
    assert here.send(alice, [bob.address], message)[0] == 250
    there.messages(bob, timeout=60)
    # Once more, after they have detected each other's HTTPS; unknown recipients bounce.
    assert here.send(alice, [bob.address, nobody.address], message)[0] == 250
    there.messages(bob, count=2, timeout=60)
    if source == "literal":
        # It connects from its IPv6 address, so mail in the name of its IPv4 literal is refused.
        return
    [bounce] = here.messages(alice, timeout=60)
    assert nobody.address.split("@")[0].encode() in bounce


def test_relays_without_a_name_need_no_dkim_and_no_zone(world, six, literal):
    for relay in (six, literal):
        assert "opendkim" not in relay.inside("postconf", "-h", "non_smtpd_milters").stdout
        assert relay.inside("postconf", "-h", "non_smtpd_milters").stdout.strip() == ""
        assert "needs no DNS records" in relay.inside("chatmailctl", "dns").stdout


@pytest.mark.parametrize("name", ("literal", "literal6"))
def test_their_certificate_is_self_signed(world, six, name):
    relay = world.relays[name]
    settings = relay.inside("chatmailctl", "config", "show", "--settings").stdout
    assert "tls_self_signed = true" in settings.replace("\t", " ")


@pytest.mark.parametrize("name", ("literal", "literal6"))
def test_links_contain_the_server(world, six, name):
    """Without a certificate that clients accept, /new returns a dclogin link."""
    relay = world.relays[name]
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(relay.address, 443, context=context, timeout=60)
    connection.request("POST", "/new")
    answer = json.loads(connection.getresponse().read())
    assert answer["email"].endswith("@" + relay.domain.lower())
    link = answer["dclogin_url"]
    assert link.startswith("dclogin:") and "ic=3" in link
    account = relay.account(answer["email"].split("@")[0], answer["password"])
    relay.imap(account).logout()


def test_spoofed_literals_get_no_bounce(world, six):
    bob, nobody = six.registered(), six.account()
    sender = "x@[IPv6:2001:db8::30]"
    reply = six.receive(sender, [bob.address, nobody.address], encrypted(sender, bob.address))
    assert reply[0] == 250, reply
    six.messages(bob)
    eventually(lambda: six.queue() == [], 60)


def test_an_ipv6_literal_is_believed_from_its_own_address(world, six, north):
    """The peer accepts the message for one of two recipients, so the bounce comes from the peer."""
    alice, bob, nobody = six.registered(), north.registered(), north.account()
    message = encrypted(alice.address, bob.address)
    with world.at("literal6"):
        # As one transaction, whatever chatmail-transport would make of it.
        with smtplib.SMTP(north.host.ipv6, 25, "literal6.example", timeout=60) as client:
            client.starttls(context=trusting())
            code, text = transact(client, alice.address, [bob.address, nobody.address], message)
    assert code == 250, text
    [bounce] = six.messages(alice, timeout=60)
    assert nobody.address.split("@")[0].encode() in bounce
