"""A private internet: hosts in their own network namespaces, joined by a bridge.

Its addresses are those reserved for documentation (RFC 5737, RFC 3849), which programs treat as
public. All of it ends with the process that made it."""

import contextlib
import subprocess
import sys
from pathlib import Path

from support.namespace import Network

SLOW_WIRE = Path(__file__).with_name("slow_wire.py")
IPV4, IPV6 = "198.51.100.", "2001:db8::"


def run(*words):
    subprocess.run([str(word) for word in words], check=True)


class Host(Network):
    """One host: name.example at IPV4 and IPV6, with the same last number."""

    def __init__(self, internet, number, ipv4=True):
        super().__init__()
        self.ipv4, self.ipv6 = f"{IPV4}{number}", f"{IPV6}{number}"
        self.link = f"host{number}"
        self.hub = internet.hub
        run(*self.hub.command("ip", "link", "add", self.link, "type", "veth", "peer", "name",
                              "eth0", "netns", self.process.pid))  # fmt: skip
        run(*self.hub.command("ip", "link", "set", self.link, "master", "bridge", "up"))
        if ipv4:
            run(*self.command("ip", "address", "add", f"{self.ipv4}/24", "dev", "eth0"))
        run(*self.command("ip", "address", "add", f"{self.ipv6}/64", "dev", "eth0", "nodad"))
        run(*self.command("ip", "link", "set", "eth0", "up"))

    def unplug(self):
        """Packets to it are lost, as to a host without power."""
        run(*self.hub.command("ip", "link", "set", self.link, "down"))

    def plug(self):
        run(*self.hub.command("ip", "link", "set", self.link, "up"))

    def isolate(self):
        """Cuts it off from all other hosts that are isolated."""
        run(*self.hub.command("ip", "link", "set", self.link, "type", "bridge_slave", "isolated", "on"))

    @contextlib.contextmanager
    def slow(self, milliseconds, percent):
        """Inside the context, its cable delays packets in both directions, and loses some. Does
        not use netem, which some kernels lack."""
        inner, outer = f"{self.link}-in", f"{self.link}-out"
        run(*self.hub.command("ip", "link", "add", inner, "type", "veth", "peer", "name", outer))
        run(*self.hub.command("ip", "link", "set", outer, "master", "bridge", "up"))
        run(*self.hub.command("ip", "link", "set", inner, "up"))
        run(*self.hub.command("ip", "link", "set", self.link, "nomaster"))
        program = [sys.executable, SLOW_WIRE, self.link, inner, milliseconds, percent]
        wire = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *self.hub.command(*program)],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert wire.stdout.readline() == "up\n"
            yield
        finally:
            wire.kill()
            wire.wait()
            run(*self.hub.command("ip", "link", "delete", inner))
            run(*self.hub.command("ip", "link", "set", self.link, "master", "bridge"))


class Internet:
    def __init__(self):
        self.hub = Network()
        self.hosts = {}
        run(*self.hub.command("ip", "link", "add", "bridge", "type", "bridge"))
        run(*self.hub.command("ip", "link", "set", "bridge", "up"))

    @staticmethod
    def is_possible():
        """True if the kernel has the necessary features, and we may use them."""
        script = "ip link add bridge type bridge && ip link add left type veth peer name right"
        return subprocess.run(["unshare", "--net", "sh", "-c", script], check=False,
                              capture_output=True).returncode == 0  # fmt: skip

    def host(self, name, number, ipv4=True):
        """Adds a host; without IPv4 it has only IPv6."""
        self.hosts[name] = Host(self, number, ipv4)
        return self.hosts[name]

    def stop(self):
        for host in self.hosts.values():
            host.stop()
        self.hub.stop()
