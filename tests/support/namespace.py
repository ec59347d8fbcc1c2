"""A relay on its usual ports, in its own network, and real clients that can reach it."""

import subprocess

from support.deltachat import SERVER, Core
from support.relay import PORTS, Relay

USUAL_PORTS = dict(zip(PORTS, (25, 587, 465, 143, 993, 80, 443, 8443, 10993, 10465, 10026, 10587, 10143)))


class Network:
    """A network namespace with only a loopback interface; it exists as long as this process."""

    def __init__(self):
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sh", "-c",
             "ip link set lo up && echo up && exec sleep infinity"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout.readline() == "up\n"

    def stop(self):
        self.process.kill()
        self.process.wait()

    def command(self, *words):
        """A command that runs in the namespace."""
        return ["nsenter", f"--net=/proc/{self.process.pid}/ns/net", *map(str, words)]


class OwnRelay(Relay):
    """A relay in its own network. Its domain begins with '_', so clients do not verify its
    certificate."""

    def __init__(self, stages, network, domain="_relay.test", ini=None, **options):
        ini = {"tls_external_cert_and_key": "", "resolver": "127.0.0.1@9", **(ini or {})}
        super().__init__(stages, domain, ini, settings={"web_url": f"https://{domain}"}, **options)
        self.entrance = network.command()
        self.ports = dict(USUAL_PORTS)
        self.settings.update(self.ports)


class OwnCore(Core):
    """Clients in a network of their own; names are those of the relays in there. resolv_conf: a
    file that lies over /etc/resolv.conf for them."""

    def __init__(self, network, directory, names, resolv_conf="/etc/resolv.conf"):
        directory.mkdir()
        hosts = directory / "hosts"
        hosts.write_text("".join(f"127.0.0.1 {name}\n" for name in ("localhost", *names)))
        server = directory / "server"
        words = network.command("unshare", "--mount", "sh", "-c")
        server.write_text(
            f"#!/bin/sh\nexec {' '.join(words)} 'mount --bind {hosts} /etc/hosts && "
            f"mount --bind {resolv_conf} /etc/resolv.conf && exec {SERVER}'\n"
        )
        server.chmod(0o755)
        super().__init__(directory / "accounts", server)
