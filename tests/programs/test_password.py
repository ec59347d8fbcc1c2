"""chatmailctl user password: what is read from a terminal or a file."""

import os
import pty
import signal
import subprocess
import termios

import pytest
from support.config import PROGRAM
from support.wait import eventually

ACCOUNT = "alice1234@relay.test"


@pytest.fixture
def relay(tmp_path):
    """The directory of a relay with one account."""
    mailbox = tmp_path / "mail" / ACCOUNT
    mailbox.mkdir(parents=True)
    (mailbox / "password").write_text("{SHA512-CRYPT}$6$x$y")
    (tmp_path / "chatmail.ini").write_text(f"[params]\nmail_domain = relay.test\nmailboxes_dir = {tmp_path}/mail\n")
    return tmp_path


def command(relay):
    return [PROGRAM, "user", "password", "-c", relay / "chatmail.ini", "alice1234"]


def is_password(relay, password):
    stored = (relay / "mail" / ACCOUNT / "password").read_text().strip()
    salt = stored.split("$")[2]
    made = subprocess.run(["openssl", "passwd", "-6", "-salt", salt, password], capture_output=True, text=True, check=True)
    return stored == "{SHA512-CRYPT}" + made.stdout.strip()


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\nmore\n"])
def test_first_line_is_the_password(relay, end):
    done = subprocess.run(command(relay), input="correct-horse" + end, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert is_password(relay, "correct-horse")


@pytest.mark.parametrize("text", ["", "\n", "short\n", "correct-horse\0-battery\n", "x" * 600 + "\n"])
def test_what_is_no_password_changes_nothing(relay, text):
    done = subprocess.run(command(relay), input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "password" in done.stderr
    assert (relay / "mail" / ACCOUNT / "password").read_text() == "{SHA512-CRYPT}$6$x$y"


def echoes(terminal):
    return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP])
def test_terminal_after_an_interruption(relay, number):
    """Otherwise the shell would not show what is typed."""
    terminal, other = pty.openpty()
    process = subprocess.Popen(command(relay), stdin=other, stdout=other, stderr=other, cwd=relay)
    try:
        eventually(lambda: not echoes(terminal))
        process.send_signal(number)
        assert process.wait(timeout=60) == -number
        assert echoes(terminal)
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
        os.close(other)
