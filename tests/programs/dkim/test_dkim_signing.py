"""Signatures of chatmail-milter, checked by four verifiers: dkimpy, OpenDKIM, rspamd and our own.

CHATMAIL_SIGNED_MESSAGES sets the number of messages; the default is small."""

import base64
import contextlib
import json
import os
import random
import signal
import subprocess
import urllib.request

import dkim
import pytest

from support.dkim_signer import RsaKey, record
from support.dns import DnsServer
from support.messages import cleartext, encrypted
from support.milter import Connection, Reply, split_header
from support.milter_daemon import MilterDaemon
from support.ports import free_ports
from support.wait import eventually

MESSAGES = int(os.environ.get("CHATMAIL_SIGNED_MESSAGES", "200"))
DOMAIN, USER, PEER = "relay.test", "alice@relay.test", "bob@peer.test"
LINE_MAX = 998
BOUNCE = ("127.0.0.1", 0)  # the client that Postfix invents for its own mail
ED25519_PREFIX = bytes.fromhex("302e020100300506032b657004220420")


def write_keys(directory, rsa, ed25519=None):
    directory.mkdir(exist_ok=True)
    (directory / "opendkim.private").write_bytes(rsa.pem)
    if ed25519 is not None:
        text = base64.encodebytes(ED25519_PREFIX + bytes(ed25519.key)).decode()
        (directory / "opendkim-ed25519.private").write_text(
            f"-----BEGIN PRIVATE KEY-----\n{text}-----END PRIVATE KEY-----\n"
        )


@pytest.fixture(scope="module")
def keys(tmp_path_factory, rsa, ed25519):
    directory = tmp_path_factory.mktemp("keys")
    write_keys(directory, rsa, ed25519)
    return directory


@pytest.fixture(scope="module")
def records(rsa, ed25519):
    return {
        f"opendkim._domainkey.{DOMAIN}": record(rsa),
        f"opendkim-ed25519._domainkey.{DOMAIN}": record(ed25519),
    }


@pytest.fixture(scope="module")
def signing(tmp_path_factory, keys):
    daemon = MilterDaemon(
        tmp_path_factory.mktemp("signing"),
        dkim_signing="milter",
        dkim_keys_dir=keys,
        max_user_send_burst_size=1000,
    )
    with daemon:
        yield daemon


def signatures(connection, message, sender, login=None):
    """The fields that the milter inserts at the top, topmost first."""
    connection.inserted = []
    connection.message(message, sender, [PEER], login)
    return [field + b"\r\n" for field in reversed(connection.inserted)]


def sign_bounce(connection, message):
    """A message in the name of Postfix itself, whose content is not restricted."""
    connection.inserted = []
    connection.mail("<>", extra={"{daemon_name}": "ORIGINATING"})
    connection.recipient(f"<{PEER}>")
    connection.headers(message)
    connection.body(message.partition(b"\r\n\r\n")[2])
    connection.end_of_message()
    return [field + b"\r\n" for field in reversed(connection.inserted)]


def as_postfix_sends(message):
    """Breaks long lines like Postfix's SMTP client."""
    lines = []
    for line in message.split(b"\r\n"):
        while len(line) > LINE_MAX:
            lines.append(line[:LINE_MAX])
            line = b" " + line[LINE_MAX:]
        lines.append(line)
    return b"\r\n".join(lines)


# --- Messages -------------------------------------------------------------------------------------

NAMES = (
    "To Cc Reply-To Date Message-ID In-Reply-To References Autocrypt Chat-Version List-Id "
    "Resent-From Resent-To Sender X-Other MIME-Version Content-Type Subject"
).split()


def text(chance, length):
    """Words, blanks and all bytes except line ends and NUL."""
    alphabet = bytes(chance.choice((b"abcdefghij \t", b"ab=;:<>@\"() ", bytes(range(0x20, 0x100)))))
    return bytes(chance.choice(alphabet) for _ in range(length))


def field(chance, name):
    length = chance.choice((0, 1, 20, 70, 200, chance.randint(985, 1005), 2100))
    value = text(chance, length)
    folds = []
    while chance.random() < 0.4 and len(value) > 10:
        cut = chance.randint(1, len(value) - 1)
        folds.append(value[:cut])
        value = chance.choice((b" ", b"\t", b" \t ")) + b"x" + value[cut:]
    folds.append(value)
    return name.encode() + b":" + chance.choice((b" ", b"", b"  ")) + b"\r\n".join(folds) + b"\r\n"


def body(chance):
    lines = []
    for _ in range(chance.choice((0, 0, 1, 5, 40))):
        kind = chance.random()
        if kind < 0.2:
            lines.append(b"")
        elif kind < 0.3:
            lines.append(text(chance, chance.randint(990, 3100)))
        elif kind < 0.4:
            lines.append(b"." + text(chance, 5) + chance.choice((b"", b" ", b"\t ")))
        else:
            lines.append(text(chance, chance.randint(1, 90)))
    lines += [b""] * chance.choice((0, 0, 1, 3))
    return b"".join(line + b"\r\n" for line in lines)


