"""A real iroh-relay behind the relay's nginx, and clients that exchange packets through it."""

import base64
import http.client
import secrets
import shutil
import socket
import struct
from pathlib import Path

import nacl.signing
import pytest

from support.imap import get_metadata
from support.namespace import Network, OwnRelay
from support.network import network_of
from support.relay import trusting
from support.wait import eventually

PROGRAM = Path(__file__).resolve().parents[2] / "build/iroh/bin/iroh-relay"
IROH = "/shared/vendor/deltachat/irohrelay"

# Frame types (iroh-relay 0.35).
CLIENT_INFO, SEND_PACKET, RECV_PACKET, KEEP_ALIVE, PING, PONG = 2, 4, 5, 6, 12, 13


@pytest.fixture(scope="module")
def relay(stages):
    assert PROGRAM.exists(), "tests/run iroh builds it"
    bin_directory = stages.programs / "usr/local/bin"
    bin_directory.mkdir(parents=True, exist_ok=True)
    shutil.copy(PROGRAM, bin_directory)
    network = Network()
    made = OwnRelay(stages, network, without=["postfix", "milter", "notifyd", "httpd"])
    made.start()
    made.start_service("iroh")
    yield made
    made.stop()
    network.stop()


@pytest.fixture(autouse=True)
def inside(relay):
    with network_of(relay.process.pid):
        yield


def connection(relay):
    raw = socket.create_connection(("127.0.0.1", 443), timeout=60)
    return trusting().wrap_socket(raw, server_hostname=relay.domain)


class Client:
    """Does what Delta Chat's client does with a relay: the handshake, then packets by public
    key."""

    def __init__(self, relay, upgrade):
        self.key = nacl.signing.SigningKey.generate()
        self.public = bytes(self.key.verify_key)
        self.websocket = upgrade == "websocket"
        self.stream = connection(relay)
        self.file = self.stream.makefile("rb")
        headers = [f"Host: {relay.domain}", f"Upgrade: {upgrade}", "Connection: Upgrade"]
        if self.websocket:
            key = base64.b64encode(secrets.token_bytes(16)).decode()
            headers += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        request = "\r\n".join(["GET /relay HTTP/1.1", *headers, "", ""])
        self.stream.sendall(request.encode())
        self.status = self.file.readline().decode()
        while self.file.readline().strip():
            pass

    def login(self):
        message = b"\x03"  # the protocol's version in postcard's encoding
        signature = self.key.sign(message).signature
        self.send(CLIENT_INFO, "RELAY🔑".encode() + self.public + signature + message)

    def send(self, kind, content):
        if not self.websocket:
            self.stream.sendall(struct.pack(">BI", kind, len(content)) + content)
            return
        data = bytes([kind]) + content
        mask = secrets.token_bytes(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
        length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
        self.stream.sendall(b"\x82" + length + mask + masked)

    def frame(self):
        if not self.websocket:
            kind, length = struct.unpack(">BI", self.file.read(5))
            return kind, self.file.read(length)
        _, length = self.file.read(2)
        if length == 126:
            (length,) = struct.unpack(">H", self.file.read(2))
        data = self.file.read(length)
        return data[0], data[1:]

    def receive(self, wanted):
        """The content of the next frame of this type."""
        while True:
            kind, content = self.frame()
            if kind == PING:
                self.send(PONG, content)
            elif kind == wanted:
                return content
            else:
                assert kind == KEEP_ALIVE


def test_metadata_contains_the_url(relay):
    client = relay.imap(relay.registered())
    assert get_metadata(client, "", [IROH]) == {IROH: f"https://{relay.domain}"}
    client.logout()


@pytest.mark.parametrize("one", ["websocket", "iroh derp http"])
@pytest.mark.parametrize("other", ["websocket", "iroh derp http"])
def test_packets_pass_between_clients(relay, one, other):
    alice, bob = Client(relay, one), Client(relay, other)
    for client in (alice, bob):
        assert " 101 " in client.status
        client.login()
        client.send(PING, b"are you ")
        assert client.receive(PONG) == b"are you "
    for size in (1, 100, 1200, 60000):
        packet = secrets.token_bytes(size)
        alice.send(SEND_PACKET, bob.public + packet)
        assert bob.receive(RECV_PACKET) == alice.public + packet
    bob.send(SEND_PACKET, alice.public + b"and back")
    assert alice.receive(RECV_PACKET) == bob.public + b"and back"


@pytest.mark.parametrize("path, status", [("/ping", 200), ("/generate_204", 204)])
def test_probes_of_clients_are_answered(relay, path, status):
    for port in [443] if path == "/ping" else [443, 80]:
        client = http.client.HTTPConnection(relay.domain, timeout=60)
        client.sock = connection(relay) if port == 443 else socket.create_connection(("127.0.0.1", 80))
        client.request("GET", path)
        answer = client.getresponse()
        assert answer.status == status
        assert answer.read() == b""


def test_a_request_without_upgrade_is_refused(relay):
    client = http.client.HTTPConnection(relay.domain, timeout=60)
    client.sock = connection(relay)
    client.request("GET", "/relay")
    assert client.getresponse().status == 400


def test_it_listens_on_loopback_only(relay):
    pid = relay.path("/run/pids/iroh").read_text().strip()
    lines = relay.inside("ss", "-Hlnptu").stdout.splitlines()
    mine = [line.split()[4] for line in lines if f"pid={pid}," in line]
    assert mine == ["127.0.0.1:3340"]


def test_no_client_address_is_logged(relay):
    client = Client(relay, "websocket")
    client.login()
    client.stream.close()
    assert relay.log("iroh") == ""


def test_other_pages_work_while_it_is_down(relay):
    relay.stop_service("iroh")
    assert " 502 " in Client(relay, "websocket").status
    relay.start_service("iroh")
    eventually(lambda: " 101 " in Client(relay, "websocket").status)

