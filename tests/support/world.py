"""A world of relays on a private internet: two with names, two with an address instead, a stock
mail server, a DNS server with the zones that `chatmailctl dns` prints, and a certificate
authority.

The authority is openssl's: servers see only its certificates. tests/acme shows how three ACME
clients get certificates from Pebble."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from support.certificates import Authority
from support.deltachat import Core
from support.internet import IPV4, IPV6, Internet
from support.namespace import USUAL_PORTS, OwnCore
from support.network import network_of
from support.nsd import Nsd
from support.relay import Relay
from support.stock_postfix import StockPostfix

DNS = 2
NUMBERS = {
    "north": 10, "south": 20, "literal": 30, "literal6": 31, "test": 32, "plain": 33, "turn6": 34,
    "stock": 40, "clients": 50, "caller": 51, "callee": 52,
}  # fmt: skip
NAMED = ("north", "south")
SIX = ("literal6", "turn6")  # with an IPv6 address alone
NAUTA = ["@ IN MX 10 stock.example."]


class WorldRelay(Relay):
    """A relay on its usual ports, on a host of the internet."""

    def __init__(self, stages, host, domain, etc, ini=None, **options):
        by_address = domain[0].isdigit()
        if not domain[0].isalpha():
            ini = {"tls_external_cert_and_key": "", **(ini or {})}
        ini = {
            "mxdeliv_port": "10025", "outbound_private": "false", "turn_secret_file": "/etc/turn.secret",
            "federation_deny_file": "/etc/chatmail-denied", **(ini or {}),
        }  # fmt: skip
        super().__init__(stages, domain, ini, **options)
        self.host = host
        self.address = host.ipv6 if ":" in domain else host.ipv4
        self.entrance = host.command()
        self.etc = etc
        self.ports = dict(USUAL_PORTS)
        web = f"[{domain}]" if ":" in domain else domain
        self.settings.update(self.ports, listen="", web_url=f"https://{web}")
        if by_address:
            # The configuration contains the bare address, users' addresses the literal.
            literal = f"IPv6:{domain}" if ":" in domain else domain
            self.domain = f"[{literal}]"


class WorldCore(OwnCore):
    clients = Core.clients


class World:
    """ini: keys of chatmail.ini for all relays."""

    def __init__(self, stages, relays=(*NAMED, "literal"), ini=None):
        self.stages = stages
        self.ini = ini or {}
        # Not below pytest's directory, which other users, such as vmail, cannot read.
        self.directory = Path(tempfile.mkdtemp(prefix="chatmail-world-"))
        self.directory.chmod(0o755)
        self.internet = Internet()
        self.authority = Authority(self.directory / "ca")
        self.relays = {}
        self.dns = self.stock = None
        try:
            self.make_hosts(relays)
        except BaseException:
            self.stop()
            raise

    # --- Start and end

    def make_hosts(self, relays):
        for name in (*relays, "stock", "clients"):
            self.add_host(name)
        self.etc = self.directory / "etc"
        (self.etc / "ssl" / "certs").mkdir(parents=True)
        (self.etc / "chatmail-denied").touch()
        (self.etc / "resolv.conf").write_text(f"nameserver {IPV4}{DNS}\nnameserver {IPV6}{DNS}\n")
        authorities = Path("/etc/ssl/certs/ca-certificates.crt").read_text()
        (self.etc / "ssl/certs/ca-certificates.crt").write_text(
            authorities + self.authority.certificate.read_text()
        )
        for name in relays:
            self.relays[name] = self.make_relay(name)

    def add_host(self, name):
        self.internet.host(name, NUMBERS[name], ipv4=name not in SIX)

    def make_relay(self, name, ini=None, **options):
        """A relay on a host, not started; a relay with a name gets a certificate."""
        host = self.internet.hosts[name]
        domain = {"literal": host.ipv4, "test": "_test.example", **dict.fromkeys(SIX, host.ipv6)}.get(
            name, f"{name}.example"
        )
        etc = self.directory / f"etc-{name}"
        shutil.copytree(self.etc, etc, dirs_exist_ok=True)
        if domain[0].isalpha():
            names = [f"DNS:{prefix}{domain}" for prefix in ("", "www.", "mta-sts.", "autoconfig.")]
            pair = self.authority.issue(name, names=",".join(names))
            (etc / "ssl" / "relay").mkdir(exist_ok=True)
            for path, to in zip(pair, ("cert.pem", "key.pem")):
                shutil.copy(path, etc / "ssl" / "relay" / to)
        return WorldRelay(
            self.stages, host, domain, etc, ini={**self.ini, **(ini or {})}, **options
        )

    def start(self):
        try:
            hub = self.internet.hub
            address, ipv6 = f"{IPV4}{DNS}", f"{IPV6}{DNS}"
            for each in (f"{address}/24", f"{ipv6}/64"):
                words = ("ip", "address", "add", each, "dev", "bridge")
                subprocess.run(
                    hub.command(*words, *(["nodad"] if ":" in each else [])), check=True
                )
            zones = {f"{name}.example": [] for name in (*NAMED, "_test", "stock", "other")}
            with network_of(hub.process.pid):
                zones = {"": [], "nauta.cu": NAUTA, **zones}
                self.dns = Nsd(self.directory / "dns", zones, address, 53, also=[ipv6])
            self.stock = self.make_stock().start()
            self.publish("stock", self.stock.zone)
            for name, relay in self.relays.items():
                relay.start()
                if name in NAMED:
                    self.publish(name, self.zone(relay))
        except BaseException:
            self.stop()
            raise
        return self

    def make_stock(self):
        pair = self.authority.issue("stock", names="DNS:stock.example")
        return StockPostfix(
            self.directory / "stock", self.internet.hosts["stock"], "stock.example", self.etc, pair
        )

    def stop(self):
        for relay in self.relays.values():
            relay.stop()
        if self.stock is not None:
            self.stock.stop()
        if self.dns is not None:
            self.dns.stop()
        self.internet.stop()
        if "CHATMAIL_KEEP" not in os.environ:
            shutil.rmtree(self.directory, ignore_errors=True)

    # --- Actions of tests

    @staticmethod
    def zone(relay):
        """The zone that `chatmailctl dns` prints for a relay."""
        return relay.inside("chatmailctl", "dns").stdout.splitlines()

    def publish(self, name, records):
        """Serves records as the zone of name.example."""
        with network_of(self.internet.hub.process.pid):
            self.dns.publish(f"{name}.example", records)

    def at(self, name):
        """Inside the context, this thread and the programs that it starts are on a host."""
        return network_of(self.internet.hosts[name].process.pid)

    def run_at(self, name, *command, **options):
        """Runs a command on a host, with the DNS of this world; returns the finished process."""
        script = f'mount --bind {self.etc}/resolv.conf /etc/resolv.conf && exec "$@"'
        inside = self.internet.hosts[name].command("unshare", "--mount", "sh", "-c", script, "sh")
        return subprocess.run(
            [*inside, *map(str, command)], capture_output=True, text=True, check=False, **options
        )

    def core(self, directory):
        """Real clients, on the host of the clients."""
        resolv_conf = self.etc / "resolv.conf"
        return WorldCore(self.internet.hosts["clients"], directory, (), resolv_conf)
