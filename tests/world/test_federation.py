"""The lists of domains with which a relay exchanges mail: they are read again automatically, and
apply in both directions."""

import http.client
import ssl

import pytest

from support.messages import encrypted
from support.wait import eventually

REFUSAL = "This relay does not exchange mail with "


@pytest.fixture(scope="module")
def closed(the_world):
    """north, restarted with lists below its /etc: it exchanges mail with south, and not with
    stock.example."""
    north = the_world.relays["north"]
    before = dict(north.ini)
    write(north, "allowed", "south.example\nstock.example\n")
    write(north, "denied", "stock.example # they send spam\n")
    restart(
        north, federation="listed", federation_allow_file="/etc/allowed",
        federation_deny_file="/etc/denied",
    )  # fmt: skip
    yield north
    north.ini = before
    restart(north)


def write(relay, name, text):
    relay.path(f"/etc/{name}").write_text(text)


def restart(relay, **keys):
    relay.ini.update(keys)
    relay.write_ini()
    relay.restart_service("milter")
    relay.restart_service("transport")


def unfolded(text):
    return " ".join(text.split())


def metric(relay, name):
    lines = relay.inside("chatmailctl", "status", check=False).stdout
    return [line for line in lines.splitlines() if name in line]


def test_a_denied_domain_is_refused(world, closed):
    world.stock.set(dkim=True)
    bob = closed.registered()
    sender = "denied@stock.example"
    world.stock.send(sender, [bob.address], encrypted(sender, bob.address).decode())
    [bounce] = eventually(lambda: world.stock.mail("denied"), 60)
    assert "554 5.7.1 This relay does not exchange mail with your domain" in unfolded(bounce)
    assert closed.fetch(bob) == []
    assert metric(closed, "federation")


@pytest.mark.parametrize("others", ("nobody", "an unlisted one", "one that is gone", "oneself"))
def test_users_are_told_at_once(world, closed, others):
    """At the end of the message, as clients show a refusal and read no bounce."""
    alice = closed.registered()
    to = {
        "nobody": [],
        "an unlisted one": [world.relays["literal"].account().address],
        "one that is gone": [closed.account().address],
        "oneself": [alice.address],
    }[others]
    message = encrypted(alice.address, "x@stock.example")
    code, text = closed.send(alice, ["x@stock.example", *to], message)
    assert (code, text) == (554, "5.7.1 This relay does not exchange mail with the recipient's domain")
    assert metric(closed, "recipient-federation")
    closed.settle()
    assert closed.fetch(alice) == [] and world.stock.mail("x") == []


def test_a_group_loses_only_the_denied_member(world, closed, south):
    """Its other members go on; a bounce names the lost ones."""
    alice, bob = closed.registered(), south.registered()
    to = [bob.address, "y@stock.example", world.relays["literal"].account().address]
    assert closed.send(alice, to, encrypted(alice.address, bob.address))[0] == 250
    south.messages(bob, timeout=60)
    eventually(lambda: bounced(closed, alice) == {"stock.example", "[198.51.100.30]"}, 60)


def bounced(relay, account):
    """The domains that appear in bounces to the account."""
    text = " ".join(unfolded(bounce.decode()) for bounce in relay.fetch(account))
    return {part.split()[0].rstrip(")") for part in text.split(REFUSAL)[1:]}


def test_mail_over_https_is_refused_as_well(world, closed):
    bob = closed.registered()
    sender = f"someone@{world.relays['literal'].domain}"
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(closed.address, context=context, timeout=60)
    headers = {"X-MAIL-FROM": sender, "X-MAIL-TO": bob.address}
    connection.request("POST", "/mxdeliv", encrypted(sender, bob.address), headers)
    answer = connection.getresponse()
    assert (answer.status, answer.read()[:9]) == (400, b"554 5.7.1")


def test_a_changed_list_takes_effect(world, closed):
    write(closed, "denied", "stock.example until 2020-01-01\n")
    bob = closed.registered()
    sender = "forgiven@stock.example"
    world.stock.set(dkim=True)
    world.stock.send(sender, [bob.address], encrypted(sender, bob.address).decode())
    closed.messages(bob, timeout=60)
    alice = closed.registered()
    message = encrypted(alice.address, "welcome@stock.example")
    assert closed.send(alice, "welcome@stock.example", message)[0] == 250
    eventually(lambda: world.stock.mail("welcome"), 60)
