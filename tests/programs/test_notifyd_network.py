"""chatmail-notifyd and network failures: wrong certificates, silent name servers, connections that
end too early or never. Working requests are not delayed by hanging ones."""

import contextlib
import os
import random
import re
import signal
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

from support.notifyd import add_all, retry_state, tokens, untried
from support.push_service import HANG, RESET, Nghttpx, Nginx
from support.wait import eventually


# --- Certificates


@pytest.mark.parametrize(
    "label, options",
    [
        ("expired", {"start": "200101000000Z", "end": "210101000000Z"}),
        ("future", {"start": "400101000000Z"}),
        ("othername", {"names": "DNS:elsewhere.test"}),
    ],
)
def test_a_server_with_an_invalid_certificate_gets_no_request(
    make_notifyd, backend, authority, certificate, tmp_path, label, options
):
    server = Nginx(tmp_path / "nginx", backend, authority.issue(label, **options)).start()
    notifyd = make_notifyd(server.url).start()
    path = notifyd.add("openpgp:a")
    eventually(lambda: retry_state(path)[0] == 1)
    server.stop()
    assert backend.tokens() == []
    assert server.access_log() == []
    # once the certificate is renewed, the notification is sent without any action
    with Nginx(tmp_path / "nginx", backend, certificate, port=server.port):
        notifyd.wait_until_empty()
    assert backend.tokens() == ["openpgp:a"]


def test_a_server_of_an_unknown_authority_gets_no_request(make_notifyd, backend, push_server):
    notifyd = make_notifyd(push_server.url, ca="/etc/ssl/certs/ca-certificates.crt").start()
    path = notifyd.add("openpgp:a")
    eventually(lambda: retry_state(path)[0] == 1)
    assert backend.tokens() == []


# --- The name of the service


