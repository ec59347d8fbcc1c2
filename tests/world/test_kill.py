"""kill -9 at random during traffic between two relays: no accepted message is lost.

CHATMAIL_KILLS=200 makes it a long series. A message may arrive twice, if a program died between
accepting and confirming it; clients show it once, by its Message-ID. The test prints the number of
duplicates."""

import collections
import imaplib
import os
import random
import re
import smtplib
import threading
import time

from support.messages import encrypted
from support.network import network_of
from support.wait import eventually

KILLS = int(os.environ.get("CHATMAIL_KILLS", "20"))
CLIENTS = 20
# Programs without a supervisor here, by the service that restarts them.
SERVICES = {
    "chatmail-transp": "transport",  # the kernel keeps 15 bytes
    "chatmail-httpd": "httpd",
    "chatmail-milter": "milter",
    "master": "postfix",
    "dovecot": "dovecot",
    "nginx": "nginx",
}
CHILDREN = ("smtpd", "cleanup", "qmgr", "smtp", "lmtp", "trivial-rewrite", "auth", "imap", "imap-login")
BROKEN = (imaplib.IMAP4.error, smtplib.SMTPException, OSError)


class Traffic:
    """Clients on each relay that write to accounts of the other relay."""

    def __init__(self, world, relays):
        self.namespace = world.internet.hosts["clients"].process.pid
        self.relays = relays
        self.accounts = [[relay.registered() for _ in range(CLIENTS // 2)] for relay in relays]
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.accepted = {}  # Message-ID: the recipient
        self.attempts = 0
        self.threads = [
            threading.Thread(target=self.run, args=(number % 2, number // 2))
            for number in range(CLIENTS)
        ]

    def run(self, side, number):
        with network_of(self.namespace):
            while not self.stop.is_set():
                sender = self.accounts[side][number]
                recipient = random.choice(self.accounts[1 - side])
                message = encrypted(sender.address, recipient.address, random.choice((500, 100000)))
                identifier = re.search(rb"^Message-ID: (\S+)", message, re.MULTILINE).group(1)
                with self.lock:
                    self.attempts += 1
                try:
                    code, _ = self.relays[side].send(sender, recipient.address, message)
                except BROKEN:
                    code = 0
                if code == 250:
                    with self.lock:
                        self.accepted[identifier] = (1 - side, recipient)
                time.sleep(random.uniform(0, 1))

    def arrived(self):
        """{Message-ID: number of copies in the mailboxes}"""
        counts = collections.Counter()
        for relay, accounts in zip(self.relays, self.accounts):
            for account in accounts:
                client = relay.imap(account, select=True)
                # By UID, which works with an empty mailbox, too.
                _, data = client.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
                client.logout()
                for part in data:
                    if isinstance(part, tuple):
                        counts[part[1].split(b":", 1)[1].strip()] += 1
        return counts


def kill_one(relays):
    """Kills a random process of a random relay; returns its name."""
    relay = random.choice(relays)
    name = random.choice((*SERVICES, *CHILDREN))
    pids = relay.inside("pgrep", "-x", name, check=False).stdout.split()
    if not pids:
        return None
    # The oldest one: nginx and dovecot have children of the same name.
    pid = pids[0] if name in SERVICES else random.choice(pids)
    relay.inside("kill", "-9", pid, check=False)
    if name in SERVICES:
        relay.restart_service(SERVICES[name])
    return name


def test_no_accepted_message_is_lost(world, north, south):
    traffic = Traffic(world, [north, south])
    killed = collections.Counter()
    for thread in traffic.threads:
        thread.start()
    try:
        while sum(killed.values()) < KILLS:
            time.sleep(random.uniform(0, 0.5))
            name = kill_one(traffic.relays)
            if name is not None:
                killed[name] += 1
    finally:
        traffic.stop.set()
        for thread in traffic.threads:
            thread.join()
    for relay in traffic.relays:
        relay.restart_service("postfix")

    def missing():
        for relay in traffic.relays:
            relay.inside("postqueue", "-f")
        counts = traffic.arrived()
        return [identifier for identifier in traffic.accepted if counts[identifier] == 0]

    deadline = time.monotonic() + 600
    while missing() and time.monotonic() < deadline:
        time.sleep(5)
    counts = traffic.arrived()
    doubled = sum(1 for identifier in traffic.accepted if counts[identifier] > 1)
    print(f"\nkilled: {dict(killed)}")
    print(f"attempts {traffic.attempts}, accepted {len(traffic.accepted)}, doubled {doubled}")
    assert traffic.accepted and missing() == []
    for relay in traffic.relays:
        eventually(lambda r=relay: r.inside("postqueue", "-f") and r.queue() == [], 300, interval=2)
