"""Other mail readers find no text in accepted mail, except in requests of secure-join.

The test changes messages at random. Those that the policy still accepts, incoming to a mailbox that
refuses cleartext or outgoing, are read by GMime, Python's email, mailparser and postal-mime of npm
and, if CHATMAIL_MAIL_PARSER is the readers/mail-parser that `tests/run readers` builds, mail-parser
of crates.io. CHATMAIL_MUTANTS sets the number of different messages, CHATMAIL_MUTANTS_SEED the random
seed."""

import email
import email.policy
import io
import json
import os
import re
import subprocess
from email.header import decode_header
from pathlib import Path

import pytest
from support.nodejs import Node
from support.tree import BUILD

HERE = Path(__file__).resolve().parent
SEEDS = HERE.parent / "fuzz/corpus/message"
COUNT = int(os.environ.get("CHATMAIL_MUTANTS", "20000"))
SEED = os.environ.get("CHATMAIL_MUTANTS_SEED", "1")
MAIL_PARSER = os.environ.get("CHATMAIL_MAIL_PARSER")
REQUESTS = ("", "secure-join:vc-request", "secure-join:vg-request")
# What Delta Chat itself writes into a header, for none.
HEADER_TEXTS = ("[...]", "autocryptsetupmessage", "hidden-recipients")


@pytest.fixture(scope="module")
def stream():
    """The accepted messages, each after its direction and length. GMime has found no text in them."""
    command = [BUILD / "tests/programs/mutants", str(COUNT), SEED, *sorted(SEEDS.iterdir())]
    done = subprocess.run(command, capture_output=True)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def messages(stream):
    """Pairs (direction, message)."""
    reader, messages = io.BytesIO(stream), []
    while line := reader.readline():
        direction, length = line.decode().split()
        messages.append((direction, reader.read(int(length))))
    assert len(messages) == COUNT == len(set(messages))
    assert sum(direction == "out" for direction, _ in messages) > COUNT / 5
    return messages


def is_request(text):
    return "".join(text.lower().split()) in REQUESTS


def may_be_seen(direction, text):
    return is_request(text) or direction == "out" and "".join(text.lower().split()) in HEADER_TEXTS


def texts(message):
    """The text that a mail program would show: the text of every text part."""
    for part in message.walk():
        if part.get_content_maintype() == "text" and not part.is_multipart():
            yield (part.get_payload(decode=True) or b"").decode(errors="replace")


def header_texts(message):
    yield message.get("Subject", "")
    for field in ("From", "Sender", "Reply-To", "To", "Cc"):
        if field in message:
            yield from (group.display_name or "" for group in message[field].groups)
            yield from (address.display_name for address in message[field].addresses)
    # Some readers decode encoded words anywhere, also after the escapes of a quoted string.
    for _, value in message.raw_items():
        for text in (value, re.sub(r"\\(.)", r"\1", value)):
            yield from (str(word) for word, charset in decode_header(text) if charset is not None)


@pytest.mark.parametrize("policy", [email.policy.compat32, email.policy.SMTP], ids=["old", "new"])
def test_python_finds_no_text(messages, policy):
    for direction, data in messages:
        message = email.message_from_bytes(data, policy=policy)
        shown = list(texts(message))
        if direction == "out" and policy is email.policy.SMTP:
            shown += header_texts(message)
        for text in shown:
            assert may_be_seen(direction, text), (text, data.decode(errors="replace"))


def test_encrypted_mail_leaves_without_fields_of_secure_join(messages):
    """Their values could be words."""
    for direction, data in messages:
        message = email.message_from_bytes(data)
        if direction == "out" and message.get_content_type() == "multipart/encrypted":
            assert not [name for name in message.keys() if name.lower().startswith("secure-join")]


def check_what_is_shown(messages, output):
    seen = json.loads(output)
    assert seen["number"] == len(messages)
    for number, reader, text in seen["shown"]:
        direction, data = messages[number]
        assert may_be_seen(direction, text), (reader, text, data.decode(errors="replace"))


def test_mailparser_and_postal_mime_find_no_text(stream, messages, tmp_path):
    node = Node(HERE / "readers", tmp_path)
    check_what_is_shown(messages, node.run("read_messages.js", input=stream))


@pytest.mark.skipif(MAIL_PARSER is None, reason="needs a Rust compiler: tests/run readers")
def test_mail_parser_finds_no_text(stream, messages):
    check_what_is_shown(messages, subprocess.run(
        [MAIL_PARSER], input=stream, check=True, capture_output=True).stdout)  # fmt: skip
