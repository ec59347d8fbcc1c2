"""chatmail-transport and its client, Postfix's side of its sockets."""

import os
import signal
import socket
import subprocess

from support.tree import BUILD, UNIX_USER
from support.wait import eventually

PROGRAM = BUILD / "services" / "transport" / "chatmail-transport"
BODY = b"From: a@relay.test\r\nTo: b@good.test\r\n\r\ntext\r\n..stuffed\r\n"


class Transport:
    def __init__(self, directory, world, authority, outbound, **keys):
        keys = {"outbound": outbound, "outbound_private": "true", "run_dir": directory,
                "max_message_size": "2000000", **keys}  # fmt: skip
        self.run_dir = directory / "run"
        self.run_dir.mkdir(exist_ok=True)
        self.ini = directory / "chatmail.ini"
        self.log = directory / "log"
        self.ini.write_text(
            "[params]\nmail_domain = relay.test\nresolver = 127.0.0.1\n"
            + "".join(f"{key} = {value}\n" for key, value in keys.items())
        )
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [*world.prefix, PROGRAM, "-f", "-c", self.ini, "-u", UNIX_USER, "-s", self.run_dir],
                stderr=log,
                env={**os.environ, "SSL_CERT_FILE": str(authority.certificate)},
            )
        self.socket = self.run_dir / "transport.sock"
        self.map = self.run_dir / "transport-map.sock"
        # The socket's name exists before the program listens.
        eventually(lambda: "ready\n" in self.log.read_text() or self.process.poll() is not None)
        assert self.process.poll() is None, self.log.read_text()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def ask(self, address):
        """The map's reply to Postfix about the address."""
        return ask(self.map, address)

    def send(self, recipients, body=BODY, sender="a@relay.test"):
        with Lmtp(self.socket) as lmtp:
            return lmtp.send(recipients, body, sender)


def ask(path, address):
    request = f"transport {address}".encode()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(path))
        client.sendall(b"%d:%s," % (len(request), request))
        size = b""
        while not size.endswith(b":"):
            size += client.recv(1)
        answer = b""
        while len(answer) < int(size[:-1]) + 1:
            answer += client.recv(1000)
    return answer[:-1].decode()


def has_ended(client):
    """True if the program closed the connection without a reply."""
    try:
        return client.recv(100) == b""
    except ConnectionResetError:
        return True


class Lmtp:
    def __init__(self, path):
        self.client = socket.socket(socket.AF_UNIX)
        self.client.settimeout(120)
        self.client.connect(str(path))
        self.stream = self.client.makefile("rb")
        assert self.reply().startswith("220 ")
        self.command("LHLO mx.relay.test")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()

    def reply(self):
        line = self.stream.readline().decode()
        while line[3:4] == "-":
            line = self.stream.readline().decode()
        return line.rstrip("\r\n")

    def command(self, text):
        self.client.sendall(text.encode() + b"\r\n")
        return self.reply()

    def send(self, recipients, body=BODY, sender="a@relay.test"):
        """The reply to each recipient, by address."""
        assert self.command(f"MAIL FROM:<{sender}> BODY=8BITMIME").startswith("250 ")
        replies = {address: self.command(f"RCPT TO:<{address}>") for address in recipients}
        taken = [address for address, reply in replies.items() if reply.startswith("250 ")]
        assert self.command("DATA").startswith("354 ")
        self.client.sendall(body + b".\r\n")
        return replies | {address: self.reply() for address in taken}
