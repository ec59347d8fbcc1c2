"""No log contains a word that users write, choose or keep secret, whatever happens to it."""

import contextlib
import http.client
import imaplib
import itertools
import re
import smtplib
import socket

import pytest

from support.imap import set_metadata
from support.messages import bounce, cleartext, encrypted, secure_join
from support.peer import Peer
from support.relay import trusting

# A word for each place: a word in a log shows where it came from.
numbers = itertools.count(1)
planted = {}


def word(place):
    text = f"zwetschge{next(numbers):03}x"
    planted[text] = place
    return text


# Fields that change no verdict, and fields that may.
FIELDS = [
    "Subject: {}", "Subject: =?utf-8?q?{}?=", "subject : {}", "Subject:\r\n {}", "Subject: \u00fc{}",
    "Sender: {} <carol@peer.test>", "Reply-To: \"{}\" <carol@peer.test>", "Cc: {}: carol@peer.test;",
    "Keywords: {}", "Comments: {}", "Organization: {}", "X-Mailer: {}", "User-Agent: {}",
    "X-Originating-IP: {}", "Received: from {} by phone; Thu, 1 Jan 1970 00:00:00 +0000",
    "Authentication-Results: {}", "Autocrypt: addr={}", "Secure-Join-Invitenumber: {}",
    "List-Id: <{}>", "Return-Path: <{}>", "Content-Description: {}", "Resent-Subject: {}",
    "X-{}: x", "To: {}", "Date: {}", "In-Reply-To: <{}@localhost>", "Content-ID: <{}@localhost>",
]  # fmt: skip
DECIDING = [
    "DKIM-Signature: v=1; a=rsa-sha256; d={}; s={}; b={}; h=from; bh={}", "DKIM-Signature: {}",
    "Content-Transfer-Encoding: {}", "Content-Type: {}", "MIME-Version: {}", "Secure-Join: {}",
    "From: {} <x@y.test>", "Content-Disposition: {}", "{} : x", "{}",
]  # fmt: skip


def field(line, where):
    return line.replace("{}", word(f"{where}: {line}")).encode() + b"\r\n"


def with_words(message, where):
    """Variants of a message, with a word in each place."""
    yield b"".join(field(line, where) for line in FIELDS) + message
    yield from (field(line, where) + message for line in DECIDING)
    yield message.replace(b"From: <", f'From: "{word(f"{where}: From")}" <'.encode(), 1)
    yield message.replace(b"boundary=", f"x-{word(f'{where}: parameter')}=a; boundary=".encode(), 1)
    for old in (b"\r\n\r\n", b"\r\n\r\n--", b"--\r\n"):
        yield message.replace(old, old + word(f"{where}: body").encode(), 1)
    yield message.replace(b"\r\n\r\nVersion", b"\r\n" + field("X: {}", where) + b"\r\nVersion")


@pytest.fixture(scope="module")
def busy(make_relay, dns):
    """A relay that processed all these messages and requests."""
    relay = make_relay(ini={"outbound": "https", "username_max_length": "20"})
    alice, bob = relay.registered(), relay.registered(password=word("password"))
    peer = Peer(dns, "words.test")
    submit(relay, alice, bob)
    receive(relay, peer, alice, bob)
    log_in(relay, bob)
    push(relay, alice, bob)
    ask_the_web(relay)
    receive_by_https(relay, peer, bob)
    expire(relay)
    relay.settle()
    return relay


def submit(relay, alice, bob):
    kinds = {
        "encrypted": encrypted(alice.address, bob.address),
        "secure-join": secure_join(alice.address, bob.address),
        "cleartext": cleartext(alice.address, bob.address, word("out: cleartext subject")),
        "unknown": encrypted(alice.address, "nobody@relay.test"),
        "bounced": encrypted(alice.address, "nobody@relay.test"),
    }
    recipients = {"unknown": ["nobody@relay.test"], "bounced": ["nobody@relay.test", bob.address]}
    for kind, message in kinds.items():
        for variant in with_words(message, f"out, {kind}"):
            relay.send(alice, recipients.get(kind, [bob.address]), variant)


def receive(relay, peer, alice, bob):
    sender = peer.address()
    kinds = {
        "encrypted": encrypted(sender, bob.address),
        "cleartext": cleartext(sender, bob.address, word("in: cleartext subject")),
        "bounce": bounce(bob.address, "<x@localhost>", f"mailer-daemon@{peer.domain}"),
    }
    for kind, message in kinds.items():
        for number, variant in enumerate(with_words(message, f"in, {kind}")):
            recipient = (alice, bob)[number % 2].address
            relay.receive(sender, recipient, variant)
            with contextlib.suppress(Exception):  # a message that dkimpy cannot sign
                relay.receive(sender, recipient, peer.sign(variant))


