"""A DNS server that misbehaves on demand, for tests of DKIM verification."""

import threading

from dnslib import CNAME, QTYPE, RCODE, RR, TXT
from dnslib.server import BaseResolver, DNSServer

from support.dns import Quiet
from support.ports import free_ports


class Lab(BaseResolver):
    """Names and what happens when somebody asks for them."""

    def __init__(self):
        self.entries = {}
        self.asked = {}
        self.lock = threading.Lock()

    def resolve(self, request, handler):
        name = str(request.q.qname).rstrip(".").lower()
        with self.lock:
            self.asked[name] = self.asked.get(name, 0) + 1
        reply = request.reply(ra=1)
        self.answer(name, request, reply, 0)
        if handler.protocol == "udp" and len(reply.pack()) > 1232:
            return reply.truncate()
        return reply

    def answer(self, name, request, reply, depth):
        entry = self.entries.get(name)
        if entry is None:
            reply.header.rcode = RCODE.NXDOMAIN
        elif callable(entry):
            entry(name, request, reply)
        elif isinstance(entry, str):
            reply.add_answer(RR(name, QTYPE.CNAME, rdata=CNAME(entry), ttl=60))
            if depth < 8:
                self.answer(entry, request, reply, depth + 1)
        elif request.q.qtype == QTYPE.TXT:
            for strings in entry:
                reply.add_answer(RR(name, QTYPE.TXT, rdata=TXT(strings), ttl=60))


def pieces(text, size=255):
    data = text if isinstance(text, bytes) else text.encode()
    return [data[i : i + size] for i in range(0, len(data), size)] or [b""]


class DnsLab:
    """The server, over UDP and TCP on one loopback port."""

    def __init__(self):
        self.lab = Lab()
        self.port = free_ports(1)[0]
        self.servers = []

    @property
    def resolver(self):
        return f"127.0.0.1@{self.port}"

    def start(self):
        for tcp in (False, True):
            server = DNSServer(
                self.lab,
                address="127.0.0.1",
                port=self.port,
                tcp=tcp,
                logger=Quiet(),
            )
            server.server.allow_reuse_address = True
            server.start_thread()
            self.servers.append(server)

    def stop(self):
        for server in self.servers:
            server.stop()
            server.server.server_close()
        self.servers = []

    # What a name can be.

    def txt(self, name, *records):
        """TXT records; each is a text, cut into strings of 255, or a list of strings."""
        self.lab.entries[name] = [r if isinstance(r, list) else pieces(r) for r in records]

    def cname(self, name, target):
        self.lab.entries[name] = target

    def empty(self, name):
        """The name exists, but not with TXT records."""
        self.lab.entries[name] = []

    def code(self, name, rcode):
        def answer(_name, _request, reply):
            reply.header.rcode = getattr(RCODE, rcode)

        self.lab.entries[name] = answer

    def wait(self, name, event, *records):
        """Answers once the event is set."""

        def answer(_name, request, reply):
            event.wait(60)
            for text in records:
                reply.add_answer(
                    RR(request.q.qname, QTYPE.TXT, rdata=TXT(pieces(text)), ttl=60)
                )

        self.lab.entries[name] = answer

    def asked(self, name):
        with self.lab.lock:
            return self.lab.asked.get(name, 0)
