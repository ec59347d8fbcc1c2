"""Free ports of the loopback interface."""

import socket


def free_ports(count):
    """Ports nobody listens on now, all different.

    Below the kernel's range for outgoing connections (32768 on), so that no client of another test
    takes one before our server has it."""
    ports = []
    start = 20000 + (int.from_bytes(__import__("os").urandom(2), "big") % 10000)
    for port in range(start, 32768):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            return ports
    raise RuntimeError("no free ports")
