"""chatmailctl check: the milter's verdict on a file, its output and its exit status."""

import json
import subprocess

import pytest

from support import messages
from support.dkim_signer import RsaKey, record, sign
from support.tree import BUILD

CHATMAILCTL = BUILD / "ctl/chatmailctl"

ALICE, BOB, PEER = "alice@relay.test", "bob@relay.test", "carol@peer.test"
REFUSED = "523 Encryption Needed: Invalid Unencrypted Mail\n"
OUT = ["--direction", "out", "--from", ALICE, "--to", PEER]
IN = ["--direction", "in", "--from", PEER, "--to", BOB]


@pytest.fixture(scope="module")
def key(dns):
    key = RsaKey()
    dns.txt("s1._domainkey.peer.test", record(key))
    return key


@pytest.fixture(scope="module")
def directory(tmp_path_factory, dns):
    directory = tmp_path_factory.mktemp("check")
    (directory / "mail" / BOB).mkdir(parents=True)
    (directory / "mail" / BOB / "enforceE2EEincoming").touch()
    (directory / "mail/open@relay.test").mkdir()
    for name in (BOB, "open@relay.test"):
        (directory / "mail" / name / "password").write_text("{PLAIN}x")
    (directory / "blocked").write_text("spam.test\n")
    (directory / "chatmail.ini").write_text(
        "[params]\nmail_domain = relay.test\n"
        f"mailboxes_dir = {directory / 'mail'}\nresolver = {dns.resolver}\n"
        f"blocked_senders_file = {directory / 'blocked'}\n"
    )
    return directory


@pytest.fixture(scope="module")
def check(directory):
    def run(*arguments, message=b"", ini="chatmail.ini"):
        result = subprocess.run(
            [CHATMAILCTL, "check", "-c", directory / ini, *arguments],
            input=message, capture_output=True, timeout=60,
        )  # fmt: skip
        return result.returncode, result.stdout.decode(), result.stderr.decode()

    return run


def lf(message):
    return message.replace(b"\r\n", b"\n")


def test_reads_from_standard_input_and_from_a_file(check, directory):
    for message in (messages.encrypted(ALICE, PEER), lf(messages.encrypted(ALICE, PEER))):
        assert check(*OUT, "-", message=message) == (0, "accept encrypted\n", "")
        (directory / "message").write_bytes(message)
        assert check(*OUT, directory / "message") == (0, "accept encrypted\n", "")


def test_lines_of_an_mbox_file_are_skipped(check):
    message = messages.encrypted(ALICE, PEER)
    line = b"From alice@relay.test Mon Nov 23 01:00:00 2026\r\n"
    for first in (line, b">" + line, line + b">>" + line.lower()):
        for form in (first + message, lf(first + message)):
            assert check(*OUT, "-", message=form) == (0, "accept encrypted\n", "")
    for other in (line[:-2], line[:4], b">>", b"From \n", b"From : a@b.test\n" + message):
        assert check(*OUT, "-", message=other) == (1, "500 Invalid FROM header\n", "")


def test_secure_join_passes_in_both_directions(check, key):
    for step in ("vc-request", "vg-request"):
        message = messages.secure_join(ALICE, PEER, step)
        assert check(*OUT, "-", message=message) == (0, "accept secure-join\n", "")
        message = sign(messages.secure_join(PEER, BOB, step), key, "s1")
        assert check(*IN, "-", message=message) == (0, "accept secure-join\n", "")


def test_refusals_print_the_reply(check):
    assert check(*OUT, "-", message=messages.cleartext(ALICE, PEER)) == (1, REFUSED, "")
    assert check(*OUT, "-", message=b"") == (1, "500 Invalid FROM header\n", "")
    assert check(*OUT, "-", message=b"\r\n") == (1, "500 Invalid FROM header\n", "")
    message = messages.encrypted("mallory@relay.test", PEER)
    assert check(*OUT, "-", message=message) == (
        1, "500 Invalid FROM <mallory@relay.test> for <alice@relay.test>\n", "",
    )  # fmt: skip
    arguments = ["--direction", "out", "--from", "<>", "--to", PEER]
    assert check(*arguments, "-", message=message) == (1, "500 Invalid from address <>\n", "")


def test_dkim_is_verified_with_the_resolver(check, key):
    message = messages.encrypted(PEER, BOB)
    assert check(*IN, "-", message=message) == (1, "554 5.7.1 No DKIM signature found\n", "")
    signed = sign(message, key, "s1")
    for form in (signed, lf(signed)):
        assert check(*IN, "-", message=form) == (0, "accept encrypted\n", "")
    changed = signed.replace(b"Subject: [...]", b"Subject: hello")
    assert changed != signed
    assert check(*IN, "-", message=changed) == (1, "554 5.7.1 No valid DKIM signature found\n", "")
    unknown = sign(message, key, "s2")
    assert check(*IN, "-", message=unknown) == (1, "554 5.7.1 No valid DKIM signature found\n", "")


