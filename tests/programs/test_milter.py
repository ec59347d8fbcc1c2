"""chatmail-milter without Postfix: the protocol, tested by miltertest's scripts and by the tests'
own client."""

import base64
import os
import resource
import signal
import socket
import struct
import subprocess
import threading
from pathlib import Path

import pytest

from support import messages
from support.milter import NR_BODY, NR_HDR, NR_RCPT, STEPS, Connection, Reply
from support.milter_daemon import PEER, USER, MilterDaemon, begin, encrypted, finish, send

SCRIPTS = Path(__file__).parent / "miltertest"


# --- miltertest -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script", [path.name for path in sorted(SCRIPTS.glob("*.lua")) if path.name != "support.lua"]
)
def test_miltertest(tmp_path, script):
    payload = messages.packet(1, b"\3" + bytes(8) + b"\x12" + os.urandom(40))
    payload += messages.packet(18, b"\1" + os.urandom(60))
    with MilterDaemon(tmp_path, resolver="127.0.0.1@9") as daemon:
        result = subprocess.run(
            [
                "miltertest",
                *("-D", f"socket=unix:{daemon.socket}"),
                *("-D", f"support={SCRIPTS}/support.lua"),
                *("-D", f"payload={base64.b64encode(payload).decode()}"),
                *("-s", SCRIPTS / script),
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert result.returncode == 0, result.stdout + result.stderr + daemon.log()
        # Whatever the script does, the daemon keeps running.
        assert send(daemon)[0] == 250


# --- The protocol ---------------------------------------------------------------------------------


def test_negotiation(daemon):
    with Connection(daemon.socket) as connection:
        assert connection.steps & 0x100000, "leading space of header fields"
        assert not connection.steps & 0x800, "recipients that Postfix refuses are not wanted"
        assert connection.actions == 0x151, "no right to change more than header and sender"
        lists = connection.macro_lists
    for name in ("{auth_authen}", "{mail_addr}", "{client_addr}"):
        assert name in lists[2]
    assert lists[5] == "i" and lists[6] == "i"


def test_header_fields_are_changed_by_their_index_among_fields_of_one_name(daemon):
    extra = ["X-Own: a", "subject: b", "x-own: c", "To: d", "Cc: Carol <carol@peer.test>"]
    message = messages.encrypted(USER, PEER, subject="Private", extra=extra)
    with Connection(daemon.socket) as connection:
        connection.message(message, USER, [PEER], USER)
        assert connection.changes == [
            ("Cc", 1, b" <carol@peer.test>"),
            ("To", 2, b""),
            ("x-own", 2, b""),
            ("subject", 2, b""),
            ("X-Own", 1, b""),
            ("Subject", 1, b" [...]"),
        ]


def test_a_message_of_delta_chat_is_not_changed(daemon):
    with Connection(daemon.socket) as connection:
        connection.message(encrypted(), USER, [PEER], USER)
        assert connection.changes == []


def test_incoming_mail_is_not_changed(daemon, tmp_path):
    sender = "carol@[192.0.2.9]"
    daemon.account("reader@relay.test")
    message = messages.encrypted(sender, "reader@relay.test", subject="Private", extra=["X-Own: a"])
    with Connection(daemon.socket) as connection:
        connection.message(message, sender, ["reader@relay.test"])
        assert connection.changes == []
        assert connection.sender == "<>", "nothing proves the literal"


def test_rate_limit_is_reported_for_every_recipient(tmp_path):
    many = [f"x{number}@peer.test" for number in range(5)]
    with (
        MilterDaemon(tmp_path, max_user_send_per_minute=1, max_user_send_burst_size=2) as daemon,
        Connection(daemon.socket) as connection,
    ):
        # A message without recipients does not count: Postfix has not compared sender and login
        # yet.
        for _ in range(5):
            connection.mail(f"<{USER}>", USER)
            connection.abort()
        for _ in range(2):
            connection.message(encrypted(), USER, many, USER)
        connection.mail(f"<{USER}>", USER)
        for recipient in many:
            with pytest.raises(Reply) as refusal:
                connection.recipient(f"<{recipient}>")
            assert refusal.value.code == 450
            assert refusal.value.text == f"4.7.1: Too much mail from <{USER}>"
        connection.abort()
        with pytest.raises(Reply) as refusal:
            connection.message(encrypted(), USER, many, USER)
        assert refusal.value.code == 450
        assert daemon.log().count("out refused: rate-limit") == 2


def test_many_messages_on_one_connection(daemon):
    with Connection(daemon.socket) as connection:
        for number in range(50):
            if number % 3 == 2:
                with pytest.raises(Reply) as refusal:
                    connection.message(messages.cleartext(USER, PEER), USER, [PEER], USER)
                assert refusal.value.code == 523
            else:
                connection.message(encrypted(), USER, [PEER], USER)


def test_no_refusal_outlives_its_message(daemon):
    """Wherever the refusal is decided, and also if the server aborts the message."""
    many = [f"x{number}@peer.test" for number in range(1001)]
    second = f"From: <{PEER}>\r\n".encode()
    refused = [
        (452, encrypted(), many),
        (500, second + encrypted(), [PEER]),
        (523, messages.cleartext(USER, PEER), [PEER]),
        (523, encrypted() + b"more\r\n", [PEER]),
        (523, encrypted() + b"more", [PEER]),
    ]
    with Connection(daemon.socket) as connection:
        for code, message, recipients in refused:
            with pytest.raises(Reply) as refusal:
                connection.message(message, USER, recipients, USER)
            assert refusal.value.code == code
            connection.message(encrypted(), USER, [PEER], USER)
        connection.mail(f"<{USER}>", USER)
        connection.header(b"From", b" <a@b.test>")
        connection.header(b"From", b" <a@b.test>")
        connection.abort()
        connection.message(encrypted(), USER, [PEER], USER)


def test_mail_server_that_wants_every_reply(daemon):
    with Connection(daemon.socket, steps=STEPS & ~(NR_HDR | NR_RCPT | NR_BODY)) as connection:
        assert not connection.steps & (NR_HDR | NR_RCPT | NR_BODY)
        for _ in range(3):
            connection.message(encrypted(200_000), USER, [PEER], USER)
            with pytest.raises(Reply) as refusal:
                connection.message(encrypted() + b"more", USER, [PEER], USER)
            assert refusal.value.code == 523


@pytest.mark.parametrize("stage", ["header", "end of headers", "body", "end of message"])
def test_event_without_a_message_is_not_accepted(daemon, stage):
    with Connection(daemon.socket) as connection:
        connection.mail(f"<{USER}>", USER)
        connection.abort()
        with pytest.raises((Reply, ConnectionError, socket.timeout)):
            connection.socket.settimeout(1)
            if stage == "header":
                connection.header(b"From", b" <a@b.test>")
                connection.end_of_headers()
            elif stage == "end of headers":
                connection.end_of_headers()
            elif stage == "body":
                connection.body(b"hello\r\n")
                connection.end_of_message()
            else:
                connection.end_of_message()
    assert send(daemon)[0] == 250


GARBAGE = {
    "nothing": b"",
    "zeros": bytes(64),
    "a huge length": struct.pack(">I", 0xFFFFFFFF) + b"O",
    "a length and no more": struct.pack(">I", 100),
    "an unknown command": struct.pack(">I", 1) + b"Z",
    "text": b"EHLO relay.test\r\n" * 10,
    "random": os.urandom(4096),
    "negotiation cut short": struct.pack(">I", 5) + b"O" + bytes(4),
    "MAIL FROM without its end": struct.pack(">I", 3) + b"M<a",
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_random_bytes(daemon, kind):
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(daemon.socket))
        raw.sendall(GARBAGE[kind])
        raw.shutdown(socket.SHUT_WR)
        raw.settimeout(30)
        try:
            while raw.recv(4096):
                pass
        except ConnectionResetError:
            pass
    assert send(daemon)[0] == 250


@pytest.mark.parametrize("command", [b"M", b"R", b"L", b"D", b"B", b"C", b"H"])
def test_malformed_event_after_negotiation(daemon, command):
    """Strings without their NUL, and empty ones."""
    for data in (b"", b"x", b"\0", b"x\0y", b"M"):
        with Connection(daemon.socket) as connection:
            if command not in (b"M", b"D"):
                connection.mail(f"<{USER}>", USER)
            connection.send(command, data)
            connection.socket.shutdown(socket.SHUT_WR)
            try:
                while connection.socket.recv(4096):
                    pass
            except ConnectionResetError:
                pass
    assert send(daemon)[0] == 250


def crash_by_macros(daemon):
    """Sends macro packets without the last value, until libmilter dies of one or has survived
    200."""
    for _ in range(200):
        try:
            with Connection(daemon.socket, timeout=5) as connection:
                connection.send(b"D", b"M{a}\0b\0{c}\0")
                connection.send(b"M", f"<{PEER}>\0".encode())
                connection.socket.recv(100)
        except OSError:
            if daemon.process.poll() is not None:
                return


def test_macro_packets_with_an_odd_number_of_strings(daemon):
    """libmilter 8.17 reads past its list of macros. Clients cannot send them, only Postfix's group
    can. The next milter, which a supervisor starts, takes over the socket of the dead one."""
    crash_by_macros(daemon)
    if daemon.process.poll() is not None:
        assert daemon.process.returncode == -signal.SIGSEGV
        daemon.start()
    assert send(daemon)[0] == 250


def test_percent_sign_in_a_reply(daemon):
    """Sendmail treats replies as formats, so libmilter requires doubled percent signs."""
    sender = "b%s%n1@relay.test"
    with Connection(daemon.socket) as connection:
        connection.mail(f"<{sender}>", sender)
        connection.recipient(f"<{PEER}>")
        connection.header(b"From", b" <other%d@relay.test>")
        connection.macros(b"N", {"i": "1"})
        connection.send(b"N")
        command, data = connection.receive()
    assert command == b"y"
    assert data == b"500 Invalid FROM <other%%d@relay.test> for <b%%s%%n1@relay.test>\0"


@pytest.mark.parametrize("sender", ["b" * 4000, "%" * 1500, "b" * 500 + "@relay.test", "\x01\x7f\n"])
def test_reply_to_an_unusual_sender(daemon, sender):
    """Longer than a reply may be, or with bytes that are forbidden in a reply."""
    with Connection(daemon.socket) as connection:
        with pytest.raises(Reply) as refusal:
            connection.mail(f"<{sender}>", sender)
        assert refusal.value.code == 500
        assert len(refusal.value.text) < 980
        assert refusal.value.text.isprintable()
        connection.message(encrypted(), USER, [PEER], USER)


def test_internationalized_addresses(daemon):
    """No account has such an address; a recipient may. Replies and the log never contain one."""
    sender = "b\u00fcro1@relay.test"
    message = messages.encrypted(USER, PEER).replace(USER.encode(), sender.encode())
    code, text, log = daemon.judge(message, sender, [PEER], sender)
    assert code == 500 and text.isascii()
    assert "b\u00fcro1" not in log
    assert daemon.judge(encrypted(), USER, ["\u00e4@peer.test"], USER)[0] == 250


def test_large_message(daemon):
    assert send(daemon, encrypted(25_000_000))[0] == 250


# --- Many connections -----------------------------------------------------------------------------


def test_many_connections_at_once(daemon):
    """Each connection is in the middle of a message; there are more than select() supports."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    connections = []
    try:
        for _ in range(1100):
            connection = Connection(daemon.socket)
            connections.append((connection, begin(connection, encrypted())))
        for connection, rest in connections:
            finish(connection, rest)
        # The same once more, from several threads.
        failures = []

        def again(part):
            for connection, _ in part:
                try:
                    connection.message(encrypted(), USER, [PEER], USER)
                except (Reply, OSError) as trouble:
                    failures.append(trouble)

        threads = [
            threading.Thread(target=again, args=(connections[start::8],)) for start in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
    finally:
        for connection, _ in connections:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
