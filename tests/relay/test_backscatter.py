"""Nobody gets mail that they did not cause: unknown recipients, forged senders, bounces."""

import email
import smtplib

import pytest

from support.messages import cleartext, encrypted
from support.peer import Peer
from support.relay import trusting
from support.wait import eventually

LITERAL = "stranger@[192.0.2.77]"
SECRET = "Meet me at the old mill"


@pytest.fixture(scope="module")
def peer(dns):
    return Peer(dns, "backscatter.test")


@pytest.fixture
def bob(relay):
    return relay.registered()


@pytest.fixture
def carol(relay):
    """An account that accepts cleartext."""
    account = relay.registered()
    relay.accept_cleartext(account)
    return account


@pytest.fixture
def nobody(relay):
    return relay.account().address


def message_of(kind, sender, to, peer):
    """A message of this kind, signed if its sender's domain has a name."""
    make = encrypted if kind == "encrypted" else cleartext
    message = make(sender, to, extra=[f"X-Secret: {SECRET}"])
    return message if "[" in sender else peer.sign(message)


@pytest.fixture(params=("literal", "domain"))
def sender(request, peer):
    return LITERAL if request.param == "literal" else peer.address()


def nothing_arrived(relay, account):
    relay.settle()
    assert relay.fetch(account) == []


@pytest.mark.parametrize("victim", ("victim@elsewhere.test", "bob"))
@pytest.mark.parametrize("to", ("nobody", "tag", "other-literal"))
def test_cleartext_never_bounces(relay, peer, sender, bob, nobody, victim, to):
    """The classic attack: the stranger's envelope sender would get a bounce that we sign."""
    victim = bob.address if victim == "bob" else victim
    name, domain = nobody.split("@")
    to = {"nobody": nobody, "tag": f"{name}+x@{domain}", "other-literal": "x@[127.0.0.1]"}[to]
    code, text = relay.receive(victim, to, message_of("cleartext", sender, to, peer))
    assert (code, "Invalid Unencrypted Mail" in text) == (523, True), text
    nothing_arrived(relay, bob)
    assert relay.queue() == []


def test_an_unknown_recipient_is_refused_in_the_dialogue(relay, peer, sender, nobody):
    code, text = relay.receive(sender, nobody, message_of("encrypted", sender, nobody, peer))
    assert (code, "No such user" in text) == (550, True), text
    assert relay.queue() == []


def test_cleartext_does_not_reveal_accounts(relay, peer, sender, bob, nobody):
    replies = {
        relay.receive(sender, to, message_of("cleartext", sender, to, peer))
        for to in (bob.address, nobody)
    }
    assert len(replies) == 1, replies


def test_one_unknown_recipient_refuses_cleartext_for_all(relay, peer, sender, carol, nobody):
    message = message_of("cleartext", sender, carol.address, peer)
    assert relay.receive(sender, [carol.address, nobody], message)[0] == 523
    nothing_arrived(relay, carol)


def test_a_forged_sender_gets_no_bounce(relay, peer, sender, bob, carol, nobody):
    """Some recipients exist, so the message is accepted; a bounce would go to bob."""
    message = message_of("encrypted", sender, carol.address, peer)
    assert relay.receive(bob.address, [carol.address, nobody], message)[0] == 250
    [stored] = relay.messages(carol)
    assert b"BEGIN PGP MESSAGE" in stored
    nothing_arrived(relay, bob)
    assert relay.queue() == []


@pytest.fixture
def stuck(make_relay):
    """A relay whose mail for other relays stays in the queue."""
    return make_relay(settings={"relayhost": "[127.0.0.1]:1"})


def bounces_of(relay):
    return [entry for entry in relay.queue() if entry["sender"] == "MAILER-DAEMON"]


def test_a_literal_is_accepted_only_from_its_own_address(stuck):
    carol, nobody = stuck.registered(), stuck.account().address
    sender = "x@[127.0.0.2]"
    message = encrypted(sender, carol.address)
    for source, bounced in (("127.0.0.3", False), ("127.0.0.2", True)):
        reply = stuck.receive(sender, [carol.address, nobody], message, source=source)
        assert reply[0] == 250, reply
        stuck.settle()
        assert bool(bounces_of(stuck)) == bounced, source


