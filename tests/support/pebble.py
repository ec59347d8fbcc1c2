"""Let's Encrypt's test authority, Pebble, on its own loopback ports."""

import json
import subprocess
import urllib.request

from dnslib import QTYPE, RR, A

from support.certificates import Authority
from support.dns import DnsServer
from support.ports import free_ports
from support.relay import trusting
from support.tree import SOURCE
from support.wait import eventually

BUILD = SOURCE / "build" / "acme"
CERTBOT = BUILD / "venv/bin/certbot"

PROFILES = {
    "default": {"description": "90 days", "validityPeriod": 90 * 86400},
    "shortlived": {"description": "6 days", "validityPeriod": 6 * 86400},
}


def loopback(request, reply):
    if request.q.qtype == QTYPE.A:
        reply.add_answer(RR(request.q.qname, QTYPE.A, rdata=A("127.0.0.1"), ttl=0))


class Pebble:
    """Validates control of names at http_port of 127.0.0.1."""

    def __init__(self, directory, http_port, names):
        self.directory = directory
        self.port, self.management_port = free_ports(2)
        self.authority = Authority(directory / "authority")
        certificate, key = self.authority.issue("pebble")
        self.config = directory / "pebble.json"
        self.config.write_text(json.dumps({"pebble": {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self.management_port}",
            "certificate": str(certificate), "privateKey": str(key),
            "httpPort": http_port, "tlsPort": 9, "keyAlgorithm": "ecdsa",
            "retryAfter": {"authz": 1, "order": 1}, "profiles": PROFILES,
        }}))  # fmt: skip
        self.dns = DnsServer()
        for name in names:
            self.dns.zone.entries[name] = loopback
        self.process = None

    @property
    def directory_url(self):
        return f"https://localhost:{self.port}/dir"

    def __enter__(self):
        self.dns.start()
        with (self.directory / "pebble.log").open("wb") as log:
            self.process = subprocess.Popen(
                [BUILD / "pebble", "-config", self.config, "-strict", "-dnsserver", f"127.0.0.1:{self.dns.port}"],
                # By default it refuses one request in 20 for its nonce, and a client may meet that twice.
                env={"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_CHAIN_LENGTH": "2", "PEBBLE_WFE_NONCEREJECT": "0"},
                stdout=log,
                stderr=log,
            )
        eventually(self.root, message=lambda: (self.directory / "pebble.log").read_text())
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.wait()
        self.dns.stop()

    def root(self):
        """The certificate of its root, as PEM; None if it does not answer yet."""
        url = f"https://localhost:{self.management_port}/roots/0"
        try:
            with urllib.request.urlopen(url, context=trusting(), timeout=60) as answer:
                return answer.read().decode()
        except OSError:
            assert self.process.poll() is None, (self.directory / "pebble.log").read_text()
            return None