def has_field_twice(message):
    names = [name.lower() for name, _ in split_header(message)[0]]
    return len(set(names)) < len(names)


def any_message(seed):
    chance = random.Random(seed)
    names = [name for name in NAMES if chance.random() < 0.5]
    names += names[: chance.choice((0, 0, 0, 2))]
    fields = [f"From: <MAILER-DAEMON@{DOMAIN}>\r\n".encode()]
    fields += [field(chance, name) for name in names]
    chance.shuffle(fields)
    return b"".join(fields) + b"\r\n" + body(chance)


# --- Verifiers ------------------------------------------------------------------------------------


def dkimpy_says(records, message):
    def look_up(name, timeout=5):
        return records.get(name.decode().rstrip("."), "").encode()

    return dkim.verify(message, dnsfunc=look_up)


class OpenDkimVerifier:
    def __init__(self, directory, records):
        data = directory / "records"
        data.write_text("".join(f"{name} {text}\n" for name, text in records.items()))
        self.socket = directory / "opendkim.sock"
        configuration = directory / "opendkim.conf"
        configuration.write_text(
            f"Mode v\nSocket local:{self.socket}\nTestDNSData file:{data}\n"
            "AlwaysAddARHeader yes\nAuthservID verifier.test\nSyslog no\n"
        )
        self.process = subprocess.Popen(["opendkim", "-f", "-x", configuration])
        eventually(self.socket.exists)

    def says(self, message):
        with Connection(self.socket, client=("192.0.2.1", 40000)) as connection:
            connection.inserted = []
            connection.message(message, USER, [PEER])
            [result] = [field for field in connection.inserted if b"verifier.test" in field]
        return b"dkim=pass" in result and b"dkim=fail" not in result

    def stop(self):
        # OpenDKIM checks for signals only every five seconds.
        self.process.kill()
        self.process.wait()


RSPAMD = """
options {{
  pidfile = "{directory}/pid"; tempdir = "{directory}"; control_socket = "{directory}/control";
  url_tld = "{directory}/domains"; hs_cache_dir = "{directory}"; filters = "dkim";
  dns {{ nameserver = ["127.0.0.1:{dns}"]; }}
}}
logging {{ type = "file"; filename = "{directory}/log"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
dkim {{ }}
"""


class RspamdVerifier:
    def __init__(self, directory, dns):
        (directory / "domains").write_text("test\n")
        [self.port] = free_ports(1)
        configuration = directory / "rspamd.conf"
        configuration.write_text(RSPAMD.format(directory=directory, dns=dns.port, port=self.port))
        self.process = subprocess.Popen(["rspamd", "-f", "-i", "-c", configuration])
        eventually(self.answers, timeout=120)  # rspamd first compiles patterns

    def answers(self):
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=10)

    def says(self, message):
        url = f"http://127.0.0.1:{self.port}/checkv2"
        with urllib.request.urlopen(url, data=message, timeout=60) as answer:
            symbols = json.load(answer)["symbols"]
        return "R_DKIM_ALLOW" in symbols and "R_DKIM_REJECT" not in symbols

    def stop(self):
        self.process.terminate()
        self.process.wait()


@pytest.fixture(scope="module")
def dns(records):
    server = DnsServer()
    for name, text in records.items():
        server.txt(name, text)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def opendkim(tmp_path_factory, records):
    verifier = OpenDkimVerifier(tmp_path_factory.mktemp("opendkim"), records)
    yield verifier
    verifier.stop()


@pytest.fixture(scope="module")
def rspamd(tmp_path_factory, dns):
    verifier = RspamdVerifier(tmp_path_factory.mktemp("rspamd"), dns)
    yield verifier
    verifier.stop()


@pytest.fixture(scope="module")
def receiving(tmp_path_factory, dns):
    """Another relay; one of its users accepts any message with a valid signature."""
    directory = tmp_path_factory.mktemp("receiving")
    daemon = MilterDaemon(directory, mail_domain="peer.test", resolver=dns.resolver)
    mailbox = daemon.mailboxes / PEER
    mailbox.mkdir(parents=True)
    (mailbox / "password").write_text("{PLAIN}x")
    with daemon:
        yield daemon


def our_verdict(daemon, message):
    return daemon.judge(message, f"MAILER-DAEMON@{DOMAIN}", [PEER])


# --- Tests ----------------------------------------------------------------------------------------


def test_signature_of_any_message_is_valid(signing, records, opendkim, rspamd, receiving):
    with Connection(signing.socket, client=BOUNCE) as connection:
        for seed in range(MESSAGES):
            message = any_message(seed)
            top = sign_bounce(connection, message)
            assert len(top) == 2
            leaves = as_postfix_sends(message)
            for signature in top:
                assert dkimpy_says(records, signature + leaves), f"dkimpy: message {seed}"
            assert opendkim.says(b"".join(top) + leaves), f"OpenDKIM: message {seed}"
            for signature in top:
                # rspamd 3.4 rejects a signature that oversigns a field which is there twice.
                twice = has_field_twice(message)
                assert twice or rspamd.says(signature + leaves), f"rspamd: message {seed}"
                # Our reader checks DKIM also for messages that it refuses for another reason.
                code, _, log = our_verdict(receiving, signature + leaves)
                assert code == 250 or "DKIM: valid" in log or "DKIM" not in log, f"{seed}: {log}"


