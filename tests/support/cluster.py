"""A relay of several machines: fronts and their backends, each in its own network."""

from support.namespace import OwnRelay
from support.wire import Host, Switch

FRONTS = ("10.0.0.1", "10.0.0.2")
SECRET = "/etc/chatmail-backends.secret"


class Cluster:
    """ini: keys for every machine; front_ini: further keys for the fronts."""

    def __init__(self, stages, directory, count, ini=None, front_ini=None, fronts=1):
        self.stages = stages
        self.etc = directory / "etc"
        self.etc.mkdir()
        (self.etc / SECRET.removeprefix("/etc/")).write_text("0123456789abcdef\n")
        self.ini = ini or {}
        self.hosts = [Host(f"{address}/24") for address in FRONTS[:fronts]]
        self.backends = {}
        self.cables = {}
        Switch(self.hosts[0], self.hosts[1:])
        self.fronts = FRONTS[:fronts]
        for _ in range(count):
            self.add_backend()
        self.front_relays = [
            self.make_front(host, address, front_ini or {}) for host, address in zip(self.hosts, self.fronts)
        ]
        self.front = self.front_relays[0]

    def make_front(self, host, address, ini):
        relay = OwnRelay(
            self.stages,
            host,
            ini={
                "backends": " ".join(self.backends),
                "fronts": " ".join(front for front in self.fronts if front != address),
                "backend_secret_file": SECRET,
                **self.ini,
                **ini,
            },
            without=["notifyd"],
        )
        relay.settings["listen"] = ""
        relay.etc = self.etc
        return relay

    def add_backend(self):
        """Adds a machine that the front does not know yet."""
        address = f"10.0.0.{11 + len(self.backends)}"
        host = Host(f"{address}/24")
        self.cables[address] = Switch.plug(self.hosts[0], host)
        self.hosts.append(host)
        relay = OwnRelay(
            self.stages,
            host,
            ini={"backend_listen": address, "fronts": " ".join(self.fronts), "backend_secret_file": SECRET, **self.ini},
            without=["postfix", "milter", "nginx", "httpd"],
        )
        relay.settings["listen"] = ""
        relay.etc = self.etc
        self.backends[address] = relay
        return address

    def start(self):
        for relay in (*self.backends.values(), *self.front_relays):
            relay.start()
        return self

    def stop(self):
        for relay in (*self.front_relays, *self.backends.values()):
            relay.stop()
        for host in self.hosts:
            host.stop()

    def unplug(self, address):
        """Packets to it are lost, as to a host without power."""
        self.hosts[0].run("ip", "link", "set", self.cables[address], "down")

    def plug(self, address):
        self.hosts[0].run("ip", "link", "set", self.cables[address], "up")

    def set_backends(self, backends, search=True):
        """Does the work of an operator who changes the list."""
        for front in self.front_relays:
            front.ini.update(backends=" ".join(backends), backends_search=str(search).lower())
            front.write_ini()
            front.inside("doveadm", "reload", dovecot=True)
            front.restart_service("milter")
            front.restart_service("httpd")

    def places(self):
        """{address of an account: the backends that store it}"""
        found = {}
        for address, relay in self.backends.items():
            mailboxes = relay.path(f"/home/vmail/mail/{relay.domain}")
            for password in mailboxes.glob("*/password"):
                found.setdefault(password.parent.name, []).append(address)
        return found
