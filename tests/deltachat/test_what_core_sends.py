"""What Delta Chat core really sends, taken from mailboxes and checked by `chatmailctl check`."""

import os
import subprocess

import pytest

from support.tree import BUILD
from support.wait import eventually

CHATMAILCTL = BUILD / "ctl/chatmailctl"
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def pair(core, relay):
    return core.clients(relay, 2)


def explain(relay, sender, recipient, message):
    """The lines of `chatmailctl check -v` for the message as it was submitted."""
    result = subprocess.run(
        [CHATMAILCTL, "check", "-v", "-c", relay.directory / "chatmail.ini", "--direction", "out",
         "--from", sender.login.address, "--to", recipient.login.address, "-"],
        input=message, capture_output=True, timeout=120,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout.decode().splitlines()


def packets(lines):
    return [line.split()[2] for line in lines if line.strip().startswith("packet ")]


@pytest.fixture(scope="module")
def first_request(relay, pair):
    """The message that opens secure-join, while the inviter is offline."""
    alice, bob = pair
    # Core skips messages that arrived before it first opened its mailbox.
    alice.wait_for_event("ImapInboxIdle")
    alice.account.stop_io()
    bob.account.secure_join(alice.account.get_qr_code())
    [message] = relay.messages(alice.login)
    return message


def test_secure_join_begins_with_password_encryption(relay, pair, first_request):
    alice, bob = pair
    lines = explain(relay, bob, alice, first_request)
    assert lines[0] == "accept encrypted"
    assert packets(lines) == ["SKESK", "SEIPD"]


@pytest.fixture(scope="module")
def chats(pair, first_request):
    alice, bob = pair
    alice.account.start_io()
    for client, role in ((bob, "Joiner"), (alice, "Inviter")):
        client.wait_for_event(f"Securejoin{role}Progress", lambda event: event["progress"] == 1000)
    return alice.chat_with(bob), bob.chat_with(alice)


def sent(relay, recipient, send, count):
    """The messages that arrive from send() while the recipient is offline."""
    eventually(lambda: not relay.fetch(recipient.login), message="the mailbox did not become empty")
    recipient.account.stop_io()
    send()
    messages = relay.messages(recipient.login, count)
    recipient.account.start_io()
    return messages


def test_text_is_encrypted(relay, pair, chats):
    alice, bob = pair
    [message] = sent(relay, bob, lambda: chats[0].send_text("hello"), 1)
    lines = explain(relay, alice, bob, message)
    assert packets(lines)[-1] == "SEIPD" and "PKESK" in packets(lines)
    assert "second reader: none needed, the usual form" in lines


@pytest.mark.parametrize("size", [100_000, MEGABYTE, 20 * MEGABYTE])
def test_files_are_encrypted(relay, pair, chats, tmp_path, size):
    """A large file travels in two messages."""
    alice, bob = pair
    file = tmp_path / f"noise{size}.bin"
    file.write_bytes(os.urandom(size))
    send = lambda: chats[0].send_message(file=str(file), filename=file.name, viewtype="File")
    stored = sent(relay, bob, send, 1 if size < 140_000 else 2)
    assert sum(map(len, stored)) > size
    for message in stored:
        lines = explain(relay, alice, bob, message)
        assert lines[0] == "accept encrypted" and packets(lines)[-1] == "SEIPD"
    snapshot = bob.wait_for_file(chats[1], file.name)
    with open(snapshot.file, "rb") as received:
        assert received.read() == file.read_bytes()
