"""NSD, an authoritative name server, with the zones of a test."""

import os
import signal
import subprocess

from dnslib import DNSRecord

from support.ports import free_ports
from support.wait import eventually

HEAD = """$ORIGIN {zone}.
@ 3600 IN SOA {name}. admin.{name}. {serial} 3600 600 86400 60
@ 3600 IN NS {name}.
"""


class Nsd:
    """Serves zones ({name: lines}) until stop(), on one address and port: a free one of 127.0.0.1
    by default; also: other addresses. The zone "" is the root. entrance: the words before a
    command that runs in another network."""

    def __init__(self, directory, zones, address="127.0.0.1", port=None, also=(), entrance=()):
        directory.mkdir(parents=True)
        self.directory = directory
        self.ip = address
        self.port = port or free_ports(1)[0]
        self.address = f"{address}@{self.port}"
        self.serial = {}
        self.entrance = entrance
        lines = [
            "server:",
            *(f"ip-address: {each}@{self.port}" for each in (address, *also)),
            "ip-transparent: no",
            'username: ""',
            'chroot: ""',
            'database: ""',
            "server-count: 1",
            f'zonesdir: "{directory}"',
            f'pidfile: "{directory}/nsd.pid"',
            f'xfrdfile: "{directory}/xfrd.state"',
            f'zonelistfile: "{directory}/zone.list"',
            f'logfile: "{directory}/nsd.log"',
            "remote-control:",
            "control-enable: no",
        ]
        for name, records in zones.items():
            self.write(name, records)
            lines += ["zone:", f'name: "{name}."', f'zonefile: "{name}.zone"']
        (directory / "nsd.conf").write_text("\n".join(lines) + "\n")
        path = os.environ["PATH"] + ":/usr/sbin"
        self.process = subprocess.Popen(
            [*entrance, "nsd", "-d", "-c", directory / "nsd.conf"], env={**os.environ, "PATH": path}
        )
        eventually(self.listens, 120, message="nsd does not start")

    def write(self, zone, records):
        self.serial[zone] = self.serial.get(zone, 0) + 1
        name = f"ns.{zone}".rstrip(".")
        text = HEAD.format(zone=zone, name=name, serial=self.serial[zone])
        text += f"{name}. 3600 IN A {self.ip}\n" + "\n".join(records) + "\n"
        (self.directory / f"{zone}.zone").write_text(text)

    def publish(self, zone, records):
        """Serves other records for one of the zones; returns when they are in use."""
        self.write(zone, records)
        self.process.send_signal(signal.SIGHUP)
        eventually(lambda: self.served(zone) == self.serial[zone], timeout=120, message="nsd does not reload")

    def served(self, zone):
        answer = DNSRecord.question(f"{zone}.", "SOA").send(self.ip, self.port, timeout=10)
        return DNSRecord.parse(answer).rr[0].rdata.times[0]

    def listens(self):
        assert self.process.poll() is None, "nsd ended"
        probe = f"exec 3<>/dev/tcp/{self.ip}/{self.port}"
        command = [*self.entrance, "bash", "-c", probe]
        return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0

    def stop(self):
        self.process.terminate()
        self.process.wait()
