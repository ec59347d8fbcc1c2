"""NSD, an authoritative name server, with zones of a test's own."""

import os
import socket
import subprocess

from support.ports import free_ports
from support.wait import eventually

HEAD = """$ORIGIN {zone}.
{zone}. 3600 IN SOA ns.{zone}. admin.{zone}. 1 3600 600 86400 60
{zone}. 3600 IN NS ns.{zone}.
ns.{zone}. 3600 IN A 127.0.0.1
"""


class Nsd:
    """Serves zones ({name: lines}) on a port of 127.0.0.1 until stop()."""

    def __init__(self, directory, zones):
        directory.mkdir(parents=True)
        [self.port] = free_ports(1)
        self.address = f"127.0.0.1@{self.port}"
        lines = [
            "server:",
            f"ip-address: {self.address}",
            "ip-transparent: no",
            'username: ""',
            'chroot: ""',
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
            text = HEAD.format(zone=name) + "\n".join(records) + "\n"
            (directory / f"{name}.zone").write_text(text)
            lines += ["zone:", f'name: "{name}"', f'zonefile: "{name}.zone"']
        (directory / "nsd.conf").write_text("\n".join(lines) + "\n")
        path = os.environ["PATH"] + ":/usr/sbin"
        self.process = subprocess.Popen(
            ["nsd", "-d", "-c", directory / "nsd.conf"], env={**os.environ, "PATH": path}
        )
        eventually(self.listens, message="nsd does not start")

    def listens(self):
        assert self.process.poll() is None, "nsd ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        self.process.terminate()
        self.process.wait()
