"""Two networks with a cable between them."""

import subprocess

from support.namespace import Network


class Host(Network):
    """A network with addresses besides loopback's, once a Wire connects it."""

    def __init__(self, *addresses):
        super().__init__()
        self.addresses = addresses

    def run(self, *words, **options):
        return subprocess.run(self.command(*words), check=True, **options)


class Wire:
    """A cable between two hosts; it is gone when one of them is."""

    def __init__(self, one, other):
        ends = ("wire0", one), ("wire1", other)
        names = [
            word
            for (name, host), before in zip(ends, ([], ["peer"]))
            for word in (*before, "name", name, "netns", str(host.process.pid))
        ]
        one.run("ip", "link", "add", *names[:4], "type", "veth", *names[4:])
        for name, host in ends:
            for address in host.addresses:
                # Duplicate address detection would keep an IPv6 address unusable for a second.
                more = ["nodad"] if ":" in address else []
                host.run("ip", "address", "add", address, "dev", name, *more)
            host.run("ip", "link", "set", name, "up")
