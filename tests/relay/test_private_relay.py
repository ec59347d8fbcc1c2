"""packaging/private-relay itself: it leaves nothing behind, and changes nothing on the machine."""

import contextlib
import os
import socket
import subprocess
from pathlib import Path

import pytest

from support.relay import LAUNCHER
from support.wait import eventually


def in_namespace(pid):
    """The processes in the PID namespace of pid."""
    wanted = os.readlink(f"/proc/{pid}/ns/pid")
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "ns" / "pid") == wanted:
                found.append(process.name)
        except OSError:
            continue
    return found


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_everything_dies_with_the_launcher(make_relay):
    relay = make_relay()
    inside = in_namespace((relay.home / "pid").read_text().strip())
    assert len(inside) > 10
    relay.process.kill()
    relay.process.wait()
    eventually(lambda: not any(Path("/proc", pid).exists() for pid in inside))
    assert not any(listening(port) for port in relay.ports.values())


def commands(relay):
    """The processes in the relay's namespaces."""
    running = []
    for pid in in_namespace((relay.home / "pid").read_text().strip()):
        with contextlib.suppress(OSError):
            running.append(Path("/proc", pid, "comm").read_text().strip())
    return running


@pytest.mark.parametrize(
    "service, children",
    [
        ("dovecot", {"imap-login", "imap", "auth", "log", "config", "stats", "lmtp"}),
        ("postfix", {"smtpd", "pickup", "qmgr", "tlsmgr", "cleanup"}),
    ],
)
def test_a_stopped_service_is_gone(make_relay, service, children):
    """A process that is still ending would accept the next client, and drop it."""
    relay = make_relay(without=["milter", "opendkim", "notifyd", "httpd"])
    for _ in range(3):
        with contextlib.ExitStack() as stack:
            account = relay.registered()
            clients = [relay.imap(account, select=True) for _ in range(3)]
            for client in clients:
                stack.callback(client.shutdown)
            stack.enter_context(relay.submission())
            assert children & set(commands(relay))
            relay.stop_service(service)
            assert not children & set(commands(relay))
            relay.start_service(service)


def test_paths_are_private(relay):
    inside = relay.inside("cat", "/etc/postfix/main.cf", "/etc/chatmail.ini").stdout
    assert "mydestination = relay.test" in inside
    assert not Path("/etc/chatmail.ini").exists()
    assert "relay.test" not in Path("/etc/postfix/main.cf").read_text()
    assert not Path("/home/vmail/mail/relay.test").exists()


@pytest.mark.parametrize(
    "load, listen, why",
    [
        ("x", "127.0.0.1", "max_load_1m = x: this must be a number"),
        ("5", "192.0.2.77", "no local interface found for 192.0.2.77"),
    ],
)
def test_a_failed_start_reports_why(tmp_path, stages, load, listen, why):
    ini = f"[params]\nmail_domain = relay.test\nmax_load_1m = {load}\n"
    (tmp_path / "chatmail.ini").write_text(ini)
    done = subprocess.run(
        [LAUNCHER, "run", tmp_path / "relay", "--stage", stages.programs,
         "--config", tmp_path / "chatmail.ini", "--set", f"listen={listen}"],
        capture_output=True, text=True, check=False, timeout=60,
    )
    assert done.returncode != 0
    assert why in done.stderr
    assert not (tmp_path / "relay" / "ready").exists()


def test_second_relay_in_one_directory_is_refused(relay, stages):
    done = subprocess.run(
        [LAUNCHER, "run", relay.home, "--stage", stages.programs,
         "--config", relay.directory / "chatmail.ini"],
        capture_output=True, text=True, check=False, timeout=60,
    )
    assert done.returncode != 0
    assert "a relay is already running here" in done.stderr
    relay.registered()
