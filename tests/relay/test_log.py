"""chatmailctl log: what the servers of a live relay logged, and a hostile log."""

import gzip
import json
import os
import re
import resource
import subprocess
import time

import pytest

from support.manual import block
from support.messages import encrypted
from support.relay import Relay, queue_id
from support.wait import eventually

FILES = [f"/var/log/{name}.log" for name in ("mail", "dovecot", "milter", "transport", "nginx")]


@pytest.fixture(scope="module")
def relay(stages, dns):
    """Nothing leaves: its relay host does not answer."""
    with Relay(
        stages, settings={"relayhost": "[127.0.0.1]:1"}, ini={"resolver": dns.resolver}
    ) as relay:
        yield relay


def log(relay, *words, files=FILES, status=0):
    named = [word for file in files for word in ("--file", file)]
    done = relay.inside("chatmailctl", "log", *named, *words, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout


def lines(relay, *words, **how):
    return [json.loads(line) for line in log(relay, *words, "--json", **how).splitlines()]


def programs(found):
    return {line["program"] for line in found}


@pytest.fixture(scope="module")
def traffic(relay):
    """Accounts, and the queue IDs of a delivered, a half delivered and a refused message."""
    sender, one, other = (relay.registered() for _ in range(3))

    def send(*recipients):
        code, text = relay.send(sender, list(recipients), encrypted(sender.address, recipients[0]))
        assert code == 250
        return queue_id(text)

    delivered = send(one.address, other.address)
    deferred = send(one.address, "somebody@elsewhere.test")
    cleartext = f"From: {sender.address}\r\nTo: {one.address}\r\n\r\nhello\r\n".encode()
    assert relay.send(sender, one.address, cleartext)[0] == 523
    relay.settle()
    eventually(lambda: "refused: not-encrypted" in relay.log("milter"))
    refused = next(
        line.split()[2].rstrip(":") for line in relay.log("milter").splitlines() if "not-encrypted" in line
    )
    return (sender, one, other), delivered, deferred, refused


def test_names_nobody(relay, traffic):
    text = log(relay)
    assert {"postfix/smtps/smtpd", "postfix/qmgr", "dovecot/lmtp", "dovecot/imap-login", "chatmail-milter",
            "chatmail-transport"} <= programs(lines(relay))  # fmt: skip
    for account in traffic[0]:
        assert account.name not in text
    for secret in ("127.0.0.1", "client.test", "somebody", "localhost>"):
        assert secret not in text
    assert traffic[0][0].address in log(relay, "--addresses")
    times = [line["time"] for line in lines(relay)]
    assert times == sorted(times)


def test_the_manual_finds_a_refused_message(relay, traffic):
    """By its sender, then by its queue ID; the last line is the reason."""
    (sender, *_), *_, refused = traffic
    find, follow = block("chatmailctl log --since 3h").splitlines()
    options = " ".join(f"--file {file}" for file in FILES)

    def run(command):
        command = command.partition("   #")[0].replace("chatmailctl log", f"chatmailctl log {options}")
        return relay.inside("sh", "-c", command).stdout

    assert refused in run(find.replace("alice1234@relay.example", sender.address.upper()))
    assert "refused: not-encrypted" in run(re.sub(r"(?<=--message )\S+", refused, follow))


def test_one_delivered_message(relay, traffic):
    """From the client to the mailboxes, by the queue ID and the sessions of LMTP; nothing else."""
    found = lines(relay, "--message", traffic[1])
    assert {"postfix/smtps/smtpd", "postfix/cleanup", "postfix/qmgr", "postfix/lmtp", "dovecot/lmtp"} == programs(
        found
    )
    saved = [line["text"] for line in found if line["program"] == "dovecot/lmtp"]
    assert len(saved) == 2 and all("saved mail to INBOX" in text for text in saved)
    postfix = [line["text"] for line in found if line["program"].startswith("postfix")]
    assert all(text.startswith(traffic[1]) for text in postfix)


def test_the_same_message_by_its_message_id(relay, traffic):
    line = next(line for line in relay.log("mail").splitlines() if f"{traffic[1]}: message-id=" in line)
    message_id = line.partition("message-id=")[2]
    assert lines(relay, "--message", message_id) == lines(relay, "--message", traffic[1])


def test_a_refused_message(relay, traffic):
    found = lines(relay, "--message", traffic[3])
    milter = [line["text"] for line in found if line["program"] == "chatmail-milter"]
    assert milter == [f"{traffic[3]}: out refused: not-encrypted 523: no Content-Type header"]
    assert any("milter-reject" in line["text"] for line in found)


def test_errors_are_what_failed(relay, traffic):
    found = lines(relay, "--errors", "--program", "postfix")
    assert found and all(
        "status=deferred" in line["text"] or line["level"] != "info" for line in found
    )
    assert any(line["text"].startswith(traffic[2]) for line in found)


def test_one_program(relay, traffic):
    assert programs(lines(relay, "--program", "milter")) == {"chatmail-milter"}
    assert programs(lines(relay, "--program", "dovecot/lmtp")) == {"dovecot/lmtp"}
    assert programs(lines(relay, "--program", "smtpd")) == {"postfix/smtps/smtpd"}


def test_a_time(relay, traffic):
    assert lines(relay, "--since", "2000-01-01", "--until", "2000-01-02 12:00", status=1) == []
    assert lines(relay, "--since", "2000-01-01") == lines(relay)


def test_the_log_of_a_machine_without_systemd(relay, traffic):
    """Without --file: /var/log/mail.log, and nginx's."""
    found = lines(relay, files=())
    assert "postfix/qmgr" in programs(found) and "dovecot/lmtp" not in programs(found)


def test_nothing_is_known_of_a_message(relay, traffic):
    assert log(relay, "--message", "0123456789AB", status=1) == ""


def test_followed_live(relay, traffic):
    """Also from a file to the one that takes its place."""
    named = [word for file in FILES for word in ("--file", file)]
    output = relay.directory / "followed"
    with open(output, "w") as stream:
        # Enters the relay and becomes chatmailctl.
        reader = subprocess.Popen(
            ["packaging/private-relay", "exec", relay.home, "chatmailctl", "log", "--follow", "--json", *named],
            stdout=stream,
            cwd=os.path.dirname(os.path.dirname(os.path.dirname(__file__))),
        )
    try:
        sender = traffic[0][0]
        code, text = relay.send(sender, sender.address, encrypted(sender.address, sender.address))
        assert code == 250
        eventually(lambda: f"{queue_id(text)}: removed" in output.read_text())
        milter = relay.path("/var/log/milter.log")
        milter.rename(milter.with_suffix(".log.1"))
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        milter.write_text(f"{stamp} chatmail-milter[1]: after the rotation\n")
        eventually(lambda: "after the rotation" in output.read_text())
        assert reader.poll() is None
    finally:
        reader.kill()
        reader.wait()
        milter.with_suffix(".log.1").rename(milter)


def stamped(text, age=0):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - age)) + " relay " + text + "\n"