def test_a_bounce_has_no_body(stuck, peer):
    """Cleartext that its recipient accepts and only Dovecot refuses: the bounce must not return
    the signed sender's own text in our name."""
    relay, carol = stuck, stuck.registered()
    relay.accept_cleartext(carol)
    message = peer.sign(cleartext(peer.address(), carol.address, extra=[f"X-Note: {SECRET}"]))
    body = message.split(b"\r\n\r\n", 1)[1]
    relay.stop_service("dovecot")
    try:
        assert relay.receive(peer.address(), carol.address, message)[0] == 250
        eventually(lambda: [e for e in relay.queue() if e["queue_name"] == "deferred"])
        (relay.mailbox(carol) / "blocked").touch()
    finally:
        relay.start_service("dovecot")
    relay.inside("postqueue", "-f")
    [bounce] = eventually(lambda: bounces_of(relay), message="no bounce")
    text = relay.inside("postcat", "-qbh", bounce["queue_id"], text=False).stdout
    assert b"text/rfc822-headers" in text
    assert body.strip().splitlines()[0] not in text


@pytest.mark.parametrize(
    "spelling",
    [
        "<{name}@{domain}>",
        "<{name}+x@{domain}>",
        '<"{name}"@{domain}>',
        '<"{name}+x"@{domain}>',
        "<{name}>",
        "<@{domain}:{name}@{domain}>",
        "<{name}@[127.0.0.1]>",
        "<{name}@[IPv6:::1]>",
    ],
)
@pytest.mark.parametrize("envelope", ["bob", "own", "null"])
def test_no_spelling_of_an_unknown_recipient_returns_cleartext(
    relay, peer, sender, bob, nobody, envelope, spelling
):
    name, domain = nobody.split("@")
    to = spelling.format(name=name, domain=domain)
    envelope = {"bob": bob.address, "own": sender, "null": "<>"}[envelope]
    code, text = relay.receive(envelope, to, message_of("cleartext", sender, to, peer))
    assert code == 523 or (code == 554 and "Relay access denied" in text), text
    nothing_arrived(relay, bob)
    assert relay.queue() == []


def check_parts(bounce, message):
    """The third part is only the header; Delta Chat finds the Message-ID there."""
    bounce = email.message_from_bytes(bounce)
    parts = bounce.get_payload()
    assert [part.get_content_type() for part in parts] == [
        "text/plain", "message/delivery-status", "text/rfc822-headers",
    ]  # fmt: skip
    assert email.message_from_bytes(message)["Message-ID"] in parts[2].get_payload()
    assert b"BEGIN PGP" not in bounce.as_bytes()


def test_an_authenticated_sender_gets_the_header_back(stuck, peer):
    carol, nobody = stuck.registered(), stuck.account()
    message = peer.sign(encrypted(peer.address(), carol.address))
    assert stuck.receive(peer.address(), [carol.address, nobody.address], message)[0] == 250
    [entry] = eventually(lambda: bounces_of(stuck), message="no bounce")
    assert [recipient["address"] for recipient in entry["recipients"]] == [peer.address()]
    text = stuck.inside("postcat", "-qbh", entry["queue_id"], text=False).stdout
    check_parts(text, message)


def test_a_user_gets_the_header_back(relay, bob, nobody):
    alice = relay.registered()
    message = encrypted(alice.address, nobody)
    assert relay.send(alice, [bob.address, nobody], message)[0] == 250
    [bounce] = relay.messages(alice)
    check_parts(bounce, message)


@pytest.mark.parametrize("port", ["smtp_port", "submission_port", "smtps_port"])
def test_dsn_options_are_not_offered(relay, port):
    """RET=FULL would put the body into the bounce; NOTIFY=SUCCESS would report each mailbox."""
    alice = relay.registered()
    secure = port == "smtps_port"
    kind = smtplib.SMTP_SSL if secure else smtplib.SMTP
    options = {"context": trusting()} if secure else {}
    with kind("127.0.0.1", relay.ports[port], timeout=60, **options) as client:
        if not secure:
            client.starttls(context=trusting())
        if port != "smtp_port":
            client.login(alice.address, alice.password)
        client.ehlo_or_helo_if_needed()
        assert not client.has_extn("dsn")
        assert client.mail(alice.address, ["RET=FULL"])[0] >= 500
        sender = "somebody@peer.test" if port == "smtp_port" else alice.address
        assert client.mail(sender)[0] == 250
        assert client.rcpt(alice.address, ["NOTIFY=SUCCESS,FAILURE"])[0] >= 500
