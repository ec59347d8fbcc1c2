"""The messages between the milter and a service manager, and what happens if libmilter hangs."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from support.milter_daemon import MilterDaemon
from support.wait import eventually

# accept() never returns once a file exists: from then on libmilter accepts no connection.
DEAF = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int accept(int fd, struct sockaddr *address, socklen_t *length)
{
	int (*next)(int, struct sockaddr *, socklen_t *) = dlsym(RTLD_NEXT, "accept");

	while (access(getenv("DEAF"), F_OK) == 0)
		pause();
	return next(fd, address, length);
}
"""


@pytest.fixture
def notifications(tmp_path):
    """The service manager's socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(60)
        yield receiver


def started(tmp_path, *variables):
    """Environment of the milter under test: it checks itself every 100 ms."""
    daemon = MilterDaemon(tmp_path)
    daemon.configure()
    daemon.start(wrapper=("env", "WATCHDOG_USEC=200000", *variables))
    return daemon


def test_ready_and_watchdog_messages(tmp_path, notifications):
    daemon = started(tmp_path, f"NOTIFY_SOCKET={tmp_path / 'notify'}")
    try:
        assert notifications.recv(100) == b"READY=1"
        for _ in range(3):
            assert notifications.recv(100) == b"WATCHDOG=1"
    finally:
        daemon.stop()


@pytest.mark.parametrize("where", ["", "relative", "/" + "x" * 200])
def test_an_invalid_notify_socket_is_ignored(tmp_path, where):
    daemon = started(tmp_path, f"NOTIFY_SOCKET={where}")
    try:
        assert daemon.listens()
    finally:
        daemon.stop()


def test_a_hanging_libmilter_ends_the_program(tmp_path):
    """The supervisor starts it again."""
    source, library, deaf = (tmp_path / name for name in ("deaf.c", "deaf.so", "deaf"))
    source.write_text(DEAF)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    daemon = started(tmp_path, f"LD_PRELOAD={library}", f"DEAF={deaf}")
    try:
        assert daemon.listens()
        deaf.touch()
        eventually(lambda: daemon.process.poll() is not None, 120, message="it goes on")
        assert daemon.process.returncode == 1
        assert "libmilter does not answer" in daemon.log()
    finally:
        if daemon.process.poll() is None:
            daemon.process.kill()


def test_many_connections_near_the_limit_of_select(tmp_path):
    """Only a libmilter with select() has the limit: the program logs it, and exits, so that the
    supervisor starts it again. Debian's has none, and keeps serving; Alpine's, which tests/musl/root
    builds, has it."""
    daemon = started(tmp_path)
    maps = Path(f"/proc/{daemon.process.pid}/maps").read_text().splitlines()
    library = next(line.split()[-1] for line in maps if "libmilter" in line)
    selects = b"\0select\0" in Path(library).read_bytes()
    sockets = []
    try:
        for _ in range(1100):
            client = socket.socket(socket.AF_UNIX)
            client.connect(str(daemon.socket))
            sockets.append(client)
        if selects:
            eventually(lambda: daemon.process.poll() is not None, 120, message="it goes on")
            assert daemon.process.returncode == 1
            assert "libmilter does not answer" in daemon.log()
        else:
            os.stat(daemon.socket)
            assert daemon.process.poll() is None
        assert ("lower max_smtp_connections" in daemon.log()) == selects
    finally:
        for client in sockets:
            client.close()
        if daemon.process.poll() is None:
            daemon.stop()
