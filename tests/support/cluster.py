"""A relay of several machines: a front and its backends, each in its own network."""

from support.namespace import OwnRelay
from support.wire import Host, Switch

FRONT = "10.0.0.1"
SECRET = "/etc/chatmail-backends.secret"


class Cluster:
    """ini: keys for every machine; front_ini: further keys for the front."""

    def __init__(self, stages, directory, count, ini=None, front_ini=None):
        self.stages = stages
        self.etc = directory / "etc"
        self.etc.mkdir()
        (self.etc / SECRET.removeprefix("/etc/")).write_text("0123456789abcdef\n")
        self.ini = ini or {}
        self.hosts = [Host(f"{FRONT}/24")]
        self.backends = {}
        Switch(self.hosts[0], [])
        for _ in range(count):
            self.add_backend()
        self.front = OwnRelay(
            stages,
            self.hosts[0],
            ini={"backends": " ".join(self.backends), "backend_secret_file": SECRET, **self.ini,
                 **(front_ini or {})},
            without=["notifyd"],
        )  # fmt: skip
        self.front.settings["listen"] = ""
        self.front.etc = self.etc

    def add_backend(self):
        """Adds a machine that the front does not know yet."""
        address = f"10.0.0.{11 + len(self.backends)}"
        host = Host(f"{address}/24")
        Switch.plug(self.hosts[0], host)
        self.hosts.append(host)
        relay = OwnRelay(
            self.stages,
            host,
            ini={"backend_listen": address, "fronts": FRONT, "backend_secret_file": SECRET, **self.ini},
            without=["postfix", "milter", "nginx", "httpd"],
        )
        relay.settings["listen"] = ""
        relay.etc = self.etc
        self.backends[address] = relay
        return address

    def start(self):
        for relay in (*self.backends.values(), self.front):
            relay.start()
        return self

    def stop(self):
        for relay in (self.front, *self.backends.values()):
            relay.stop()
        for host in self.hosts:
            host.stop()

    def set_backends(self, backends):
        """Does the work of an operator who changes the list."""
        self.front.ini["backends"] = " ".join(backends)
        self.front.write_ini()
        self.front.inside("doveadm", "reload", dovecot=True)
        self.front.restart_service("milter")
        self.front.restart_service("httpd")

    def places(self):
        """{address of an account: the backends that store it}"""
        found = {}
        for address, relay in self.backends.items():
            mailboxes = relay.path(f"/home/vmail/mail/{relay.domain}")
            for password in mailboxes.glob("*/password"):
                found.setdefault(password.parent.name, []).append(address)
        return found
