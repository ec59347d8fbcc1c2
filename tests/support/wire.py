"""Two networks with a cable between them."""

import subprocess

from support.namespace import Network


class Host(Network):
    """A network with addresses beside loopback's, once a Wire connects it."""

    def __init__(self, *addresses):
        super().__init__()
        self.addresses = addresses
        self.cards = 0

    def run(self, *words, **options):
        return subprocess.run(self.command(*words), check=True, **options)

    def card(self):
        """A name for a new network interface."""
        self.cards += 1
        return f"wire{self.cards}"


class Wire:
    """A cable between two hosts; it disappears when one of them does. addresses: the first host's
    addresses at this cable, if not its usual ones."""

    def __init__(self, one, other, addresses=None):
        names = one.card(), other.card()
        ends = [word for name, host in zip(names, (one, other))
                for word in ("name", name, "netns", host.process.pid)]  # fmt: skip
        one.run("ip", "link", "add", *ends[:4], "type", "veth", "peer", *ends[4:])
        configure(one, names[0], one.addresses if addresses is None else addresses)
        configure(other, names[1], other.addresses)


def configure(host, name, addresses):
    for address in addresses:
        # Duplicate address detection would delay the use of an IPv6 address by a second.
        more = ["nodad"] if ":" in address else []
        host.run("ip", "address", "add", address, "dev", name, *more)
    host.run("ip", "link", "set", name, "up")


class Switch:
    """Cables from the first host to all others, which form one network."""

    def __init__(self, one, others):
        one.run("ip", "link", "add", "switch", "type", "bridge")
        configure(one, "switch", one.addresses)
        for other in others:
            self.plug(one, other)

    @staticmethod
    def plug(one, other):
        """Returns the name of the first host's end."""
        name = f"wire{one.cards + 1}"
        Wire(one, other, addresses=[])
        one.run("ip", "link", "set", name, "master", "switch")
        return name
