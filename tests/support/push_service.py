"""A push service: a backend that records requests and replies as configured, and real servers in
front of it.

`Backend` speaks HTTP/1.1 without TLS; nghttpx and nginx add TLS and HTTP/2."""

import asyncio
import collections
import contextlib
import signal
import socket
import subprocess
import time

from support.loop_server import LoopServer
from support.ports import free_ports
from support.wait import eventually

HANG = "hang"
RESET = "reset"


class Backend(LoopServer):
    """Records each POST. `answer` is a function from token to a status, (status, headers), HANG
    (no reply before release() is called, then 200) or RESET (the connection is closed)."""

    def __init__(self):
        super().__init__(backlog=1000)
        self.answer = lambda token: 200
        self.received = []  # (time, token), in order
        self.headers = []
        self.open_requests = 0
        self.most_open_requests = 0
        self.delay = 0
        self.released = asyncio.Event()

    def release(self):
        """Replies to all hanging requests, and to future ones."""
        self.loop.call_soon_threadsafe(self.released.set)

    async def serve(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self.serve_request(reader, writer):
                pass
        writer.close()

    async def serve_request(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        token = body.decode("latin-1")
        self.headers.append((head[0], headers))
        self.received.append((time.time(), token))
        self.open_requests += 1
        self.most_open_requests = max(self.most_open_requests, self.open_requests)
        try:
            return await self.reply(writer, self.answer(token))
        finally:
            self.open_requests -= 1

    async def reply(self, writer, answer):
        if self.delay:
            await asyncio.sleep(self.delay)
        if answer == HANG:
            await self.released.wait()
            answer = 200
        if answer == RESET:
            return False
        status, extra = answer if isinstance(answer, tuple) else (answer, {})
        lines = "".join(f"{name}: {value}\r\n" for name, value in extra.items())
        length = "" if status == 204 or "Content-Length" in extra else "Content-Length: 0\r\n"
        writer.write(f"HTTP/1.1 {status} Status\r\n{lines}{length}\r\n".encode())
        await writer.drain()
        return True

    def tokens(self):
        return [token for _, token in self.received]

    def counts(self):
        return collections.Counter(self.tokens())

    def times(self, token):
        return [moment for moment, received in self.received if received == token]

    def wait_for(self, tokens, timeout=60):
        """Waits until each of the tokens was received."""
        missing = set(tokens)

        def all_here():
            missing.difference_update(self.tokens())
            return not missing

        eventually(all_here, timeout, message="not all notifications came")


def wait_until_listening(port, process):
    def listening():
        assert process.poll() is None, f"{process.args[0]} ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    eventually(listening, message=f"nobody listens on port {port}")


class Server:
    """A TLS server in front of a backend. Subclasses start and stop it."""

    def __init__(self, directory, backend, certificate, port=None):
        self.directory = directory
        self.backend = backend
        self.certificate, self.key = certificate
        self.port = port or free_ports(1)[0]
        self.process = None

    @property
    def url(self):
        return f"https://localhost:{self.port}/notify"

    def start(self):
        self.process = subprocess.Popen(
            self.command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until_listening(self.port, self.process)
        return self

    def stop(self, number=signal.SIGKILL):
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait()
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *exception):
        self.stop()


class Nghttpx(Server):
    def command(self):
        return [
            "nghttpx",
            f"--frontend=127.0.0.1,{self.port}",
            f"--backend=127.0.0.1,{self.backend.port}",
            "--conf=/dev/null",
            # Otherwise it would run a program that queries the certificate's authority over the
            # network.
            "--no-ocsp",
            "--errorlog-file=/dev/null",
            "--backend-read-timeout=300s",
            "--frontend-http2-read-timeout=300s",
            "--backend-connections-per-host=500",
            "--backend-connections-per-frontend=500",
            str(self.key),
            str(self.certificate),
        ]


NGINX = """\
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 4096; }}
http {{
    log_format plain '$connection $server_protocol $status';
    access_log {directory}/access.log plain;
    client_body_temp_path {directory};
    proxy_temp_path {directory};
    fastcgi_temp_path {directory};
    uwsgi_temp_path {directory};
    scgi_temp_path {directory};
    keepalive_requests {keepalive_requests};
    server {{
        listen 127.0.0.1:{port} ssl {http2};
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        location / {{ {location} }}
    }}
}}
"""


class Nginx(Server):
    """http2: offer HTTP/2; keepalive_requests: afterwards GOAWAY, or the end of the HTTP/1.1
    connection; backend None: reply 200 without a backend."""

    def __init__(self, *arguments, http2=True, keepalive_requests=1000000, **options):
        super().__init__(*arguments, **options)
        self.http2 = http2
        self.keepalive_requests = keepalive_requests

    def command(self):
        self.directory.mkdir(exist_ok=True)
        # The worker runs as root, because only root can enter the directory.
        location = "return 200;"
        if self.backend is not None:
            location = (
                f"proxy_pass http://127.0.0.1:{self.backend.port};"
                " proxy_read_timeout 300s; proxy_next_upstream off;"
            )
        configuration = self.directory / "nginx.conf"
        configuration.write_text(
            NGINX.format(
                directory=self.directory,
                port=self.port,
                http2="http2" if self.http2 else "",
                keepalive_requests=self.keepalive_requests,
                certificate=self.certificate,
                key=self.key,
                location=location,
            )
        )
        return ["nginx", "-e", self.directory / "error.log", "-c", configuration]

    def access_log(self):
        """(connection, protocol, status) of each request."""
        log = self.directory / "access.log"
        return [tuple(line.split()) for line in log.read_text().splitlines()]
