"""Calls: coturn with the configuration of `chatmailctl config`, and credentials from METADATA."""

import base64
import contextlib
import hashlib
import hmac
import itertools
import socket
import string
import subprocess
import time
from pathlib import Path

import pytest

from support.imap import get_metadata
from support.namespace import OwnRelay
from support.network import network_of
from support.tree import SOURCE
from support.wait import eventually
from support.wire import Host, Wire

TURN = "/shared/vendor/deltachat/turn"
RELAY, RELAY6 = "192.0.2.1", "2001:db8::1"
CLIENT, PEER, PRIVATE = "192.0.2.2", "192.0.2.3", "10.9.9.9"
CLIENT6 = "2001:db8::2"
SECRET = "/etc/chatmail-turn.secret"


class World:
    """A relay with coturn, and a host with a client and its peer."""

    def __init__(self, stages):
        self.seconds = itertools.count(600, 100)
        self.server = Host(f"{RELAY}/24", f"{RELAY6}/64")
        self.client = Host(f"{CLIENT}/24", f"{PEER}/24", f"{PRIVATE}/24", f"{CLIENT6}/64")
        Wire(self.server, self.client)
        self.relay = OwnRelay(
            stages,
            self.server,
            ini={"turn_secret_file": SECRET, "turn_host": RELAY},
            without=["postfix", "milter", "nginx", "notifyd", "httpd"],
        )
        self.relay.settings["listen"] = ""

    def stop(self):
        self.relay.stop()
        self.server.stop()
        self.client.stop()

    def metadata(self):
        """Host, port, user name and password, as a client reads them."""
        with network_of(self.server.process.pid):
            client = self.relay.imap(self.relay.registered())
            value = get_metadata(client, "", [TURN])[TURN]
            client.logout()
        return value.split(":")

    def login(self, until=None):
        """Credentials that are valid until then, or unlimited ones with their own quota."""
        if until is None:
            until = time.time() + next(self.seconds)
        secret = self.relay.path(SECRET).read_text().strip()
        digest = hmac.new(secret.encode(), str(int(until)).encode(), hashlib.sha1).digest()
        return str(int(until)), base64.b64encode(digest).decode()

    def relays(self, login, peer, *options, server=RELAY):
        """True if coturn relays five packets to a peer and back; otherwise its error."""
        command = ["turnutils_uclient", "-v", "-c", "-n", 5, "-m", 1, "-l", 100, "-r", 3480]
        command += ["-u", login[0], "-w", login[1], "-e", peer, *options, server]
        done = subprocess.run(
            self.client.command(*command), capture_output=True, text=True, timeout=300, check=False
        )
        output = done.stdout + done.stderr
        if done.returncode == 0 and "Total lost packets 0 " in output:
            return True
        return output[-1000:]

    def probe(self):
        """The finding of `chatmailctl status`: (good, lines)."""
        done = self.relay.inside(
            self.relay.stages.dovecot.build / "tests/programs/turn_probe", "/etc/chatmail.ini",
            check=False,
        )  # fmt: skip
        return done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def world(stages, tmp_path_factory):
    made = World(stages)
    made.relay.etc = tmp_path_factory.mktemp("etc")
    made.relay.etc.chmod(0o755)
    # Every character that the secret may have.
    secret = f"{string.ascii_letters}{string.digits}=+/._-=\n"
    (made.relay.etc / Path(SECRET).name).write_text(secret)
    made.relay.start()
    made.relay.start_service("turn")
    echo = subprocess.Popen(
        made.client.command("turnutils_peer", "-L", PEER, "-L", CLIENT6, "-L", PRIVATE, "-p", 3480),
        stdout=subprocess.DEVNULL,
    )
    yield made
    echo.kill()
    echo.wait()
    made.stop()


def test_relays_with_credentials_from_metadata(world):
    host, port, *login = world.metadata()
    assert (host, port) == (RELAY, "3478")
    assert world.relays(login, PEER) is True


@pytest.mark.parametrize("server", [RELAY, RELAY6])
def test_relays_over_ipv6(world, server):
    assert world.relays(world.login(), CLIENT6, "-x", server=server) is True


def test_other_credentials_are_refused(world):
    assert "Cannot complete Allocation" in world.relays(world.login(time.time() - 2), PEER)
    name, password = world.login()
    assert "Cannot complete Allocation" in world.relays((name, password[::-1]), PEER)
    assert "Cannot complete Allocation" in world.relays((str(int(name) + 1), password), PEER)


@pytest.mark.parametrize(
    "peer",
    [
        PRIVATE,
        RELAY,
        "127.0.0.1",
        "0.0.0.0",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "224.0.0.251",
        "255.255.255.255",
        RELAY6,
        "::",
        "::1",
        "::ffff:127.0.0.1",
        f"::ffff:{PRIVATE}",
        f"::ffff:{PEER}",
        "::127.0.0.1",
        "64:ff9b::a09:909",
        "2002:7f00:1::1",
        "fd00::1",
        "fe80::1",
        "ff02::1",
    ],
)
def test_private_peers_are_refused(world, peer):
    options = ["-x"] if ":" in peer else []
    assert "error 403 (Forbidden IP)" in world.relays(world.login(), peer, *options)


