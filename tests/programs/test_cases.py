"""The messages of tests/cases, each of which once got a wrong verdict: chatmailctl check's verdict.
tests/relay/test_cases.py sends some of them through a relay."""

import subprocess
from pathlib import Path

import pytest

from support.dkim_signer import RsaKey, record, sign
from support.tree import BUILD

CASES = Path(__file__).resolve().parents[1] / "cases"
ALICE, BOB, PEER = "alice0001@relay.test", "bob000001@relay.test", "carol@[127.0.0.9]"
LITERAL = "carol@[192.0.2.9]"
SPAMMER, IDN = "spam@[127.0.0.9]", "carol@xn--mller-kva.test"
ENCRYPTED, JOIN = (0, "accept encrypted\n"), (0, "accept secure-join\n")
REFUSED = (1, "523 Encryption Needed: Invalid Unencrypted Mail\n")
UNSIGNED = (1, "554 5.7.1 No DKIM signature found\n")

# file, direction, sender, recipient, expected; the relay is the sender's or recipient's domain
VERDICTS = [
    # Nobody can make a mailbox that does not exist allow cleartext.
    ("01-in-plain-to-absent", "in", SPAMMER, "nobody999@relay.test", REFUSED),
    ("01-in-plain-to-absent", "in", SPAMMER, "nobody999+x@relay.test", REFUSED),
    ("01-in-plain-to-absent", "in", SPAMMER, "bob000001@[127.0.0.1]", REFUSED),
    ("01-in-plain-to-absent", "in", SPAMMER, BOB, REFUSED),
    ("02-out-thunderbird-preamble", "out", ALICE, BOB, ENCRYPTED),
    # The names are removed from these.
    ("03-out-from-phrase", "out", ALICE, BOB, ENCRYPTED),
    ("04-out-to-group-phrase", "out", ALICE, BOB, ENCRYPTED),
    ("05-in-report-without-report", "in", "mailer-daemon@[127.0.0.9]", BOB, REFUSED),
    ("05-in-report-without-report", "in", "<>", BOB, REFUSED),
    ("06-in-wrong-crc", "in", PEER, BOB, ENCRYPTED),
    ("07-in-footer-after-parts", "in", PEER, BOB, ENCRYPTED),
    ("08-in-binary-part", "in", PEER, BOB, ENCRYPTED),
    ("09-in-part-type-comment", "in", PEER, BOB, REFUSED),
    ("10-out-disposition-filename", "out", ALICE, BOB, ENCRYPTED),
    ("11-in-old-packet-format", "in", PEER, BOB, ENCRYPTED),
    ("12-in-blank-line-in-armor", "in", PEER, BOB, ENCRYPTED),
    ("idn-out", "out", "alice0001@xn--mller-kva.test", "bob000001@xn--mller-kva.test", ENCRYPTED),
    ("idn-in-unsigned", "in", IDN, BOB, UNSIGNED),
    ("dots-in", "in", "abc..def.@[192.0.2.9]", BOB, ENCRYPTED),
    ("dots-out", "out", "abc..defg@relay.test", BOB, ENCRYPTED),
    ("quoted-local-in", "in", '"abc..def"@[192.0.2.9]', BOB, ENCRYPTED),
    ("from-folded-in-quotes", "in", LITERAL, BOB, ENCRYPTED),
    ("from-address-as-name", "in", "carol@peer.test", BOB, UNSIGNED),
    ("protocol-unquoted", "in", LITERAL, BOB, ENCRYPTED),
    ("subject-cleartext", "out", ALICE, BOB, REFUSED),
    ("utf8-to-out", "out", ALICE, BOB, ENCRYPTED),
    ("long-header-out", "out", "alice0001@north.test", "bob000001@south.test", ENCRYPTED),
    # As Delta Chat 2.24 and 2.65 ask for secure-join.
    ("vc-request-core-2.24", "out", "qksiugnri@_cm2.test", "gzb13qtt0@_cm1.test", JOIN),
    ("vc-request-core-2.65-legacy", "out", "s3njwzfdt@_cm2.test", "fsy507yg8@_cm1.test", JOIN),
]


@pytest.fixture(scope="module")
def key(dns):
    key = RsaKey()
    for domain in ("peer.test", "xn--mller-kva.test"):
        dns.txt(f"s1._domainkey.{domain}", record(key))
    return key


@pytest.fixture(scope="module")
def check(tmp_path_factory, dns):
    directory = tmp_path_factory.mktemp("cases")
    for address in (BOB, "bob000001@xn--mller-kva.test"):
        mailbox = directory / "mail" / address
        mailbox.mkdir(parents=True)
        (mailbox / "password").write_text("{PLAIN}x")
        (mailbox / "enforceE2EEincoming").touch()

    def run(direction, sender, recipient, message):
        local = sender if direction == "out" else BOB
        (directory / "chatmail.ini").write_text(
            f"[params]\nmail_domain = {local.rpartition('@')[2]}\n"
            f"mailboxes_dir = {directory / 'mail'}\nresolver = {dns.resolver}\n"
        )
        result = subprocess.run(
            [BUILD / "ctl/chatmailctl", "check", "-c", directory / "chatmail.ini",
             "--direction", direction, "--from", sender, "--to", recipient, "-"],
            input=message, capture_output=True, timeout=60,
        )  # fmt: skip
        return result.returncode, result.stdout.decode()

    return run


def read(name):
    return (CASES / f"{name}.eml").read_bytes()


def test_every_case_is_listed():
    assert {row[0] for row in VERDICTS} == {path.stem for path in CASES.glob("*.eml")}


@pytest.mark.parametrize("name,direction,sender,recipient,expected", VERDICTS)
def test_verdict(check, name, direction, sender, recipient, expected):
    assert check(direction, sender, recipient, read(name)) == expected


@pytest.mark.parametrize("name,sender", [("idn-in-unsigned", IDN), ("from-address-as-name", "carol@peer.test")])
def test_signed_the_message_passes(check, key, name, sender):
    message = read(name).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    signed = sign(message, key, "s1", domain=sender.rpartition("@")[2])
    assert check("in", sender, BOB, signed) == ENCRYPTED
