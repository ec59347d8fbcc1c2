"""swaks as a client and as a stranger, and SMTP smuggling between servers (CVE-2023-51764)."""

import socket
import subprocess

import pytest

from support.messages import encrypted
from support.relay import trusting

ENDS = (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n\0.\r\n", b"\n.\r", b"\r.\r\n")


def swaks(*words):
    return subprocess.run(
        ["swaks", "--timeout", "60", *words], capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def written(tmp_path, message):
    path = tmp_path / "message"
    path.write_bytes(message)
    return f"@{path}"


@pytest.mark.parametrize("tls", ["-tlsc", "-tls"])
def test_swaks_as_a_client(world, north, south, tmp_path, tls):
    alice, bob = north.registered(), south.registered()
    port = "465" if tls == "-tlsc" else "587"
    done = swaks(
        "--server", north.address, "--port", port, tls, "--auth", "PLAIN",
        "--auth-user", alice.address, "--auth-password", alice.password, "--from", alice.address,
        "--to", bob.address, "--data", written(tmp_path, encrypted(alice.address, bob.address)),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    south.messages(bob, timeout=60)


@pytest.mark.parametrize(
    "words, expected",
    [
        (["--from", "a@stock.example", "--to", "b@stock.example"], "530 5.7.0"),
        (["--from", "a@stock.example", "--to", "NOBODY"], "530 5.7.0"),
        (["-tls", "--from", "a@stock.example", "--to", "b@elsewhere.example"], "554 5.7.1"),
        (["-tls", "--from", "a@stock.example", "--to", "NOBODY"], "523 Encryption Needed"),
        (["-tls", "--from", "a@north.example", "--to", "NOBODY"], "523 Encryption Needed"),
        (["-tls", "--auth", "--auth-user", "a", "--auth-password", "b", "--to", "NOBODY"],
         "did not advertise authentication"),
    ],
)
def test_swaks_as_a_stranger(world, north, words, expected):
    nobody = north.account().address
    done = swaks("--server", north.address, *(nobody if w == "NOBODY" else w for w in words))
    assert done.returncode != 0
    assert expected.lower() in (done.stdout + done.stderr).lower(), done.stdout + done.stderr


@pytest.mark.parametrize("end", ENDS, ids=repr)
def test_no_message_is_smuggled(world, north, south, end):
    """Through north's submission to south: one message arrives, or none."""
    alice, bob, victim = north.registered(), south.registered(), south.registered()
    evil = f"MAIL FROM:<admin@north.example>\r\nRCPT TO:<{victim.address}>\r\nDATA\r\n".encode()
    evil += encrypted("admin@north.example", victim.address)
    body = encrypted(alice.address, bob.address) + b"x" + end + evil
    with north.submission(alice) as client:
        client.mail(alice.address)
        client.rcpt(bob.address)
        assert client.docmd("DATA")[0] == 354
        client.send(body + b"\r\n.\r\n")
        assert client.getreply()[0] // 100 in (4, 5)
    north.settle()
    assert south.fetch(victim) == []


@pytest.mark.parametrize("end", ENDS, ids=repr)
def test_no_message_is_smuggled_at_port_25(world, south, end):
    victim, bob = south.registered(), south.registered()
    sender = "x@[198.51.100.50]"
    evil = f"MAIL FROM:<{sender}>\r\nRCPT TO:<{victim.address}>\r\nDATA\r\n".encode()
    body = encrypted(sender, bob.address) + b"x" + end + evil + encrypted(sender, victim.address)
    with socket.create_connection((south.address, 25), 60) as connection:
        stream = connection.makefile("rwb")

        def say(line, stream):
            stream.write(line)
            stream.flush()
            return reply(stream)

        reply(stream)
        say(b"EHLO x.example\r\n", stream)
        say(b"STARTTLS\r\n", stream)
        with trusting().wrap_socket(connection) as secure:
            stream = secure.makefile("rwb")
            say(b"EHLO x.example\r\n", stream)
            say(f"MAIL FROM:<{sender}>\r\n".encode(), stream)
            say(f"RCPT TO:<{bob.address}>\r\n".encode(), stream)
            assert say(b"DATA\r\n", stream).startswith(b"354")
            # Text after the last part may be a mailing list's footer: it never becomes a message.
            assert say(body + b"\r\n.\r\n", stream)[:1] in (b"2", b"4", b"5")
    south.settle()
    assert south.fetch(victim) == []


def reply(stream):
    while (line := stream.readline())[3:4] == b"-":
        pass
    return line