def test_credentials_have_a_quota(world):
    # The last -m counts; each client has two addresses.
    output = world.relays(world.login(), PEER, "-m", 30)
    assert "error 486" in output


def test_only_udp_is_offered(world):
    with network_of(world.server.process.pid):
        for port in (3478, 5349, 5766, 8080):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))


def test_the_log_contains_no_address(world):
    assert world.relays(world.login(), PEER) is True
    texts = [path.read_text(errors="replace") for path in (world.relay.home / "log").iterdir()
             if path.is_file() and "turn" in path.name]  # fmt: skip
    assert texts
    assert not any(CLIENT in text or PEER in text for text in texts)


def test_the_secret_is_not_shown(world):
    secret = world.relay.path(SECRET).read_text().strip()
    file = world.relay.path("/etc/turnserver.conf")
    assert secret in file.read_text()
    assert file.stat().st_mode & 0o007 == 0
    output = world.relay.inside("chatmailctl", "config", "show", "coturn/turnserver.conf").stdout
    assert secret not in output and "static-auth-secret=SECRET" in output
    file.write_text(file.read_text().replace("fingerprint\n", "").replace("no-cli\n", ""))
    output = world.relay.inside("chatmailctl", "config", "diff", "/etc/turnserver.conf", check=False)
    assert secret not in output.stdout
    world.relay.path(SECRET).write_text("0123456789abcdef\n")
    try:
        output = world.relay.inside(
            "chatmailctl", "config", "diff", "/etc/turnserver.conf", check=False
        )
        assert "0123456789abcdef" not in output.stdout
        assert "+static-auth-secret=****************" in output.stdout
    finally:
        world.relay.path(SECRET).write_text(secret + "\n")


# --- The check of chatmailctl status


@contextlib.contextmanager
def other_server(world, *options):
    """Runs a coturn with these options instead of the configured one."""
    world.relay.stop_service("turn")
    server = subprocess.Popen(
        world.server.command("turnserver", "-n", "--log-file=stdout", "--realm=relay.test", "--no-cli",
                             "--pidfile=", "--no-tls", "--no-dtls", *options),
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        server.kill()
        server.wait()
        world.relay.start_service("turn")


def test_probe_of_a_working_server(world):
    assert world.probe() == (True, f"{RELAY}: good\n")


def test_probe_releases_its_address(world):
    def relayed():
        lines = subprocess.run(
            world.server.command("ss", "-Hlnu"), capture_output=True, text=True, check=True
        ).stdout.splitlines()
        return [line for line in lines if int(line.split()[3].rpartition(":")[2]) >= 49152]

    before = len(relayed())
    assert world.probe() == (True, f"{RELAY}: good\n")
    # Long before coturn itself would release it, after ten minutes.
    eventually(lambda: len(relayed()) <= before)


def test_probe_finds_no_server(world):
    world.relay.stop_service("turn")
    try:
        good, output = world.probe()
        assert not good and (": cannot connect" in output or ": no reply" in output)
    finally:
        world.relay.start_service("turn")


def test_probe_finds_another_secret(world):
    with other_server(world, "--use-auth-secret", "--static-auth-secret=other"):
        eventually(lambda: "refuses our login" in world.probe()[1])


def test_probe_finds_an_open_server(world):
    with other_server(world, "--no-auth"):
        eventually(lambda: "relays for everybody" in world.probe()[1])


def test_probe_finds_a_server_that_reaches_inside(world):
    secret = world.relay.path(SECRET).read_text().strip()
    options = ("--use-auth-secret", f"--static-auth-secret={secret}", "--allow-loopback-peers")
    with other_server(world, *options):
        eventually(lambda: "relays to 127.0.0.1" in world.probe()[1])


def test_probe_without_a_secret(world):
    path = world.relay.path(SECRET)
    text = path.read_text()
    path.unlink()
    try:
        good, output = world.probe()
        assert not good and output.startswith(f"turn_secret_file: {SECRET}: ")
    finally:
        path.write_text(text)


@pytest.mark.parametrize("secret", ["north by northwest", "=north"])
def test_values_that_the_template_refuses(tmp_path, stages, secret):
    """A secret that coturn would read differently is refused, not written."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/secret").write_text(f"{secret}\n")
    (tmp_path / "etc/chatmail.ini").write_text(
        "[params]\nmail_domain = relay.test\nturn_secret_file = /etc/secret\n"
    )
    program = stages.dovecot.build / "ctl/chatmailctl"
    done = subprocess.run(
        [program, "config", "diff", "--dovecot", "2.3", "--root", tmp_path, "--templates",
         SOURCE / "packaging/config", "/etc/turnserver.conf"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "must be of letters, digits" in done.stderr
