"""Messages through a whole relay, and the CPU time that they cost there."""

import collections
import concurrent.futures
import contextlib
import threading
import time
from pathlib import Path

from support.dkim_signer import RsaKey, record, sign
from support.messages import encrypted
from support.relay import transact

TICKS = 100


def cpu(relay):
    """CPU seconds of the relay's processes by name, including the children that they reaped."""
    children, names, used = {}, {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            name, fields = stat.read_text().rsplit(")", 1)
            fields = fields.split()
            pid = int(stat.parent.name)
            children.setdefault(int(fields[1]), []).append(pid)
            names[pid] = name.partition("(")[2]
            used[pid] = sum(map(int, fields[11:15])) / TICKS
    found = collections.Counter()
    waiting = [process.pid for process in (relay.process, *getattr(relay, "proxies", ()))]
    while waiting:
        pid = waiting.pop()
        if pid in used:
            found[names[pid]] += used[pid]
        waiting += children.get(pid, [])
    return found


class Outgoing:
    name = "out"

    def __init__(self, relay):
        self.relay = relay
        self.account = relay.registered()
        self.sender, self.recipient = self.account.address, "bob@peer.test"

    def connect(self):
        return self.relay.submission(self.account)

    def message(self, size):
        return encrypted(self.sender, self.recipient, size=size)


class Incoming:
    name = "in"

    def __init__(self, relay, dns, key=None):
        self.relay, self.key = relay, key or RsaKey()
        dns.txt("bench._domainkey.peer.test", record(self.key))
        self.sender, self.recipient = "bob@peer.test", None

    def connect(self):
        return self.relay.peer()

    def message(self, size):
        self.recipient = self.relay.registered().address
        return sign(encrypted(self.sender, self.recipient, size=size), self.key, "bench")


def send(client, way, message):
    start = time.monotonic()
    code, text = transact(client, way.sender, way.recipient, message)
    if code != 250:
        raise RuntimeError(f"{code} {text}")
    return time.monotonic() - start


def unpaced(relay, way, message, count, connections):
    """(messages a second, CPU milliseconds a message by process name)"""
    left = iter(range(count))
    lock = threading.Lock()

    def work():
        with way.connect() as client:
            while True:
                with lock:
                    if next(left, None) is None:
                        return
                send(client, way, message)

    relay.settle()
    before, start = cpu(relay), time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(connections) as pool:
        for client in [pool.submit(work) for _ in range(connections)]:
            client.result()
    relay.settle()
    took = time.monotonic() - start
    spent = cpu(relay)
    spent.subtract(before)
    return count / took, {name: seconds * 1000 / count for name, seconds in spent.items()}
