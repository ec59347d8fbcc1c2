"""Messages through a whole relay, and the CPU time that they cost there."""

import collections
import concurrent.futures
import contextlib
import itertools
import threading
import time
from pathlib import Path

from support.dkim_signer import RsaKey, record, sign
from support.messages import encrypted
from support.relay import transact

TICKS = 100
ACCOUNTS = 50


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
    """Mail from a peer for ACCOUNTS accounts in turn, whose mailboxes stay as small as real ones."""

    name = "in"
    domain = "peer.example"  # OpenDKIM's libunbound asks nobody about .test

    def __init__(self, relay, dns, key=None):
        self.relay, self.key = relay, key or RsaKey()
        dns.txt(f"bench._domainkey.{self.domain}", record(self.key))
        self.sender, self.accounts = f"bob@{self.domain}", None

    def connect(self):
        return self.relay.peer()

    def message(self, size):
        addresses = [self.relay.registered().address for _ in range(ACCOUNTS)]
        self.accounts = itertools.cycle(addresses)
        return sign(encrypted(self.sender, addresses[0], size=size), self.key, "bench", self.domain)

    @property
    def recipient(self):
        return next(self.accounts)


def send(client, way, message):
    start = time.monotonic()
    code, text = transact(client, way.sender, way.recipient, message)
    if code != 250:
        raise RuntimeError(f"{code} {text}")
    return time.monotonic() - start


def batch(relay, way, message, count, connections, rate=None):
    """(messages a second, CPU milliseconds a message by process name), without the logins. Sends as
    fast as the connections can, or at most `rate` messages a second."""
    left = iter(range(count))
    lock = threading.Lock()

    def work(client):
        while True:
            with lock:
                number = next(left, None)
            if number is None:
                return
            if rate is not None:
                time.sleep(max(0, start + number / rate - time.monotonic()))
            send(client, way, message)

    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(way.connect()) for _ in range(connections)]
        relay.settle()
        before, start = cpu(relay), time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(connections) as pool:
            for done in [pool.submit(work, client) for client in clients]:
                done.result()
        relay.settle()
        took = time.monotonic() - start
        spent = cpu(relay)
    spent.subtract(before)
    return count / took, {name: seconds * 1000 / count for name, seconds in spent.items()}