def log_in(relay, bob):
    for secret in (word("wrong password"), "zu kurz"):
        with pytest.raises(imaplib.IMAP4.error):
            relay.imap(bob, secret)
        with pytest.raises(smtplib.SMTPAuthenticationError):
            with relay.submission(bob, secret):
                pass
    with pytest.raises(imaplib.IMAP4.error):
        relay.imap(relay.account(password=word("x")[:3]))
    client = relay.imap(bob, select=True)
    set_metadata(client, "INBOX", "/private/devicetoken", word("token"))
    set_metadata(client, "INBOX", f"/private/{word('entry')}", "x")
    client.xatom("ID", f'("name" "{word("client name")}")')
    client.append("INBOX", None, None, cleartext("a@b.test", "c@d.test", word("appended")))
    client.search(None, "TEXT", word("search"))
    client.search("X", "TEXT", word("search in an unknown character set"))
    client.create(word("folder"))
    with contextlib.suppress(imaplib.IMAP4.error):
        client.xatom("NOOP", word("superfluous argument"))
    client.logout()
    with smtplib.SMTP("127.0.0.1", relay.ports["submission_port"], timeout=60) as client:
        client.starttls(context=trusting())
        client.docmd("AUTH", f"PLAIN {word('AUTH argument')}")


def push(relay, alice, bob):
    """Nobody answers at notify_url."""
    relay.send(alice, bob.address, encrypted(alice.address, bob.address))
    relay.send(alice, "bob@nowhere.test", encrypted(alice.address, "bob@nowhere.test"))
    relay.messages(bob)


def request(relay, method, target, headers=(), body=None):
    client = http.client.HTTPSConnection(
        "127.0.0.1", relay.ports["https_port"], context=trusting(), timeout=60
    )
    with contextlib.closing(client), contextlib.suppress(http.client.HTTPException):
        client.request(method, target, body, dict(headers))
        return client.getresponse().status


# Headers that a proxy, a browser or a peer sends.
WEB_HEADERS = (
    "User-Agent", "Referer", "Cookie", "Authorization", "Content-Type", "Origin", "Range",
    "Accept-Language", "X-Real-Name", "Expect", "Content-Encoding", "If-None-Match",
)  # fmt: skip


def ask_the_web(relay):
    def headers(where):
        return {name: word(f"{where}: {name}") for name in WEB_HEADERS}

    for method in ("GET", "POST", "PUT"):
        for target in ("/new", "/new?", "/new/", "/invite/qr", "/invite?token=", "/mxdeliv", "/", "/metrics"):
            where = f"{method} {target}"
            target += word(where) if target[-1] in "?=" else ""
            request(relay, method, target, headers(where), word(f"{where}: body"))
            request(relay, method, target, body=word(f"{where}: only a body"))
    for token in (word("invitation"), word("invitation").ljust(26, "a")):
        request(relay, "POST", f"/new?invite={token}", body=f"token={token}")
        request(relay, "POST", "/invite/qr", body=token)
    for line in (f"GET {word('a malformed request')}", f"{word('method')} / HTTP/1.1\r\n\r\n"):
        plain = socket.create_connection(("127.0.0.1", relay.ports["https_port"]), timeout=60)
        with trusting().wrap_socket(plain) as client:
            client.sendall(line.encode() + b"\r\n\r\n")
            client.recv(1000)


def receive_by_https(relay, peer, bob):
    """What port 25 got, by /mxdeliv."""
    sender = peer.address()
    for kind in (encrypted, cleartext):
        for variant in with_words(kind(sender, bob.address), f"mxdeliv, {kind.__name__}"):
            request(relay, "POST", "/mxdeliv", {"X-MAIL-FROM": sender, "X-MAIL-TO": bob.address}, variant)


def expire(relay):
    """Its complaints are what cron mails to root."""
    broken = [relay.registered(name=word(f"an account without {what}")) for what in ("password", "cur", "all")]
    (relay.mailbox(broken[0]) / "password").rename(relay.mailbox(broken[0]) / "away")
    (relay.mailbox(broken[0]) / "password").symlink_to(word("the target of a link"))
    (relay.mailbox(broken[1]) / "cur").write_text("")
    (relay.mailbox(broken[1]) / word("a file")).symlink_to("nowhere")
    relay.mailbox(broken[2]).rename(relay.mailbox(broken[2]).parent / word("a mailbox of no domain"))
    done = relay.inside("chatmail-expire", check=False)
    relay.path("/var/log/cron.log").write_text(done.stdout + done.stderr)
    assert "hidden" in done.stderr, "chatmail-expire found nothing to complain about"
    done = relay.inside("chatmailctl", "status", "--quick", check=False)
    relay.path("/var/log/status.log").write_text(done.stdout + done.stderr)


def test_no_word_is_in_a_log(busy):
    logs = [file for file in busy.path("/var/log/x").parent.rglob("*") if file.is_file()]
    assert {file.stem for file in logs} >= {
        "mail", "dovecot", "milter", "notifyd", "httpd", "transport", "nginx", "nginx-access", "cron", "status",
    }  # fmt: skip
    assert len(planted) > 700
    found = []
    for file in logs:
        for line in file.read_text(errors="replace").splitlines():
            found += [(planted[text], file.name, line) for text in planted if text in line]
    assert found == []


def test_the_logs_contain_what_was_done(busy):
    """Otherwise the test above could find no word at all."""
    for reason in ("cleartext-in-mime", "not-encrypted", "no-dkim", "invalid-dkim"):
        assert reason in busy.log("milter"), reason
    assert "status=sent" in busy.log("mail")
    assert "milter-reject" in busy.log("mail")
    assert "POST" in busy.log("nginx-access")
    busy.stop_service("notifyd")
    assert re.search(r"failed attempts [1-9]", busy.log("notifyd"))
