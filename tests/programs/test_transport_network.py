"""chatmail-transport and a peer that disappears from the network."""

import subprocess

import pytest

from support.namespace import Network
from support.wait import eventually
from test_transport_limits import https_connections

# The body is not read: the reply comes after a small one has been sent.
NGINX = """\
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {directory};
    proxy_temp_path {directory};
    fastcgi_temp_path {directory};
    uwsgi_temp_path {directory};
    scgi_temp_path {directory};
    server {{
        listen 192.0.2.7:443 ssl http2;
        ssl_certificate {pair[0]};
        ssl_certificate_key {pair[1]};
        location / {{ return 200 "250 2.0.0 Ok"; }}
    }}
}}
"""


@pytest.fixture
def peer(tmp_path, world, authority):
    """In its own network, with a cable to the others."""
    network, there = Network(), [*world.prefix, "ip"]
    here = network.command("ip")

    def run(*words):
        subprocess.run(words, check=True)

    run(*here, "link", "add", "cable", "type", "veth", "peer", "name", "vanished", "netns", str(world.process.pid))
    for command, card, address in ((here, "cable", "192.0.2.7/24"), (there, "vanished", "192.0.2.1/24")):
        run(*command, "address", "add", address, "dev", card)
        run(*command, "link", "set", card, "up")
    directory = tmp_path / "nginx"
    directory.mkdir()
    pair = authority.issue("vanished", names="DNS:mx.vanished.test")
    (directory / "nginx.conf").write_text(NGINX.format(directory=directory, pair=pair))
    command = ["nginx", "-e", directory / "error.log", "-c", directory / "nginx.conf"]
    nginx = subprocess.Popen(network.command(*command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    eventually(lambda: ":01BB" in subprocess.check_output(network.command("cat", "/proc/net/tcp"), text=True))
    network.unplug = lambda: run(*here, "link", "set", "cable", "down")
    yield network
    nginx.kill()
    nginx.wait()
    network.stop()


def test_a_connection_that_died_without_notice_is_closed(transport, peer):
    """The kernel would try for a quarter of an hour, and each message would wait for it."""
    assert transport.send(["b@vanished.test"]) == {"b@vanished.test": "250 2.0.0 Accepted over HTTPS"}
    assert https_connections(transport.process) == 1
    peer.unplug()
    assert transport.send(["b@vanished.test"])["b@vanished.test"].startswith("451 ")
    eventually(lambda: https_connections(transport.process) == 0, timeout=60)
