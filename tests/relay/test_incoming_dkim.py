"""Mail from other relays is delivered if it is encrypted and the From domain signed it."""

import re

import dkim
import pytest

from support.dns import DnsServer
from support.messages import bounce, cleartext, encrypted, secure_join, values
from support.peer import Peer

NO_SIGNATURE = "No DKIM signature found"
NO_VALID_SIGNATURE = "No valid DKIM signature found"


@pytest.fixture(scope="module")
def peer(dns):
    return Peer(dns)


@pytest.fixture
def bob(relay):
    return relay.registered()


def receive(relay, message, recipient, sender="somebody@peer.test"):
    return relay.receive(sender, recipient.address, message)


def assert_not_delivered(relay, account):
    relay.settle()
    assert relay.fetch(account) == []


def test_signed_and_encrypted_is_delivered(relay, peer, bob):
    message = peer.sign(encrypted(peer.address(), bob.address))
    assert receive(relay, message, bob)[0] == 250
    [stored] = relay.messages(bob)
    for name in ("DKIM-Signature", "Authentication-Results", "Received"):
        assert values(stored, name) == [], name


@pytest.mark.parametrize("name", ["Bcc", "Content-Length", "Resent-Bcc", "Return-Path"])
def test_signed_headers_that_postfix_drops(relay, peer, bob, monkeypatch, name):
    """Some relays sign all fields. Postfix must not remove signed fields before we verify."""
    monkeypatch.setattr(dkim.DKIM, "SHOULD_NOT", ())
    message = encrypted(peer.address(), bob.address, extra=[f"{name}: <hidden@peer.test>"])
    signed = peer.sign(message, include_headers=[b"from", b"date", name.lower().encode()])
    assert receive(relay, signed, bob)[0] == 250
    [stored] = relay.messages(bob)
    assert b"hidden@peer.test" not in stored


def test_unsigned_is_refused(relay, peer, bob):
    code, text = receive(relay, encrypted(peer.address(), bob.address), bob)
    assert (code, NO_SIGNATURE in text) == (554, True), text
    assert_not_delivered(relay, bob)


def altered_body(message):
    """Without its checksum the armor is still valid, but the signature is not."""
    return re.sub(rb"\r\n=[A-Za-z0-9+/]{4}\r\n", b"\r\n", message)


def altered_from(message):
    return message.replace(b"From: <somebody@", b"From: <somebodx@")


def longer_subject(message):
    return message.replace(b"Subject: [...]", b"Subject: [....]")


@pytest.mark.parametrize("alter", [altered_body, altered_from, longer_subject])
def test_altered_message_is_refused(relay, peer, bob, alter):
    message = peer.sign(encrypted(peer.address(), bob.address))
    assert alter(message) != message
    code, text = receive(relay, alter(message), bob)
    assert (code, NO_VALID_SIGNATURE in text) == (554, True), text
    assert_not_delivered(relay, bob)


@pytest.mark.parametrize(
    "claim",
    [
        "relay.test; dkim=pass header.d=peer.test",
        "relay.test; dkim=pass (2048-bit key) header.d=peer.test header.i=@peer.test header.b=abc",
        "peer.test; dkim=pass header.d=peer.test",
    ],
)
def test_claims_in_headers_are_ignored(relay, peer, bob, claim):
    message = encrypted(peer.address(), bob.address)
    forged = f"Authentication-Results: {claim}\r\n".encode() + message
    assert receive(relay, forged, bob)[0] == 554
    broken = b"DKIM-Signature: v=1; a=rsa-sha256; d=peer.test\r\n" + forged
    assert receive(relay, broken, bob)[0] == 554
    assert_not_delivered(relay, bob)


def test_signature_of_another_domain_is_refused(relay, peer, dns, bob):
    stranger = Peer(dns, "stranger.test")
    message = stranger.sign(encrypted(peer.address(), bob.address))
    code, text = receive(relay, message, bob)
    assert (code, NO_VALID_SIGNATURE in text) == (554, True), text
    assert_not_delivered(relay, bob)


def test_signature_with_a_length_is_refused(relay, peer, bob):
    message = peer.sign(encrypted(peer.address(), bob.address), length=True)
    assert receive(relay, message, bob)[0] == 554
    assert_not_delivered(relay, bob)


def test_valid_signature_among_others_is_enough(relay, peer, dns, bob):
    stranger = Peer(dns, "stranger.test")
    message = peer.sign(encrypted(peer.address(), bob.address))
    message = b"DKIM-Signature: v=1; a=rsa-sha256; d=peer.test\r\n" + stranger.sign(message)
    assert receive(relay, message, bob)[0] == 250
    relay.messages(bob)


