"""The tests' own DNS server, for the `resolver` key of chatmail.ini. It misbehaves on demand."""

import threading

from dnslib import CNAME, QTYPE, RCODE, RR, TXT, DNSError
from dnslib.server import BaseResolver, DNSServer

from support.ports import free_ports

UDP_SIZE_MAX = 1232
CNAMES_MAX = 8


class Zone(BaseResolver):
    """entries: what each name has: TXT records, each a list of strings; the target of a CNAME; or a
    function that fills a reply. All other names do not exist."""

    def __init__(self):
        self.entries = {}
        self.silent = []
        self.asked = {}
        self.lock = threading.Lock()

    def resolve(self, request, handler):
        name = str(request.q.qname).rstrip(".").lower()
        with self.lock:
            self.asked[name] = self.asked.get(name, 0) + 1
        if any(name.endswith("." + domain) for domain in self.silent):
            raise DNSError("no answer")
        reply = request.reply(ra=1)
        self.answer(name, request, reply, 0)
        if handler.protocol == "udp" and len(reply.pack()) > UDP_SIZE_MAX:
            return reply.truncate()
        return reply

    def answer(self, name, request, reply, depth):
        entry = self.entries.get(name)
        if entry is None:
            reply.header.rcode = RCODE.NXDOMAIN
        elif callable(entry):
            entry(request, reply)
        elif isinstance(entry, str):
            reply.add_answer(RR(name, QTYPE.CNAME, rdata=CNAME(entry), ttl=60))
            if depth < CNAMES_MAX:
                self.answer(entry, request, reply, depth + 1)
        elif request.q.qtype == QTYPE.TXT:
            for strings in entry:
                reply.add_answer(RR(name, QTYPE.TXT, rdata=TXT(strings), ttl=60))


class Quiet:
    """dnslib's logger interface; logs nothing."""

    def __getattr__(self, name):
        return lambda *arguments: None


def pieces(text, size=255):
    """A text as the strings of a TXT record."""
    data = text if isinstance(text, bytes) else text.encode()
    return [data[i : i + size] for i in range(0, len(data), size)] or [b""]


class DnsServer:
    """Answers on a loopback port over UDP and TCP while it is started."""

    def __init__(self):
        self.zone = Zone()
        self.port = free_ports(1)[0]
        self.servers = []

    @property
    def resolver(self):
        """The server as the value of the key."""
        return f"127.0.0.1@{self.port}"

    def start(self):
        for tcp in (False, True):
            server = DNSServer(
                self.zone, address="127.0.0.1", port=self.port, tcp=tcp, logger=Quiet()
            )
            server.server.allow_reuse_address = True
            server.start_thread()
            self.servers.append(server)

    def stop(self):
        for server in self.servers:
            server.stop()
            server.server.server_close()
        self.servers = []

    def asked(self, name):
        """The number of queries for the name."""
        with self.zone.lock:
            return self.zone.asked.get(name, 0)

    # --- Replies for a name

    def txt(self, name, *records):
        """TXT records; each is a text, cut into strings of 255, or a list of strings."""
        self.zone.entries[name.lower()] = [
            record if isinstance(record, list) else pieces(record) for record in records
        ]

    def cname(self, name, target):
        self.zone.entries[name] = target

    def empty(self, name):
        """The name exists, but not with TXT records."""
        self.zone.entries[name] = []

    def absent(self, name):
        del self.zone.entries[name]

    def silence(self, domain):
        """Names below the domain get no reply at all."""
        self.zone.silent.append(domain)

    def code(self, name, rcode):
        def answer(_request, reply):
            reply.header.rcode = getattr(RCODE, rcode)

        self.zone.entries[name] = answer

    def wait(self, name, event, *records):
        """Replies once the event is set."""

        def answer(request, reply):
            event.wait(60)
            for text in records:
                reply.add_answer(RR(request.q.qname, QTYPE.TXT, rdata=TXT(pieces(text)), ttl=60))

        self.zone.entries[name] = answer