def discard_queries(name_server):
    """Returns the bytes that have arrived so far."""
    name_server.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while name_server.recv(512):
            pass


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a resolv.conf of its own")
def test_a_silent_name_server_blocks_nothing(make_notifyd, tmp_path):
    """The resolver waits for minutes; the notifier neither waits for it, nor is its end
    delayed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as name_server:
        name_server.bind((f"127.{random.randrange(2, 250)}.{random.randrange(250)}.1", 53))
        resolv = tmp_path / "resolv.conf"
        resolv.write_text(
            f"nameserver {name_server.getsockname()[0]}\noptions timeout:30 attempts:5\n"
        )
        own = f'mount --bind {resolv} /etc/resolv.conf && exec "$@"'
        prefix = ["unshare", "--mount", "sh", "-c", own, "sh"]
        notifyd = make_notifyd("https://push.example.test/notify", prefix=prefix).start()
        path = notifyd.add("openpgp:a")
        eventually(lambda: retry_state(path)[0] == 1)
        notifyd.hangup()
        discard_queries(name_server)
        # one more query comes with the second attempt: at the end the resolver is busy
        name_server.settimeout(60)
        name_server.recv(512)
        notifyd.process.send_signal(signal.SIGTERM)
        assert notifyd.process.wait(60) == 0
        assert path.exists()


# --- Hangs and resets


def test_a_reply_without_end_is_a_reply(notifyd, backend):
    """The status has arrived: the notification is not sent again after a restart."""
    backend.answer = lambda token: (200, {"Content-Length": "10"})
    notifyd.add("openpgp:a")
    backend.wait_for(["openpgp:a"])
    assert notifyd.stop() == 0
    assert notifyd.entries() == []
    assert notifyd.counted()["sent"] == 1


def test_hanging_requests_do_not_delay_others(notifyd, backend):
    backend.answer = lambda token: HANG if "hang" in token else 200
    before, hanging, working = tokens(100, "good"), tokens(100, "hang"), tokens(400, "work")
    add_all(notifyd, before)
    backend.wait_for(before)
    add_all(notifyd, hanging)
    backend.wait_for(hanging[:50])
    add_all(notifyd, working)
    backend.wait_for(working)
    eventually(lambda: len(notifyd.entries()) == len(hanging))
    backend.wait_for(hanging)
    backend.release()
    notifyd.wait_until_empty()
    assert backend.counts() == {token: 1 for token in before + hanging + working}


def test_hanging_retries_take_at_most_a_quarter_of_the_places(notifyd, backend):
    backend.answer = lambda token: HANG if "hang" in token else 200
    add_all(notifyd, tokens(300))  # this many replies open the window wide
    notifyd.wait_until_empty()
    for token in tokens(200, "hang"):
        notifyd.add(token, failures=1, due=time.time() - 1)

    def moments():
        return [moment for moment, token in backend.received if "hang" in token]

    eventually(lambda: len(moments()) >= 64)
    working = tokens(100, "work")
    add_all(notifyd, working)
    backend.wait_for(working)
    # A request that times out after 30 s would make room.
    assert sum(moment < moments()[0] + 20 for moment in moments()) <= 64
    backend.release()
    notifyd.wait_until_empty()


def test_a_hanging_request_times_out_and_is_retried(notifyd, backend):
    backend.answer = lambda token: HANG
    path = notifyd.add("openpgp:a")
    # The program itself waits 30 s for a reply.
    eventually(lambda: retry_state(path)[0] == 1, timeout=90)
    backend.release()
    notifyd.wait_until_empty()
    assert backend.tokens() == ["openpgp:a"] * 2


def test_a_dead_connection_is_replaced(make_notifyd, backend, certificate, tmp_path):
    """The old connection stays open and silent, while a new one would work."""
    server = Nghttpx(tmp_path, backend, certificate).start()
    forwarder = Forwarder(server.port)
    notifyd = make_notifyd(forwarder.url).start()
    notifyd.add("openpgp:before")
    notifyd.wait_until_empty()
    assert forwarder.connections == 1
    forwarder.mute()
    notifyd.add("openpgp:after")
    notifyd.wait_until_empty(timeout=120)
    assert backend.tokens() == ["openpgp:before", "openpgp:after"]
    assert forwarder.connections == 2
    forwarder.stop()
    server.stop()


def test_failing_tokens_do_not_delay_others(notifyd, backend):
    backend.answer = lambda token: RESET if "reset" in token else 200
    mixed = tokens(100, "reset") + tokens(400, "work")
    random.shuffle(mixed)
    add_all(notifyd, mixed)
    backend.wait_for(tokens(400, "work"))
    eventually(lambda: len(notifyd.entries()) == 100)


@pytest.mark.parametrize("answer", [500, 410, 302, 204], ids=str)
def test_deliberately_failing_tokens_do_not_stop_the_service(notifyd, backend, answer):
    """The server that a token names decides what the public service replies about the token."""
    backend.answer = lambda token: answer if "bad" in token else 200
    bad = tokens(200, "bad")
    add_all(notifyd, bad)
    backend.wait_for(bad)
    notifyd.add("openpgp:good")
    backend.wait_for(["openpgp:good"])
    assert "holding back" not in notifyd.log()


class RawServer:
    """Accepts connections and does something to each."""

    def __init__(self, serve):
        self.serve = serve
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self.listener.getsockname()[1]
        self.url = f"https://localhost:{self.port}/notify"
        self.open = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.open.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def stop(self):
        for connection in [self.listener, *self.open]:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()


def reset(connection):
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    except OSError:
        pass  # stop() was faster
    connection.close()


class Forwarder(RawServer):
    """Forwards bytes to a port, on connections that can be silenced."""

    def __init__(self, target):
        self.target = target
        self.muted = set()
        super().__init__(self.forward)

    def mute(self):
        """Existing connections forward nothing from now on."""
        self.muted.update(self.open)

    def forward(self, connection):
        far = socket.create_connection(("127.0.0.1", self.target))
        back = threading.Thread(target=self.copy, args=(far, connection, connection), daemon=True)
        back.start()
        self.copy(connection, far, connection)
        back.join()
        far.close()

    def copy(self, source, sink, connection):
        try:
            while data := source.recv(65536):
                if connection not in self.muted:
                    sink.sendall(data)
        except OSError:
            pass


@pytest.mark.parametrize("status", [200, 407, 410])
def test_the_reply_of_a_proxy_is_not_the_services(make_notifyd, push_server, backend, status):
    def serve(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 %d Status\r\nContent-Length: 0\r\n\r\n" % status)
        reset(connection)

    proxy = RawServer(serve)
    environment = {"https_proxy": f"http://127.0.0.1:{proxy.port}"}
    notifyd = make_notifyd(push_server.url, environment=environment).start()
    path = notifyd.add("openpgp:a")
    eventually(lambda: retry_state(path)[0] == 1)
    assert notifyd.stop() == 0
    proxy.stop()
    assert backend.tokens() == []
    assert notifyd.counted()["dead tokens"] == notifyd.counted()["sent"] == 0


def test_a_tls_handshake_that_never_completes(make_notifyd, backend, certificate, tmp_path):
    """A server that accepts the connection and sends nothing is later replaced by a good one."""
    server = RawServer(lambda connection: None)
    notifyd = make_notifyd(server.url).start()
    path = notifyd.add("openpgp:a")
    eventually(lambda: retry_state(path)[0] == 1)
    server.stop()
    with Nginx(tmp_path / "nginx", backend, certificate, port=server.port):
        notifyd.wait_until_empty()
    assert backend.tokens() == ["openpgp:a"]


def test_connection_reset_at_once(make_notifyd, backend, certificate, tmp_path):
    server = RawServer(reset)
    notifyd = make_notifyd(server.url).start()
    paths = [notifyd.add(token) for token in tokens(300)]
    eventually(lambda: "holding back" in notifyd.log())
    # a short series of failures, not one for each notification
    assert len(untried(paths)) >= 300 - 100
    tries = server.connections
    assert tries <= 100
    server.stop()
    with Nginx(tmp_path / "nginx", backend, certificate, port=server.port):
        notifyd.wait_until_empty()
    assert backend.counts() == {token: 1 for token in tokens(300)}
    assert "works again" in notifyd.log()


def test_connection_broken_after_the_request(make_notifyd, certificate):
    """The server reads the request and sends no reply: the notification is retried, not
    dropped."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    received = []

    def serve(connection):
        try:
            with context.wrap_socket(connection, server_side=True) as tls:
                received.append(tls.recv(65536))
                reset(tls)
        except OSError:
            pass

    server = RawServer(serve)
    notifyd = make_notifyd(server.url).start()
    path = notifyd.add("openpgp:a")
    eventually(lambda: retry_state(path)[0] == 1)
    server.stop()
    assert received


