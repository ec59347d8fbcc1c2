"""The network namespace of this thread."""

import contextlib
import ctypes
import os

CLONE_NEWNET = 0x40000000


def enter(namespace):
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(namespace.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextlib.contextmanager
def network_of(pid):
    """Inside the context, this thread and the programs that it starts use a process's network."""
    with open("/proc/thread-self/ns/net") as here, open(f"/proc/{pid}/ns/net") as there:
        enter(there)
        try:
            yield
        finally:
            enter(here)
