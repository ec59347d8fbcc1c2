"""What users may send, seen from SMTP: replies, queue, and delivered messages."""

import smtplib

import dkim
import pytest

from support.messages import cleartext, encrypted, header, secure_join, values
from support.peer import Peer
from support.relay import transact
from support.wait import eventually


@pytest.fixture(scope="module")
def alice(relay):
    return relay.registered()


@pytest.fixture(scope="module")
def bob(relay):
    return relay.registered()


def accepted(reply):
    assert reply[0] == 250, reply


@pytest.mark.parametrize("wrapped", [True, False], ids=["465", "587"])
def test_encrypted_mail_passes(relay, alice, wrapped):
    carol = relay.registered()
    message = encrypted(alice.address, carol.address)
    accepted(relay.send(alice, carol.address, message, wrapped=wrapped))
    [received] = relay.messages(carol)
    assert message.split(b"\r\n\r\n", 1)[1] == received.split(b"\r\n\r\n", 1)[1]


def test_secure_join_passes(relay, alice):
    carol = relay.registered()
    for step in ("vc-request", "vg-request"):
        accepted(relay.send(alice, carol.address, secure_join(alice.address, carol.address, step)))
    assert len(relay.messages(carol, 2)) == 2


def test_cleartext_is_refused_and_not_queued(relay, alice, bob):
    relay.settle()
    before = len(relay.fetch(bob))
    reply = relay.send(alice, bob.address, cleartext(alice.address, bob.address))
    assert reply[0] == 523
    assert "Invalid Unencrypted Mail" in reply[1]
    assert relay.queue() == []
    assert len(relay.fetch(bob)) == before


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r"])
def test_a_message_has_one_end(relay, alice, end):
    """If two servers disagree about the end of a message, a second, unchecked message can be
    hidden in the first (SMTP smuggling)."""
    relay.settle()
    carol = relay.registered()
    clear = cleartext(alice.address, carol.address)
    hidden = f"MAIL FROM:<{alice.address}>\r\nRCPT TO:<{carol.address}>\r\nDATA\r\n".encode() + clear
    good = encrypted(alice.address, carol.address).removesuffix(b"\r\n")
    with relay.submission(alice) as client:
        client.mail(alice.address)
        client.rcpt(carol.address)
        client.putcmd("data")
        assert client.getreply()[0] == 354
        client.send(good + end + hidden + b"\r\n.\r\n")
        assert client.getreply()[0] == 523
        assert client.noop()[0] == 250
    assert relay.queue() == []
    assert relay.fetch(carol) == []


def test_a_refusal_ends_only_the_message(relay, alice):
    carol = relay.registered()
    with relay.submission(alice) as client:
        clear = cleartext(alice.address, carol.address)
        assert transact(client, alice.address, carol.address, clear)[0] == 523
        good = encrypted(alice.address, carol.address)
        accepted(transact(client, alice.address, carol.address, good))
    relay.messages(carol)


def test_forged_from_is_refused(relay, alice, bob):
    reply = relay.send(alice, bob.address, encrypted(bob.address, bob.address))
    assert reply[0] == 500
    assert f"Invalid FROM <{bob.address}> for <{alice.address}>" in reply[1]


def test_two_from_headers_are_refused(relay, alice, bob):
    message = encrypted(alice.address, bob.address, extra=[f"From: <{bob.address}>"])
    reply = relay.send(alice, bob.address, message)
    assert reply[0] == 500
    assert "Invalid FROM header" in reply[1]


def test_forged_envelope_sender_is_refused(relay, alice, bob):
    message = encrypted(bob.address, bob.address)
    assert relay.send(alice, bob.address, message, sender=bob.address)[0] == 553


def test_null_sender_is_refused(relay, alice, bob):
    reply = relay.send(alice, bob.address, encrypted(alice.address, bob.address), sender="<>")
    assert 500 <= reply[0] <= 553


def test_case_of_addresses_does_not_matter(relay, alice):
    carol = relay.registered()
    message = encrypted(alice.address.upper(), carol.address)
    accepted(relay.send(alice, carol.address.upper(), message, sender=alice.address.title()))
    relay.messages(carol)


def test_no_recipient_is_refused_at_submission(relay, alice):
    """An unknown recipient among others is accepted; a bounce reports it later."""
    carol, nobody = relay.registered(), relay.account()
    message = encrypted(alice.address, carol.address)
    before = len(relay.fetch(alice))
    accepted(relay.send(alice, [nobody.address, carol.address], message))
    relay.messages(carol)
    bounces = relay.messages(alice, before + 1)
    assert any(
        value.lower().startswith("mailer-daemon@") or "<mailer-daemon@" in value.lower()
        for bounce in bounces
        for value in values(bounce, "From")
    )


