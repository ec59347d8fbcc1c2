"""A DNS server of the tests' own, for the `resolver` key of chatmail.ini."""

import socket
import threading

from dnslib import QTYPE, RCODE, RR, TXT
from dnslib.server import BaseResolver, DNSServer

from support.ports import free_ports


class Zone(BaseResolver):
    """TXT records by name, lower case, no final dot. What is not there does not exist."""

    def __init__(self):
        self.txt = {}

    def resolve(self, request, handler):
        reply = request.reply(ra=1)
        name = str(request.q.qname).rstrip(".").lower()
        if name not in self.txt:
            reply.header.rcode = RCODE.NXDOMAIN
        elif request.q.qtype in (QTYPE.TXT, QTYPE.ANY):
            text = self.txt[name].encode()
            pieces = [text[i : i + 255] for i in range(0, len(text), 255)]
            reply.add_answer(RR(request.q.qname, QTYPE.TXT, rdata=TXT(pieces), ttl=60))
        return reply


class Quiet:
    """dnslib's logger interface; what was asked is nobody's business here."""

    def __getattr__(self, name):
        return lambda *arguments: None


class DnsServer:
    """Answers on a loopback port over UDP and TCP while it is up."""

    def __init__(self):
        self.zone = Zone()
        self.port = free_ports(1)[0]
        self.servers = []

    @property
    def resolver(self):
        """As the value of the key."""
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

    def publish(self, name, text):
        self.zone.txt[name.lower()] = text


class SilentDnsServer:
    """A port that takes questions and never answers one."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    @property
    def resolver(self):
        return f"127.0.0.1@{self.port}"

    def stop(self):
        self.socket.close()