ENDLESS = {
    # the bytes sent without end after the request, and whether they count as a reply
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X-Header: " + b"a" * 1000 + b"\r\n", True),
    "one header": (b"HTTP/1.1 200 OK\r\nX-Header: ", b"a" * 1000, True),
    "interim answers": (b"", b"HTTP/1.1 103 Early\r\nX: y\r\n\r\n", False),
    "body": (b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 1000, True),
    "packed body": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"400\r\n" + bytes(1024) + b"\r\n",
        True,
    ),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_an_endless_reply_is_cut_off(make_notifyd, certificate, what):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    beginning, more, is_answer = ENDLESS[what]
    cut_off = threading.Event()

    def serve(connection):
        try:
            with context.wrap_socket(connection, server_side=True) as tls:
                tls.recv(65536)
                tls.sendall(beginning)
                while True:
                    tls.sendall(more * 20)
        except OSError:
            cut_off.set()

    server = RawServer(serve)
    notifyd = make_notifyd(server.url).start()
    path = notifyd.add("openpgp:a")
    if is_answer:
        notifyd.wait_until_empty()
    else:
        eventually(lambda: retry_state(path)[0] == 1)
    eventually(cut_off.is_set)
    # some megabytes at most: libcurl, OpenSSL and little more
    status = Path(f"/proc/{notifyd.process.pid}/status").read_text()
    assert int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) < 65536
    server.stop()


# --- The service fails and recovers


def test_no_burst_when_the_service_recovers(make_notifyd, backend, certificate, tmp_path):
    backend.answer = lambda token: 503
    with Nghttpx(tmp_path, backend, certificate) as server:
        notifyd = make_notifyd(server.url).start()
        paths = [notifyd.add(token) for token in tokens(3000)]
        eventually(lambda: "holding back" in notifyd.log())
        tried = len(backend.received)
        assert tried <= 120
        assert len(untried(paths)) >= 3000 - 120
        # one at a time while the service is down
        eventually(lambda: len(backend.received) > tried)
        assert len(backend.received) == tried + 1
        before = len(backend.received)
        backend.delay = 0.05
        backend.answer = lambda token: 200
        backend.wait_for(tokens(3000), timeout=180)
        # the notification that failed twice waits for a minute
        eventually(lambda: len(notifyd.entries()) <= 1)
        times = [moment for moment, _ in backend.received[before:]]
        # one, no more until its reply, then few
        assert all(moment >= times[0] + backend.delay for moment in times[1:])
        assert len([moment for moment in times if moment < times[1] + backend.delay]) <= 1 + 5
        assert backend.most_open_requests <= 256