def test_mail_for_unknown_recipients_only_is_refused(relay, alice):
    """Clients show a refusal; most of them do not show bounces."""
    nobody = relay.account().address
    message = encrypted(alice.address, nobody)
    before = len(relay.fetch(alice))
    for recipients in (nobody, [nobody, alice.address]):
        assert relay.send(alice, recipients, message) == (550, "5.1.1 No such user here")
    relay.settle()
    assert len(relay.fetch(alice)) == before
    # A sender of cleartext learns nothing about accounts.
    assert relay.send(alice, nobody, cleartext(alice.address, nobody))[0] == 523


def test_rate_is_limited(make_relay):
    relay = make_relay(ini={"max_user_send_per_minute": "1", "max_user_send_burst_size": "3"})
    alice, bob = relay.registered(), relay.registered()
    with relay.submission(alice) as client:
        replies = [
            transact(client, alice.address, bob.address, encrypted(alice.address, bob.address))
            for _ in range(5)
        ]
    assert [code for code, _ in replies] == [250, 250, 250, 450, 450]
    assert replies[3][1] == f"4.7.1: Too much mail from <{alice.address}>"
    # Only this sender is limited.
    accepted(relay.send(bob, alice.address, encrypted(bob.address, alice.address)))


def test_stored_messages_contain_nothing_about_the_client(relay, alice):
    carol = relay.registered()
    message = encrypted(
        alice.address,
        carol.address,
        subject="Meet me at the station",
        extra=[
            "X-Mailer : a client 1.0",
            "User-Agent: another",
            "X-Originating-IP: [192.0.2.77]",
            "Received: from phone (phone [192.0.2.77]) by somewhere; Thu, 1 Jan 1970 00:00:00 +0000",
        ],
    )
    accepted(relay.send(alice, carol.address, message))
    [stored] = relay.messages(carol)
    assert values(stored, "Subject") == ["[...]"]
    for name in ("Received", "X-Mailer", "User-Agent", "X-Originating-IP", "DKIM-Signature",
                 "Authentication-Results"):
        assert values(stored, name) == [], name
    assert b"192.0.2.77" not in stored
    assert b"127.0.0.1" not in stored
    assert b"client.test" not in stored


def test_setup_message_to_oneself_keeps_its_subject(relay):
    carol = relay.registered()
    subject = "Autocrypt Setup Message"
    lines = [
        *header(carol.address, carol.address, subject, ["Autocrypt-Setup-Message: v1"]),
        'Content-Type: multipart/mixed; boundary="b"',
        "",
        "--b",
        "Content-Type: text/plain",
        "",
        "This is the Autocrypt Setup Message.",
        "--b",
        "Content-Type: application/autocrypt-setup",
        "",
        "<html></html>",
        "--b--",
        "",
    ]
    accepted(relay.send(carol, carol.address, "\r\n".join(lines).encode()))
    [stored] = relay.messages(carol)
    assert values(stored, "Subject") == [subject]


def test_message_over_the_size_limit_is_refused(make_relay):
    relay = make_relay(ini={"max_message_size": "1000000"})
    alice = relay.registered()
    message = encrypted(alice.address, alice.address, size=1_000_000)
    with relay.submission(alice) as client:
        assert client.esmtp_features["size"] == "1000000"
        assert transact(client, alice.address, alice.address, message)[0] == 552
    accepted(relay.send(alice, alice.address, encrypted(alice.address, alice.address, 700_000)))
    relay.messages(alice)


def test_without_the_milter_no_message_passes(make_relay):
    """While chatmail-milter is down, clients get a temporary reply; afterwards the same message
    passes."""
    relay = make_relay()
    alice, bob = relay.registered(), relay.registered()
    message = encrypted(alice.address, bob.address)
    relay.stop_service("milter")
    with pytest.raises(smtplib.SMTPResponseException) as error:
        code, text = relay.send(alice, bob.address, message)
        raise smtplib.SMTPResponseException(code, text)
    assert 400 <= error.value.smtp_code < 500
    with pytest.raises(smtplib.SMTPResponseException) as error:
        code, text = relay.receive("somebody@peer.test", bob.address, message)
        raise smtplib.SMTPResponseException(code, text)
    assert 400 <= error.value.smtp_code < 500
    assert relay.queue() == []
    relay.start_service("milter")
    accepted(relay.send(alice, bob.address, message))
    relay.messages(bob)


