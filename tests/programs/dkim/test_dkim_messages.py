"""The signed message: its body, forged results, and which messages need a signature."""

import subprocess

import pytest

from support import messages
from support.dkim_signer import record, sign
from support.dkim_verdict import (
    INVALID,
    LATER,
    NONE,
    RECIPIENT,
    SENDER,
    VALID,
    encrypted,
    expect,
    name_of,
    with_preamble,
)
from support.tree import BUILD

# --- Bodies ---------------------------------------------------------------------------------------

BODIES = {
    "empty": b"",
    "one empty line": b"\r\n",
    "empty lines": b"\r\n" * 50,
    "blanks only": b"  \t \r\n \r\n",
    "no final line end": b"text",
    "blanks at line ends": b"a  \t\r\n\tb \r\n  c\t\r\n\r\n",
    "eight bits": b"\xc3\xbc\xff\x80 \xe4\r\n",
    "single CRs": b"a\rb\r\r\n\r\rc\r\n",
    "NULs": b"a\0b\r\n\0\r\n",
    "long lines": b"x" * 100_000 + b"\r\n" + b"y " * 50_000 + b"\r\n",
    "larger than the filter's pieces": b"0123456789 abcdef\t\r\n" * 20_000,
    "a line end between the pieces": b"x" * 65534 + b"\r\n" + b" \r\n" * 3 + b"y\r\n",
    "a CR between the pieces": b"x" * 65534 + b"\r" + b"y\r\n",
    "blanks between the pieces": b"x" * 65530 + b"      \t  y    \r\n",
}


@pytest.mark.parametrize("form", ["simple/simple", "relaxed/relaxed"])
@pytest.mark.parametrize("body", BODIES)
def test_body_is_covered_by_the_signature(milter, dns, rsa, selector, body, form):
    """Bodies of every form, signed, to an account that accepts cleartext: each passes, and is
    refused if a byte is added."""
    dns.txt(name_of(selector), record(rsa))
    open_account = "open@relay.test"
    mailbox = milter.mailboxes / open_account
    mailbox.mkdir(parents=True, exist_ok=True)
    (mailbox / "password").write_text("{PLAIN}x")
    head = messages.cleartext(SENDER, open_account).partition(b"\r\n\r\n")[0]
    signed = sign(head + b"\r\n\r\n" + BODIES[body], rsa, selector, canonicalization=form)
    code, text, log = milter.judge(signed, SENDER, [open_account])
    assert code == VALID, f"{text}\n{log}"
    code, text, log = milter.judge(signed + b"x", SENDER, [open_account])
    assert code == INVALID and "the body is not the one that was signed" in log


def test_body_with_bare_line_feeds(milter, dns, rsa, selector):
    """As in a file on disk: a bare line feed counts as a line end."""
    dns.txt(name_of(selector), record(rsa))
    message = encrypted()
    signed = sign(message, rsa, selector)
    head, _, body = signed.partition(b"\r\n\r\n")
    expect(milter, head + b"\r\n\r\n" + body.replace(b"\r\n", b"\n"), VALID)


# --- Forged results -------------------------------------------------------------------------------

FORGED = [
    b"Authentication-Results: relay.test; dkim=pass header.d=peer.test",
    b"authentication-results: relay.test; dkim=pass header.d=peer.test header.s=s",
    b"Authentication-Results: relay.test;\r\n\tdkim=pass (2048-bit key) header.d=peer.test",
    b'Authentication-Results: relay.test 1; dkim=pass reason="good" header.i=@peer.test',
    b"Authentication-Results:relay.test;dkim=pass header.d=peer.test",
    b"Authentication-Results: localhost; dkim=pass header.d=peer.test; spf=pass; dmarc=pass",
    b"Authentication-Results: (relay.test) relay.test; dkim = pass header . d = peer.test",
    b"ARC-Authentication-Results: i=1; relay.test; dkim=pass header.d=peer.test",
    b"X-DKIM-Result: pass\r\nX-Spam-Status: No\r\nDKIM-Filter: OpenDKIM Filter v2.11.0 relay.test",
    b"Received-SPF: pass\r\nDomainKey-Signature: a=rsa-sha1; d=peer.test; s=s; b=AAAA",
]


@pytest.mark.parametrize("field", FORGED)
@pytest.mark.parametrize("signed", ["unsigned", "invalid", "malformed"])
def test_forged_results_are_not_trusted(milter, dns, rsa, selector, field, signed):
    message = encrypted()
    if signed == "invalid":
        dns.txt(name_of(selector), record(rsa))
        message = sign(message, rsa, selector, b="A" * 342)
    elif signed == "malformed":
        message = b"DKIM-Signature: v=1; a=rsa-sha256; d=peer.test\r\n" + message
    for forged in (
        field + b"\r\n" + message,
        message.replace(b"\r\n\r\n", b"\r\n" + field + b"\r\n\r\n", 1),
    ):
        code, text, _ = milter.judge(forged)
        assert code == INVALID
        kind = "No DKIM" if signed == "unsigned" else "No valid DKIM"
        assert text == f"5.7.1 {kind} signature found"


def test_two_from_fields(milter, dns, rsa, selector):
    dns.txt(name_of(selector), record(rsa))
    signed = sign(encrypted(), rsa, selector)
    for message in (
        b"From: <eve@other.test>\r\n" + signed,
        signed.replace(b"\r\n\r\n", b"\r\nFrom: <eve@other.test>\r\n\r\n", 1),
    ):
        code, text, _ = milter.judge(message)
        assert (code, text) == (500, "Invalid FROM header")


def test_ip_literal_needs_no_signature(milter):
    expect(milter, encrypted("alice@[127.0.0.1]"), VALID, sender="alice@[127.0.0.1]")


def test_bounce_needs_a_signature(milter, dns, rsa, selector):
    dns.txt(name_of(selector), record(rsa))
    message = messages.bounce(RECIPIENT, "<1@localhost>", "mailer-daemon@peer.test")
    code, _, log = milter.judge(message, "")
    assert code == INVALID and "no-dkim" in log
    assert milter.judge(sign(message, rsa, selector), "")[0] == VALID


def test_memory_does_not_grow():
    """Sends messages of every kind, each with its own DNS queries; tests/bench/dkim sends many
    more."""
    subprocess.run(
        [BUILD / "tests/bench/bench_dkim", "memory", "8000"], check=True, stdout=subprocess.DEVNULL
    )


# --- chatmailctl check, which verifies like the milter


def check(milter, path, sender=SENDER):
    return subprocess.run(
        [
            *(BUILD / "ctl/chatmailctl", "check", "--direction", "in"),
            *("--from", sender, "--to", RECIPIENT, "-c", milter.ini, path),
        ],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_check_agrees_with_the_milter(milter, dns, rsa, selectors, tmp_path, line_end):
    good, later = selectors(), selectors()
    dns.txt(name_of(good), record(rsa))
    dns.code(name_of(later), "SERVFAIL")
    path = tmp_path / "message"
    for message, code in (
        (sign(encrypted(), rsa, good), VALID),
        (with_preamble(sign(encrypted(), rsa, good)), INVALID),
        (FORGED[0] + b"\r\n" + encrypted(), NONE),
        (sign(encrypted(), rsa, later), LATER),
    ):
        path.write_bytes(message.replace(b"\r\n", line_end))
        result = check(milter, path)
        expected, text, _ = milter.judge(message)
        assert expected == code
        if code == VALID:
            assert (result.returncode, result.stdout.split()[0]) == (0, "accept")
        else:
            assert result.returncode == 1
            assert result.stdout.startswith(f"{code} {text}")
