"""Free ports of the loopback interface."""

import collections
import fcntl
import itertools
import os
import secrets
import socket
import tempfile

# Below the kernel's range for outgoing connections (32768 on), so that no client of another test
# takes a port before its server listens.
FIRST, END = 20000, 32768
# How many of the ports handed out last stay reserved.
RESERVED = 800

_reserved = collections.deque()
_candidates = None
_locks = None


def _reserve(port):
    """Keeps other processes that use this module from taking the port: a lock of the byte at that
    offset in a file that all of them share. It ends with the process."""
    global _locks
    if _locks is None:
        path = os.path.join(tempfile.gettempdir(), f"chatmail-test-ports-{os.getuid()}")
        _locks = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.lockf(_locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def _listening(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def free_ports(count):
    """Ports on which nothing listens, all different, and reserved for this process: tests that run at
    the same time choose theirs before their servers listen."""
    global _candidates
    if _candidates is None:
        ports = list(range(FIRST, END))
        start = secrets.randbelow(len(ports))
        _candidates = itertools.cycle(ports[start:] + ports[:start])
    found = []
    for port in itertools.islice(_candidates, END - FIRST):
        if port in _reserved or not _reserve(port):
            continue
        _reserved.append(port)
        if _listening(port):
            continue
        found.append(port)
        if len(found) == count:
            while len(_reserved) > RESERVED:
                fcntl.lockf(_locks, fcntl.LOCK_UN, 1, _reserved.popleft())
            return found
    raise RuntimeError("no free ports")