def test_outgoing_mail_is_signed(signing, records, receiving):
    with Connection(signing.socket) as connection:
        for _ in range(20):
            message = encrypted(USER, PEER)
            top = signatures(connection, message, USER, USER)
            assert [b"a=rsa-sha256" in top[0], b"a=ed25519-sha256" in top[1]] == [True, True]
            for signature in top:
                assert dkimpy_says(records, signature + message)
                assert receiving.judge(signature + message, USER, [PEER])[0] == 250


def test_refused_and_incoming_mail_is_not_signed(signing):
    with Connection(signing.socket) as connection:
        with pytest.raises(Reply):
            signatures(connection, cleartext(USER, PEER), USER, USER)
        assert connection.inserted == []
        with pytest.raises(Reply):
            signatures(connection, encrypted("x@peer.test", USER), "x@peer.test")
        assert connection.inserted == []


@pytest.mark.parametrize(
    "client, daemon",
    [
        (("127.0.0.1", 0), "INCOMING"),
        (("127.0.0.1", 40000), "ORIGINATING"),
        (("192.0.2.1", 0), "ORIGINATING"),
    ],
)
def test_only_postfix_itself_creates_bounces(signing, client, daemon):
    message = cleartext(f"MAILER-DAEMON@{DOMAIN}", PEER)
    with Connection(signing.socket, client=client) as connection, pytest.raises(Reply):
        connection.mail("<>", extra={"{daemon_name}": daemon})
        connection.recipient(f"<{PEER}>")
        connection.headers(message)
        connection.body(message.partition(b"\r\n\r\n")[2])
        connection.end_of_message()


# --- The key --------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path):
    return MilterDaemon(tmp_path, dkim_signing="milter", dkim_keys_dir=tmp_path / "keys")


def selectors(daemon):
    with Connection(daemon.socket) as connection:
        top = signatures(connection, encrypted(USER, PEER), USER, USER)
    return [b"".join(field.split()).split(b"s=")[1].split(b";")[0].decode() for field in top]


def reload(daemon, said):
    daemon.process.send_signal(signal.SIGHUP)
    eventually(lambda: said in daemon.log())


def test_without_a_key_no_message_leaves(own, rsa):
    with own:
        assert "outgoing mail is refused without a DKIM key" in own.log()
        assert "opendkim.private: No such file or directory" in own.log()
        assert own.judge(encrypted(USER, PEER), USER, [PEER], USER)[0] == 451
        # Incoming mail does not need the key.
        assert own.judge(encrypted("x@peer.test", USER), "x@peer.test", [USER])[0] == 554
        write_keys(own.directory / "keys", rsa)
        reload(own, "configuration read again")
        assert selectors(own) == ["opendkim"]


def test_key_is_read_again_at_reload(own, rsa, ed25519):
    write_keys(own.directory / "keys", rsa)
    with own:
        assert selectors(own) == ["opendkim"]
        write_keys(own.directory / "keys", RsaKey(), ed25519)
        reload(own, "configuration read again")
        assert selectors(own) == ["opendkim", "opendkim-ed25519"]
        (own.directory / "keys" / "opendkim.private").write_text("broken\n")
        reload(own, "the DKIM key stays as it was")
        assert selectors(own) == ["opendkim", "opendkim-ed25519"]


def test_key_that_only_root_may_read(own, rsa):
    """As on upstream's relays: the milter reads the key before it drops privileges, and keeps it
    at SIGHUP."""
    keys = own.directory / "keys"
    write_keys(keys, rsa)
    keys.chmod(0o700)
    (keys / "opendkim.private").chmod(0o600)
    for path in (own.directory, own.mailboxes):
        path.chmod(0o777)
    own.command = lambda *options: [
        *MilterDaemon.command(own, *options)[:-1], "nobody",
    ]  # fmt: skip
    for parent in own.directory.parents:
        if parent.stat().st_mode & 0o001 == 0:
            parent.chmod(parent.stat().st_mode | 0o011)
    with own:
        assert "DKIM key" not in own.log()
        assert selectors(own) == ["opendkim"]
        reload(own, "the DKIM key stays as it was")
        assert "Permission denied" in own.log()
        assert selectors(own) == ["opendkim"]


def test_key_as_a_credential_of_systemd(own, rsa, tmp_path, monkeypatch):
    write_keys(tmp_path / "credentials", rsa)
    (tmp_path / "credentials/opendkim.private").rename(tmp_path / "credentials/dkim_opendkim.private")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    with own:
        assert selectors(own) == ["opendkim"]
