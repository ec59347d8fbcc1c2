"""The header of outgoing mail: only necessary fields leave, and no text."""

import re

import pytest

from support.messages import encrypted, header, values
from support.wait import eventually
from test_policy_smtp import queued_message, verifies

# None of these words leaves, wherever an ordinary mail program writes them.
TEXT = [
    "Sender: Noon at the station <secretary@relay.test>",
    "Chat-Disposition-Notification-To: <noon@peer.test>",
    "Autocrypt: addr=noon@peer.test; keydata=xjMEawbsBhYJ",
    "Secure-Join: vc-request",
    "Secure-Join-Invitenumber: noon",
    "Secure-Join-Group: noon",
    "Reply-To: Noon Replies <{alice}>",
    "Cc: Noon friends: Carol Noon <carol@peer.test> (noon), dave@peer.test;",
    "Organization: Noon Ltd.",
    "Keywords: noon",
    "Comments: noon",
    "Resent-Subject: noon",
    "Thread-Topic: noon",
    "X-Mailer: noon",
    "User-Agent: noon",
    "X-Originating-IP: [192.0.2.77]",
    "Received: from noon (noon [192.0.2.77]) by noon; Thu, 1 Jan 1970 00:00:00 +0000",
    "List-Id: Noon <noon.test>",
    "Content-Description: noon",
    "Content-Disposition: attachment; filename=noon",
    "In-Reply-To: your message of noon <a@b.test>",
    "Subject: noon",
    "Subject: =?utf-8?b?bm9vbg==?=",
    "X-Noon: \u00fc noon",
    "DKIM-Signature: v=1; d=noon.test; b=noon",
    "Authentication-Results: noon",
]


@pytest.fixture(scope="module")
def stuck(make_relay):
    """A relay whose mail for other relays stays in the queue."""
    return make_relay(settings={"relayhost": "[127.0.0.1]:1"})


def leaving(relay, account, message):
    """The message as it leaves, DKIM-signed."""
    queued = {entry["queue_id"] for entry in relay.queue()}
    code, text = relay.send(account, "x@peer.test", message)
    assert code == 250, text
    new = lambda: [entry for entry in relay.queue() if entry["queue_id"] not in queued]
    [entry] = eventually(new)
    return queued_message(relay, entry)


def test_no_text_leaves(stuck):
    alice = stuck.registered()
    lines = [line.format(alice=alice.address) for line in TEXT]
    message = encrypted(alice.address, "x@peer.test", subject="Noon", extra=lines)
    message = message.replace(b"From: <", b'From: "Noon, Alice" <').replace(b"To: <", b"To: Noon <")
    sent = leaving(stuck, alice, message)
    head = sent.partition(b"\r\n\r\n")[0]
    assert b"noon" not in re.sub(rb"DKIM-Signature:.*\r\n(\s.*\r\n)*", b"", head).lower()
    assert values(sent, "From") == [f"<{alice.address}>"]
    assert values(sent, "To") == ["<x@peer.test>"]
    assert values(sent, "Cc") == ["<carol@peer.test>, <dave@peer.test>"]
    assert values(sent, "Subject") == ["[...]"]
    assert values(sent, "In-Reply-To") == ["<a@b.test>"]
    assert len(values(sent, "DKIM-Signature")) == 1
    names = [line.split(b":")[0].lower() for line in head.split(b"\r\n") if line[:1] not in b" \t"]
    assert sorted(names) == sorted([
        b"dkim-signature", b"from", b"to", b"subject", b"date", b"message-id", b"chat-version",
        b"mime-version", b"reply-to", b"cc", b"in-reply-to", b"content-type",
    ])  # fmt: skip
    assert verifies(stuck, sent)


def test_delta_chats_header_leaves_unchanged(stuck):
    """Byte for byte, below the signature."""
    alice = stuck.registered()
    message = encrypted(alice.address, "x@peer.test", extra=["Chat-Is-Post-Message: 1"])
    sent = leaving(stuck, alice, message)
    assert sent.endswith(message)
    assert verifies(stuck, sent)


@pytest.mark.parametrize("name", ["To", "Cc", "References", "X-Own"])
def test_long_lines_of_a_header_survive(stuck, name):
    """Postfix breaks lines over 998 bytes after the signature."""
    alice = stuck.registered()
    separator = " " if name == "References" else ", "
    value = separator.join(f"<{number:040}@peer.test>" for number in range(30))
    lines = [line for line in header(alice.address, "x@peer.test", "[...]") if line[:3] != "To:"]
    body = encrypted(alice.address, "x@peer.test").decode()
    message = "\r\n".join([*lines, f"{name}: {value}", body[body.index("Content-Type: ") :]])
    assert max(map(len, message.split("\r\n"))) > 1400
    sent = leaving(stuck, alice, message.encode())
    assert max(map(len, sent.split(b"\r\n"))) <= 998
    assert [text.split() for text in values(sent, name)] == ([] if name == "X-Own" else [value.split()])
    assert verifies(stuck, sent)


def test_a_very_long_list_of_recipients_leaves(stuck):
    alice = stuck.registered()
    addresses = [f"{number:040}@peer.test" for number in range(500)]
    message = encrypted(alice.address, "x@peer.test")
    recipients = ",\r\n ".join(f"Noon {address} <{address}>" for address in addresses)
    message = message.replace(b"To: <x@peer.test>", b"To: " + recipients.encode())
    sent = leaving(stuck, alice, message)
    assert values(sent, "To") == [", ".join(f"<{address}>" for address in addresses)]
    assert verifies(stuck, sent)


def test_a_field_that_the_milter_sees_cut_does_not_leave(stuck):
    """Postfix truncates a long field when it passes it to the milter."""
    alice = stuck.registered()
    message = encrypted(alice.address, "x@peer.test")
    recipients = ",\r\n ".join(["<x@peer.test>"] * 3600) + ",\r\n Noon <x@peer.test>"
    message = message.replace(b"To: <x@peer.test>", b"To: " + recipients.encode())
    sent = leaving(stuck, alice, message)
    assert b"Noon" not in sent
    assert verifies(stuck, sent)


@pytest.mark.parametrize("local", ["abc..defg", ".abcdefgh", "abcdefgh."])
def test_an_account_with_odd_dots_sends_and_receives(stuck, local):
    account = stuck.registered(local)
    for spelling in (account.address, f'"{local}"@{stuck.domain}'):
        message = encrypted(spelling, "x@peer.test")
        sent = leaving(stuck, account, message)
        assert values(sent, "From") == [f"<{spelling}>"]
        assert verifies(stuck, sent)
        reply = stuck.send(account, f'"{local}"@{stuck.domain}', message, sender=f"<{spelling}>")
        assert reply[0] == 250, reply
    assert len(stuck.messages(account, 2)) == 2


def test_submission_offers_no_extension_that_delivery_lacks(stuck):
    alice = stuck.registered()
    for wrapped in (True, False):
        with stuck.submission(alice, wrapped=wrapped) as client:
            client.ehlo()
            assert not client.has_extn("smtputf8")
            assert client.has_extn("8bitmime")