def test_silent_dns_is_temporary(check, key, directory):
    text = (directory / "chatmail.ini").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("resolver")]
    (directory / "deaf.ini").write_text("\n".join([*lines, "resolver = 127.0.0.1@9", ""]))
    status, out, _ = check(*IN, "-", message=sign(messages.encrypted(PEER, BOB), key, "s1"), ini="deaf.ini")
    assert status == 1 and out.startswith("451 4.7.5 ")


def test_recipients_decide_about_incoming_cleartext(check, key):
    message = sign(messages.cleartext(PEER, BOB), key, "s1")
    arguments = ["--direction", "in", "--from", PEER]
    assert check(*arguments, "--to", BOB, "-", message=message) == (1, REFUSED, "")
    assert check(*arguments, "--to", "open@relay.test", "-", message=message) == (
        0, "accept cleartext-allowed\n", "",
    )  # fmt: skip
    assert check(
        *arguments, "--to", "open@relay.test", "--to", BOB, "-", message=message
    ) == (1, REFUSED, "")  # fmt: skip


def test_bounces_and_blocked_senders(check, key):
    daemon = "mailer-daemon@peer.test"
    message = sign(messages.bounce(BOB, "<1@localhost>", daemon), key, "s1")
    arguments = ["--direction", "in", "--from", "<>", "--to", BOB]
    assert check(*arguments, "-", message=message) == (0, "accept bounce\n", "")
    arguments = ["--direction", "in", "--from", "x@spam.test", "--to", BOB]
    status, out, _ = check(*arguments, "-", message=message)
    assert status == 1 and out.startswith("554 5.7.1 ")


def test_verbose_prints_the_structure(check):
    status, out, _ = check(*OUT, "-v", "-", message=messages.encrypted(ALICE, PEER))
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == "accept encrypted" and lines[-1] == "rule: encrypted"
    for text in ("application/pgp-encrypted", "PKESK version 3", "SEIPD version 1", "armor: 0 headers"):
        assert text in out
    _, out, _ = check(*OUT, "--verbose", "-", message=messages.cleartext(ALICE, PEER))
    assert "type: text/plain" in out and "rule: not-encrypted" in out


def test_json_output(check, key):
    status, out, _ = check(*OUT, "--json", "-", message=messages.encrypted(ALICE, PEER))
    assert status == 0 and json.loads(out)["accept"] is True
    status, out, _ = check(*IN, "--json", "-", message=messages.encrypted(PEER, BOB))
    answer = json.loads(out)
    assert status == 1
    assert (answer["accept"], answer["reason"], answer["code"]) == (False, "no-dkim", 554)
    assert answer["enhanced"] == "5.7.1" and answer["text"] == "No DKIM signature found"
    assert (answer["found"], answer["dkim"]) == ("no DKIM signature", "there is no signature")
    assert "seen" not in answer


def test_json_contains_the_structure(check):
    for message in (messages.encrypted(ALICE, PEER), messages.cleartext(ALICE, PEER), b""):
        plain = check(*OUT, "-v", "-", message=message)
        status, out, _ = check(*OUT, "-v", "--json", "-", message=message)
        assert status == plain[0]
        assert json.loads(out)["seen"] == plain[1].splitlines()[1:]


@pytest.mark.parametrize(
    "arguments, text",
    [
        ([], "--direction, --from and --to are required"),
        ([*OUT], "one FILE is required"),
        ([*OUT, "a", "b"], "unexpected argument: b"),
        ([*OUT[2:], "-"], "--direction, --from and --to are required"),
        (["--direction", "up", "-"], "--direction up: not in or out"),
        ([*OUT, "--nonsense", "-"], "nonsense"),
        ([*OUT, "/nonexistent/file"], "/nonexistent/file: No such file"),
        ([*OUT, "/"], "/: Is a directory"),
        ([*OUT, "-c", "/nonexistent/ini", "-"], "/nonexistent/ini"),
    ],
)
def test_wrong_usage_and_errors_exit_with_2(check, arguments, text):
    status, out, err = check(*arguments)
    assert (status, out) == (2, "")
    assert text in err


def test_help(check):
    status, out, _ = check("--help")
    assert status == 0 and out.startswith("usage: chatmailctl check ")
