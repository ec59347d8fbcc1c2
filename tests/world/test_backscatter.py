"""What strangers, peers with DKIM and relays without a name learn about unknown recipients; nobody
gets mail because others used their name."""

import pytest

from support.messages import cleartext, encrypted, values
from support.wait import eventually


@pytest.fixture
def stock(world):
    """The stock mail server, signing; the test may change it."""
    world.stock.set(dkim=True)
    return world.stock


def bounce_for(stock, name):
    [bounce] = eventually(lambda: stock.mail(name), 60, message="no bounce")
    return bounce


def quiet(world):
    """Waits until no mail is in transit or queued."""
    eventually(lambda: "is empty" in world.stock.run("mailq"), 60, message="the stranger's queue")
    for relay in world.relays.values():
        relay.settle()
        assert relay.queue() == []


def test_a_stranger_with_dkim_gets_a_refusal(world, stock, north):
    """The refusal comes in the SMTP dialogue, so the stranger's own server sends the bounce."""
    sender, nobody = "asker@stock.example", north.account().address
    stock.send(sender, [nobody], encrypted(sender, nobody).decode())
    bounce = bounce_for(stock, "asker")
    assert "550 5.1.1" in bounce and "MAILER-DAEMON@stock.example" in bounce
    quiet(world)


def test_a_stranger_without_dkim_cannot_detect_mailboxes(world, stock, north):
    stock.set(dkim=False)
    bob, nobody = north.registered().address, north.account().address
    texts = set()
    for name, to in (("unsigned1", bob), ("unsigned2", nobody)):
        sender = f"{name}@stock.example"
        stock.send(sender, [to], encrypted(sender, to).decode())
        bounce = bounce_for(stock, name)
        [line] = [line for line in bounce.splitlines() if "Diagnostic-Code" in line]
        texts.add(line)
    assert len(texts) == 1 and "554 5.7.1 No DKIM signature found" in texts.pop()
    quiet(world)


@pytest.mark.parametrize("make", (encrypted, cleartext))
def test_a_forged_envelope_sender_gets_no_mail(world, stock, north, south, make):
    """Signed by the stranger, sent in the name of a user elsewhere and of a user here."""
    victims = {"south": south.registered(), "north": north.registered()}
    bob, nobody = north.registered(), north.account()
    for victim in victims.values():
        message = make("forger@stock.example", bob.address).decode()
        stock.send(victim.address, [bob.address], message)
        stock.send(victim.address, [bob.address, nobody.address], message)
        # Only the stranger's own server may send these bounces: we refuse in the dialogue.
        stock.send(victim.address, [nobody.address], message)
    if make is encrypted:
        # Only messages with an existing recipient were accepted; no other address got mail from
        # us.
        assert len(north.messages(bob, count=4, timeout=60)) == 4
    quiet(world)
    for name, victim in victims.items():
        for bounce in world.relays[name].fetch(victim):
            [sender] = values(bounce, "From")
            assert "MAILER-DAEMON@stock.example" in sender, bounce


def test_peers_with_dkim_get_their_bounce(world, north, south):
    alice, bob, nobody = south.registered(), north.registered(), north.account()
    message = encrypted(alice.address, bob.address)
    assert south.send(alice, [bob.address, nobody.address], message)[0] == 250
    [bounce] = south.messages(alice, timeout=60)
    assert nobody.address.encode() in bounce
    north.messages(bob)
    quiet(world)


@pytest.mark.parametrize("source, target", [("literal", "north"), ("north", "literal")])
def test_relays_without_a_name_get_their_bounce(world, source, target):
    here, there = world.relays[source], world.relays[target]
    alice, nobody = here.registered(), there.account()
    assert here.send(alice, nobody.address, encrypted(alice.address, nobody.address))[0] == 250
    [bounce] = here.messages(alice, timeout=60)
    assert b"No such user here" in bounce and b"mailer-daemon" in bounce.lower()
    quiet(world)


def test_a_literal_is_accepted_only_from_its_own_address(world, north):
    """The clients' host sends in the name of a relay without a name, and in its own."""
    bob, nobody = north.registered(), north.account()
    for forged in (world.relays["literal"].domain, "[198.51.100.50]"):
        sender = f"someone@{forged}"
        reply = north.receive(sender, [bob.address, nobody.address], encrypted(sender, bob.address))
        assert reply[0] == 250, reply
    north.messages(bob, count=2)
    # No server listens on the clients' host: the bounce for its own literal stays in the queue.
    eventually(lambda: [e["queue_name"] for e in north.queue()] == ["deferred"], 60)
    [entry] = north.queue()
    assert [r["address"] for r in entry["recipients"]] == ["someone@[198.51.100.50]"]
    north.inside("postsuper", "-d", entry["queue_id"])
    quiet(world)
