"""Nobody makes chatmail-transport use more than it is meant to: strangers name domains, as Postfix
asks about a recipient before it rejects the sender."""

import contextlib
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from support.network import network_of
from support.transport import BODY, Lmtp, Transport
from support.wait import eventually


@contextlib.contextmanager
def stopped(process):
    """Inside the context, the process does nothing."""
    process.send_signal(signal.SIGSTOP)
    eventually(lambda: "\nState:\tT" in Path(f"/proc/{process.pid}/status").read_text(), interval=0.001)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def https_connections(process):
    """The number of connections to port 443. Sockets of DNS queries have a limit of their own."""
    proc = Path(f"/proc/{process.pid}")
    with stopped(process):
        inodes = {os.readlink(descriptor) for descriptor in (proc / "fd").iterdir()}
        lines = [line.split() for line in (proc / "net/tcp").read_text().splitlines()[1:]]
    return sum(line[2].endswith(":01BB") and f"socket:[{line[9]}]" in inodes for line in lines)


def test_few_domains_are_probed_at_a_time(transport, world):
    """All of them have a host that accepts connections and says nothing."""
    with network_of(world.process.pid):
        silent = socket.create_server(("127.0.0.7", 443), backlog=4096)
    with silent:
        most = 0
        for number in range(1500):
            assert transport.ask(f"b@{number}.many.test") == "NOTFOUND "
            most = max(most, https_connections(transport.process))
        assert 0 < most <= 200
        # The latest has precedence over those that wait.
        assert transport.ask("b@noted.test") == "NOTFOUND "
        eventually(lambda: "mx.noted.test" in [request["host"] for request in world.requests()])


def flood(transport, domain, count):
    """The map's replies about many domains below this one."""
    replies = []
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(transport.map))
        stream = client.makefile("rwb")
        for number in range(count):
            request = f"transport b@{number}.{domain}".encode()
            stream.write(b"%d:%s," % (len(request), request))
            stream.flush()
            size = b""
            while not size.endswith(b":"):
                size += stream.read(1)
            replies.append(stream.read(int(size[:-1]) + 1).decode())
    return replies


def test_a_flood_of_domains_makes_no_peer_forgotten(transport):
    eventually(lambda: transport.ask("b@good.test").startswith("OK "))
    assert set(flood(transport, "nowhere.test", 25000)) == {"NOTFOUND ,"}
    assert transport.ask("b@good.test").startswith("OK ")


def test_links_of_many_domains(tmp_path, world, authority):
    links = tmp_path / "run/transport"
    links.mkdir(parents=True)
    for number in range(9000):
        (links / f"{number}.earlier.test").symlink_to("of-an-earlier-run")
    transport = Transport(tmp_path, world, authority, "https")
    assert len(os.listdir(links)) == 9000
    assert all(reply.startswith("OK chatmail:unix:") for reply in flood(transport, "many.test", 12000))
    assert len(os.listdir(links)) <= 10000
    assert (links / "11999.many.test").exists()
    assert transport.ask("b@good.test") == f"OK chatmail:unix:{links}/good.test"
    with Lmtp(links / "good.test") as lmtp:
        assert lmtp.send(["b@good.test"])["b@good.test"].startswith("250 ")
    assert transport.stop() == 0


def test_large_messages_do_not_fill_the_disk(tmp_path, world, authority, monkeypatch):
    """Mailboxes and Postfix's queue may be on it. A small message needs no file."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64M", "tmpfs", disk], check=True)
    try:
        monkeypatch.setenv("TMPDIR", str(disk))
        transport = Transport(tmp_path, world, authority, "https")
        large = BODY + (b"y" * 76 + b"\r\n") * 25000
        assert transport.send(["b@good.test"], large)["b@good.test"].startswith("250 ")
        (disk / "other").write_bytes(bytes(59 << 20))
        refused = {"b@good.test": "451 4.3.1 The message cannot be stored now"}
        assert transport.send(["b@good.test"], large) == refused
        assert transport.send(["b@good.test"])["b@good.test"].startswith("250 ")
        (disk / "other").unlink()
        assert transport.send(["b@good.test"], large)["b@good.test"].startswith("250 ")
        assert transport.stop() == 0
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_client_that_reads_no_replies_has_to_wait(transport):
    with Lmtp(transport.socket) as lmtp:
        lmtp.client.settimeout(5)
        with pytest.raises(TimeoutError):
            for _ in range(20000):
                lmtp.client.sendall(b"NOOP\r\n" * 1000)
        # Others are served, and so is this one when it reads.
        assert transport.send(["b@good.test"])["b@good.test"].startswith("250 ")
        lmtp.client.settimeout(60)
        for _ in range(1000):
            assert lmtp.reply() == "250 2.0.0 Ok"
