"""chatmail-httpd as a real program: its replies, its refusals, its start and its end."""

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from support.ports import free_ports
from support.tree import BUILD, SOURCE, UNIX_USER

HTTPD = BUILD / "services/httpd/chatmail-httpd"
STATS_ADD = BUILD / "tests/programs/stats_add"
CONNECTIONS_MAX = 64  # metrics_limits in services/httpd/main.c
PATIENCE = 60  # seconds until a test stops waiting for an expected event


def wait_for(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"gave up waiting: {what}"
        time.sleep(0.02)


class Httpd:
    """A chatmail-httpd with its own directory and port."""

    def __init__(self, directory):
        self.directory = directory
        [self.port] = free_ports(1)
        self.ini = directory / "chatmail.ini"
        self.log = directory / "log"
        self.process = None
        self.configure(f"metrics_listen = 127.0.0.1:{self.port}", "web_listen =", "mxdeliv_listen =")

    def configure(self, *lines):
        self.ini.write_text(
            "\n".join(["[params]", "mail_domain = relay.test", f"run_dir = {self.directory}", *lines, ""])
        )

    def start(self, *options):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [HTTPD, "-f", "-c", self.ini, "-u", UNIX_USER, *options],
                stderr=log,
            )
        wait_for(lambda: self.process.poll() is not None or self.connects(), "start")
        assert self.process.poll() is None, self.log.read_text()

    def connects(self):
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
        except ConnectionRefusedError:
            return False
        return True

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(PATIENCE)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def exchange(self, request):
        """Sends bytes and returns all that the server sends back."""
        with self.connect() as connection:
            try:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the server closed the connection in the middle of a long request
            return read_all(connection)

    def get(self, path="/metrics", method="GET", headers=""):
        answer = self.exchange(f"{method} {path} HTTP/1.1\r\nHost: relay.test\r\n{headers}\r\n".encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        fields = (line.split(": ", 1) for line in lines[1:])
        return int(lines[0].split()[1]), {n.lower(): v for n, v in fields}, body.decode()

    def samples(self):
        status, fields, text = self.get()
        assert status == 200
        families = list(text_string_to_metric_families(text))
        return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def read_all(connection):
    data = b""
    while True:
        try:
            part = connection.recv(65536)
        except ConnectionResetError:
            return data
        if not part:
            return data
        data += part


def count(directory, *rows):
    subprocess.run([STATS_ADD, directory, *map(str, rows)], check=True)


@pytest.fixture
def httpd(tmp_path):
    server = Httpd(tmp_path)
    yield server
    if server.process is not None and server.process.poll() is None:
        server.process.kill()
        server.process.wait()


@pytest.fixture
def running(httpd):
    httpd.start()
    return httpd


# What it serves


def test_every_metric_is_served_and_described(running):
    status, fields, text = running.get()
    assert status == 200
    assert fields["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    families = list(text_string_to_metric_families(text))
    names = [family.name for family in families]
    assert len(names) == len(set(names)) >= 20
    for family in families:
        assert family.name.startswith("chatmail_")
        assert family.documentation.endswith(".")
        assert family.type in ("counter", "gauge", "histogram")
        assert family.samples
    assert {f.name: f.unit for f in families}["chatmail_milter_check_seconds"] == "seconds"


def test_reasons_of_both_directions(running):
    reasons = {
        line.split('"')[1]
        for line in (SOURCE / "common/stats/reasons.def").read_text().splitlines()
        if line.startswith("CM_REASON(")
    }
    samples = running.samples()
    for direction in ("in", "out"):
        served = {
            dict(labels)["reason"]
            for name, labels in samples
            if name == "chatmail_milter_verdicts_total" and ("direction", direction) in labels
        }
        assert served == reasons


def test_numbers_of_another_process_appear(running):
    count(running.directory, "LOGINS", 3, "PUSH_QUEUE_LENGTH", 17, "VERDICT_OUT_ENCRYPTED", 2)
    count(running.directory, "LOGINS", 4, "PUSH_QUEUE_LENGTH", 5)
    count(running.directory, *["MILTER_CHECK_MICROSECONDS", 250000] * 3)
    samples = running.samples()
    assert samples["chatmail_logins_total", ()] == 7
    assert samples["chatmail_push_queue_length", ()] == 5
    labels = (("direction", "out"), ("reason", "encrypted"))
    assert samples["chatmail_milter_verdicts_total", labels] == 2
    assert samples["chatmail_milter_check_seconds_count", ()] == 3
    assert samples["chatmail_milter_check_seconds_sum", ()] == pytest.approx(0.75)


def test_numbers_survive_kill_and_restart(running):
    count(running.directory, "REGISTRATIONS", 12)
    assert running.stop(signal.SIGKILL) == -signal.SIGKILL
    count(running.directory, "REGISTRATIONS", 1)
    running.start()
    assert running.samples()["chatmail_registrations_total", ()] == 13


def test_head_and_query(running):
    status, fields, body = running.get(method="HEAD")
    assert (status, body) == (200, "")
    assert int(fields["content-length"]) > 1000
    assert running.get("/metrics?x=y")[0] == 200


@pytest.mark.parametrize("path", ["/", "/metrics/", "//metrics", "/Metrics", "/%00", "/metrics%00x", "/%6detrics", "*"])
def test_other_paths_get_404(running, path):
    assert running.get(path)[0] in (400, 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"])
def test_other_methods_get_405(running, method):
    status, fields, _ = running.get(method=method, headers="Content-Length: 0\r\n")
    assert status == 405
    assert fields["allow"] == "GET, HEAD"


# What it refuses

MALFORMED = {
    "nothing": b"",
    "blank lines": b"\r\n" * 5000,
    "garbage": bytes(range(256)) * 20,
    "TLS": bytes.fromhex("16030100c6010000c20303") + bytes(195),
    "no version": b"GET /metrics\r\n\r\n",
    "strange version": b"GET /metrics HTTP/9.9\r\nHost: a\r\n\r\n",
    "no host": b"GET /metrics HTTP/1.1\r\n\r\n",
    "long target": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "long header": b"GET /metrics HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "many headers": b"GET /metrics HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 50_000 + b"\r\n",
    "header without colon": b"GET /metrics HTTP/1.1\r\nHost: a\r\nwhat\r\n\r\n",
    "NUL in header": b"GET /metrics HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
    "negative length": b"GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nx",
    "no number": b"GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\nx",
    "huge length": b"GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nx",
    "body": b"GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "short body": b"GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nh",
    "chunked body": b"GET /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "bad chunk": b"GET /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "endless chunk": b"GET /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"10000\r\n" + b"a" * 65536,
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_requests_get_no_metrics_and_do_no_harm(running, name):
    answer = running.exchange(MALFORMED[name])
    if name in ("no version", "strange version", "header without colon", "NUL in header"):
        # RFC 9112 3 lets a server be lenient here; the test requires only one valid reply.
        assert answer == b"" or answer.startswith(b"HTTP/1.")
    else:
        assert b" 200 " not in answer.split(b"\r\n")[0]
        assert b"chatmail_" not in answer
    assert running.get()[0] == 200
    assert running.process.poll() is None


def test_announced_body_is_refused_unread(running):
    with running.connect() as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 413 ")


def test_one_request_per_connection(running):
    request = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
    assert running.exchange(request * 3).count(b"HTTP/1.1 200 ") == 1


def test_service_recovers_when_all_connections_are_taken(running):
    """Idle connections take all places until they time out."""
    before = len(os.listdir(f"/proc/{running.process.pid}/fd"))
    idle = [running.connect() for _ in range(3 * CONNECTIONS_MAX)]
    most = len(os.listdir(f"/proc/{running.process.pid}/fd"))
    assert most <= before + CONNECTIONS_MAX + 2
    wait_for(lambda: running.exchange(b"GET /metrics HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200"), "a place")
    for connection in idle:
        connection.close()


def test_trickling_client_is_cut_off(running):
    """A byte now and then prevents the idle time-out, but not the limit on the connection's total
    time."""
    with running.connect() as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\nX: ")
        connection.setblocking(False)
        deadline = time.monotonic() + PATIENCE
        while True:
            assert time.monotonic() < deadline, "still connected"
            time.sleep(0.5)
            try:
                connection.send(b"a")
                if connection.recv(1) == b"":
                    break
            except BlockingIOError:
                continue
            except OSError:
                break
    assert running.get()[0] == 200


def test_memory_and_descriptors_do_not_grow(running):
    def measure():
        status = Path(f"/proc/{running.process.pid}/status").read_text()
        rss = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
        return rss, len(os.listdir(f"/proc/{running.process.pid}/fd"))

    def load(times):
        for i in range(times):
            running.get()
            running.exchange(MALFORMED["chunked body"])

    load(200)
    rss, descriptors = measure()
    load(1500)
    rss_after, descriptors_after = measure()
    assert descriptors_after <= descriptors + 1  # the last connection may still be closing
    assert rss_after <= rss + 512  # KiB


# How it starts and stops


def run(*arguments):
    return subprocess.run([HTTPD, *arguments], capture_output=True, text=True, timeout=PATIENCE)


def test_metrics_off(httpd):
    httpd.configure("web_listen =", "mxdeliv_listen =")
    result = run("-c", httpd.ini, "-u", UNIX_USER)
    assert result.returncode == 0
    assert f"{httpd.ini}: metrics_listen, web_listen and mxdeliv_listen are empty" in result.stderr


def test_busy_port(httpd):
    with socket.socket() as other:
        other.bind(("127.0.0.1", httpd.port))
        other.listen()
        result = run("-f", "-c", httpd.ini)
    assert result.returncode == 1
    # glibc: "Address already in use", musl: "Address in use"
    reason = f"cannot listen on 127.0.0.1:{httpd.port}: Address (already )?in use"
    assert re.search(reason, result.stderr)


def test_missing_run_directory(httpd):
    httpd.ini.write_text(httpd.ini.read_text().replace(f"run_dir = {httpd.directory}", "run_dir = /nonexistent"))
    result = run("-f", "-c", httpd.ini, "-u", UNIX_USER)
    assert result.returncode == 1
    assert "/nonexistent/stats" in result.stderr


@pytest.mark.parametrize("host", ["[::1]", "localhost"])
def test_other_forms_of_the_address(httpd, host):
    if host == "[::1]" and not Path("/proc/net/if_inet6").read_text().strip():
        pytest.skip("no IPv6 here")
    httpd.configure(f"metrics_listen = {host}:{httpd.port}", "web_listen =", "mxdeliv_listen =")
    httpd.connects = lambda: f"serving metrics on {host}:{httpd.port}" in httpd.log.read_text()
    httpd.start()
    assert "other machines" not in httpd.log.read_text()
    assert httpd.stop() == 0


def test_warns_when_not_loopback(httpd):
    httpd.configure(f"metrics_listen = 0.0.0.0:{httpd.port}", "web_listen =", "mxdeliv_listen =")
    httpd.start()
    warning = "other machines can read the metrics"
    wait_for(lambda: warning in httpd.log.read_text(), "the warning")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_stops_cleanly(running, how):
    with running.connect() as idle:
        idle.sendall(b"GET /metrics HTTP/1.1\r\n")
        assert running.stop(how) == 0
    assert running.log.read_text().splitlines()[-1].endswith("stopped")


def test_hangup_changes_nothing(running):
    running.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "takes effect at a restart" in running.log.read_text(), "the log line")
    assert running.get()[0] == 200


def test_background(httpd):
    """It serves when the starting process exits."""
    pid_file = httpd.directory / "pid"
    result = run("-c", httpd.ini, "-p", pid_file, "-u", UNIX_USER)
    assert result.returncode == 0, result.stderr
    try:
        assert httpd.get()[0] == 200
    finally:
        os.kill(int(pid_file.read_text()), signal.SIGTERM)
    wait_for(lambda: not pid_file.exists(), "the PID file's removal")
    assert not httpd.connects()