def test_rotated_files(relay):
    directory = relay.path("/var/log/old.log").parent
    (directory / "old.log").write_text(stamped("postfix/qmgr[1]: third"))
    (directory / "old.log.1").write_text(stamped("postfix/qmgr[1]: second", 60))
    with gzip.open(directory / "old.log.2.gz", "wt") as file:
        file.write(stamped("postfix/qmgr[1]: first", 120))
    now = time.time()
    os.utime(directory / "old.log.1", (now - 50, now - 50))
    os.utime(directory / "old.log.2.gz", (now - 110, now - 110))
    found = lines(relay, files=["/var/log/old.log"])
    assert [line["text"] for line in found] == ["first", "second", "third"]
    found = lines(relay, "--since", "30s", files=["/var/log/old.log"])
    assert [line["text"] for line in found] == ["third"]


def test_a_hostile_log(relay):
    """Control characters, endless lines, NULs, lines that forge others: memory stays bounded."""
    path = relay.path("/var/log/hostile.log")
    with open(path, "wb") as file:
        file.write(stamped("postfix/smtpd[1]: helo=<\x1b[2J\x9b31m\u202e\x07>").encode())
        file.write(stamped("postfix/smtpd[1]: before").encode())
        for _ in range(256):
            file.write(os.urandom(1 << 20).replace(b"\n", b"x"))
        file.write(b"\n\0\0\0\n")
        file.write(stamped("postfix/smtpd[1]: " + "A" * 10000).encode())
        file.write(stamped("postfix/smtpd[1]: " + "a@b" * 1300).encode())
        file.write(stamped("postfix/smtpd[1]: after").encode())
    limit = 64 << 20

    def bounded():
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    done = relay.inside(
        "chatmailctl", "log", "--file", "/var/log/hostile.log", text=False, preexec_fn=bounded
    )
    assert all(byte == 0x0A or 0x20 <= byte < 0x7F for byte in done.stdout)
    text = done.stdout.decode().splitlines()
    assert [line.partition(": ")[2] for line in (text[1], text[-1])] == ["before", "after"]
    assert len(text) == 5 and max(map(len, text)) < 4200 and text[2].endswith("AAA...")
    assert "a@b" not in done.stdout.decode()
    path.unlink()


@pytest.mark.parametrize(
    "words, why",
    [
        (["--since", "yesterday"], "neither an age"),
        (["--since", "5"], "neither an age"),
        (["--message", "x"], "neither a queue ID nor a Message-ID"),
        (["--follow", "--until", "1h"], "not both"),
        (["--file", "/var/log/there-is-none"], "No such file"),
        (["--file", "/var/log"], "Is a directory"),
        (["extra"], "unexpected argument"),
    ],
)
def test_refusals(relay, words, why):
    done = relay.inside("chatmailctl", "log", *words, check=False)
    assert done.returncode == 2 and done.stdout == "" and why in done.stderr