def test_milter_that_dies_in_a_session_passes_no_message(make_relay):
    relay = make_relay()
    alice, bob = relay.registered(), relay.registered()
    with relay.submission(alice) as client:
        client.mail(alice.address)
        client.rcpt(bob.address)
        relay.inside("sh", "-c", "kill -9 $(cat /run/pids/milter)")
        code, _ = client.data(cleartext(alice.address, bob.address))
        assert 400 <= code < 500
    relay.inside("sh", "-c", "rm /run/pids/milter")
    relay.start_service("milter")
    accepted(relay.send(alice, bob.address, encrypted(alice.address, bob.address)))
    assert len(relay.messages(bob)) == 1


def test_without_opendkim_no_unsigned_message_leaves(make_relay):
    relay = make_relay(ini={"dkim_signing": "opendkim"})
    alice = relay.registered()
    relay.stop_service("opendkim")
    with pytest.raises(smtplib.SMTPResponseException) as error:
        code, text = relay.send(alice, "x@peer.test", encrypted(alice.address, "x@peer.test"))
        raise smtplib.SMTPResponseException(code, text)
    assert 400 <= error.value.smtp_code < 500
    relay.start_service("opendkim")

    def passes():
        try:
            code, _ = relay.send(alice, alice.address, encrypted(alice.address, alice.address))
        except smtplib.SMTPResponseException:
            return False
        return code == 250

    eventually(passes)
    relay.messages(alice)


# --- Outgoing mail


def verifies(relay, message):
    """True if the message has a valid DKIM signature of the relay."""
    record = relay.dkim_record().encode()
    name = f"opendkim._domainkey.{relay.domain}.".encode()
    return dkim.verify(message, dnsfunc=lambda asked, timeout=5: record if asked == name else None)


def queued_message(relay, entry):
    """A message of the queue as it would be sent, without the envelope."""
    text = relay.inside("postcat", "-qbh", entry["queue_id"], text=False).stdout
    return text.replace(b"\n", b"\r\n")


@pytest.fixture(params=["milter", "opendkim"])
def stuck(request, make_relay):
    """A relay whose mail for other relays stays in the queue, with each kind of signer."""
    ini = {"dkim_signing": request.param}
    return make_relay(ini=ini, settings={"relayhost": "[127.0.0.1]:1"})


def test_outgoing_mail_is_cleaned_and_signed(stuck):
    alice = stuck.registered()
    message = encrypted(alice.address, "x@peer.test", subject="Private", extra=["X-Mailer: m"])
    accepted(stuck.send(alice, "x@peer.test", message))
    [entry] = eventually(stuck.queue)
    leaving = queued_message(stuck, entry)
    assert values(leaving, "Subject") == ["[...]"]
    assert values(leaving, "X-Mailer") == values(leaving, "Received") == []
    [signature] = values(leaving, "DKIM-Signature")
    tags = dict(tag.strip().split("=", 1) for tag in signature.split(";") if "=" in tag)
    assert tags["d"] == stuck.domain
    assert "l" not in tags
    assert tags["h"].lower().split(":").count("from") == 2
    assert verifies(stuck, leaving)
    assert not verifies(stuck, leaving.replace(b"Subject: [...]", b"Subject: [..]"))
    assert not verifies(stuck, b"From: <other@relay.test>\r\n" + leaving)


def test_outgoing_bounces_are_signed(stuck, dns):
    """A peer writes to a user and to an unknown recipient: the message is accepted, and the bounce
    for the unknown recipient is signed."""
    peer = Peer(dns, "bounce.test")
    sender, alice, nobody = peer.address(), stuck.registered().address, stuck.account().address
    message = peer.sign(encrypted(sender, nobody))
    accepted(stuck.receive(sender, [alice, nobody], message))
    [entry] = eventually(
        lambda: [e for e in stuck.queue() if e["sender"] == "MAILER-DAEMON"], message="no bounce"
    )
    bounce = queued_message(stuck, entry)
    assert values(bounce, "From")[0].lower().count("mailer-daemon@relay.test") == 1
    assert verifies(stuck, bounce)
    # The bounce contains the header of the message, by which the client identifies it, and not its
    # body.
    [message_id] = values(message, "Message-ID")
    assert b"text/rfc822-headers" in bounce and message_id.encode() in bounce
    assert b"BEGIN PGP MESSAGE" in message and b"BEGIN PGP MESSAGE" not in bounce