def test_missing_key_is_refused(relay, dns, bob):
    revoked = Peer(dns, "revoked.test")
    message = revoked.sign(encrypted(revoked.address(), bob.address))
    dns.txt("mail._domainkey.revoked.test", "v=DKIM1; p=")
    assert receive(relay, message, bob, revoked.address())[0] == 554
    unknown = Peer(dns, "unknown.test")
    message = unknown.sign(encrypted(unknown.address(), bob.address))
    dns.absent("mail._domainkey.unknown.test")
    assert receive(relay, message, bob, unknown.address())[0] == 554
    assert_not_delivered(relay, bob)


def test_signed_cleartext_is_refused_by_default(relay, peer, bob):
    code, text = receive(relay, peer.sign(cleartext(peer.address(), bob.address)), bob)
    assert (code, "Invalid Unencrypted Mail" in text) == (523, True), text
    assert_not_delivered(relay, bob)
    assert receive(relay, peer.sign(encrypted(peer.address(), bob.address)), bob)[0] == 250
    relay.messages(bob)


def test_signed_cleartext_is_delivered_to_accounts_that_accept_it(relay, peer, bob):
    relay.accept_cleartext(bob)
    message = peer.sign(cleartext(peer.address(), bob.address, subject="In the clear"))
    assert receive(relay, message, bob)[0] == 250
    [stored] = relay.messages(bob)
    assert values(stored, "Subject") == ["In the clear"]


def test_secure_join_from_a_peer(relay, peer, bob):
    message = peer.sign(secure_join(peer.address(), bob.address))
    assert receive(relay, message, bob)[0] == 250
    relay.messages(bob)


def test_bounce_from_a_peer(relay, peer, bob):
    daemon = peer.address("mailer-daemon")
    message = peer.sign(bounce(bob.address, "<1@localhost>", daemon))
    assert receive(relay, message, bob, sender="")[0] == 250
    [stored] = relay.messages(bob)
    assert message.split(b"\r\n\r\n", 1)[1] == stored.split(b"\r\n\r\n", 1)[1]
    unsigned = bounce(bob.address, "<2@localhost>", daemon)
    assert receive(relay, unsigned, bob, sender="")[0] == 554


def test_advertisement_disguised_as_a_bounce(relay, peer, bob):
    """A stranger with a domain and a key writes under the name of a mail system."""
    daemon = peer.address("mailer-daemon")
    plain = bounce(bob.address, "<1@localhost>", daemon)
    name = f'From: "Your bank" <{daemon}>'.encode()
    named = plain.replace(f"From: <{daemon}>".encode(), name)
    assert name in named
    refused = [
        plain.replace(b"Content-Type: text/plain", b"Content-Type: text/html"),
        plain.replace(b"message/delivery-status", b"text/plain"),
        plain.replace(b"Message-ID: <1@localhost>", b"Visit us at once"),
        bounce(bob.address, "<1@localhost>", daemon, text="Buy!\r\n" * 2000),
    ]
    for message in refused:
        assert receive(relay, peer.sign(message), bob, sender="")[0] == 523
    assert receive(relay, peer.sign(named), bob, sender=daemon)[0] == 523
    assert_not_delivered(relay, bob)
    assert receive(relay, peer.sign(named), bob, sender="")[0] == 250
    [stored] = relay.messages(bob)
    assert values(stored, "From") == [f"<{daemon}>"]
    assert b"Your bank" not in stored


def test_envelope_sender_may_be_a_mailing_list(relay, peer, bob):
    message = peer.sign(encrypted(peer.address(), bob.address))
    assert receive(relay, message, bob, sender="list-bounces@lists.test")[0] == 250
    relay.messages(bob)


def test_sender_with_our_domain_is_refused(relay, peer, bob):
    """A client of port 25 cannot send as a user of this relay without the relay's own key."""
    message = encrypted(bob.address, bob.address)
    assert receive(relay, message, bob, sender=bob.address)[0] == 554
    assert receive(relay, peer.sign(message), bob, sender=bob.address)[0] == 554
    assert_not_delivered(relay, bob)


def test_without_dns_the_reply_is_temporary(make_relay):
    """A silent DNS gives no verdict; when it is back, the same message passes."""
    dns = DnsServer()
    peer = Peer(dns, "waiting.test")
    relay = make_relay(ini={"resolver": dns.resolver})
    bob = relay.registered()
    message = peer.sign(encrypted(peer.address(), bob.address))
    code, text = receive(relay, message, bob, peer.address())
    assert code == 451, text
    assert "4.7.5" in text
    assert_not_delivered(relay, bob)
    dns.start()
    try:
        # The resolver may wait a while before it queries a dead server again.
        relay.restart_service("milter")
        assert receive(relay, message, bob, peer.address())[0] == 250
        relay.messages(bob)
    finally:
        dns.stop()


def test_blocked_senders(make_relay, peer):
    relay = make_relay(ini={"blocked_senders_file": "/etc/chatmail-blocked"})
    bob = relay.registered()
    relay.path("/etc/chatmail-blocked").write_text("peer.test\n")
    message = peer.sign(encrypted(peer.address(), bob.address))
    code, _ = receive(relay, message, bob)
    assert code == 554
    assert relay.fetch(bob) == []
