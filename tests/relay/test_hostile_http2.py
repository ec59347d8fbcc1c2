"""Hostile HTTP/2 through the real nginx: floods, and what they cost in memory."""

import re
from pathlib import Path

import pytest
from support.http2 import (
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, PRIORITY, REQUEST, RST_STREAM, SETTINGS, frame,
)  # fmt: skip
from support.wait import eventually
from test_hostile_web import connect, raw, served, status

# Once is enough: Dovecot is not involved. With 2.4-musl, our programs run on musl, too.
pytestmark = pytest.mark.skipif(
    "config.getoption('--dovecot') not in ('2.3', '2.4-musl')", reason="nothing of Dovecot"
)


@pytest.fixture(scope="module")
def relay(make_relay):
    return make_relay(without=["postfix", "dovecot", "milter", "opendkim", "notifyd"])


def flood(relay, source, frames):
    """Sends until nginx hangs up; False if it took everything."""
    with connect(relay, source, "h2") as connection:
        assert connection.selected_alpn_protocol() == "h2"
        connection.sendall(PREFACE)
        # It must be read, too, or both wait for ever.
        connection.settimeout(0.001)
        for data in frames:
            view = memoryview(data)
            while view:
                try:
                    view = view[connection.send(view):]
                except TimeoutError:
                    pass
                except OSError:
                    return True
            try:
                if connection.recv(65536) == b"":
                    return True
            except TimeoutError:
                pass
            except OSError:
                return True
        return False


def open_pages(relay, source, number):
    """A connection with requests whose answers nginx cannot send: the client's window is zero."""
    page = REQUEST.replace(b"/new", b"/en/")
    connection = connect(relay, source, "h2")
    connection.sendall(PREFACE.partition(b"\0")[0] + frame(SETTINGS, 0, 0, b"\0\4\0\0\0\0"))
    for stream in range(1, 2 * number, 2):
        connection.sendall(frame(HEADERS, END_HEADERS | END_STREAM, stream, page))
    return connection


def test_pages_at_once_of_one_address(relay):
    """200, however many connections they are in."""
    source, request = "127.0.48.1", b"GET /en/ HTTP/1.1\r\nHost: relay.test\r\nConnection: close\r\n\r\n"
    with open_pages(relay, source, 100), open_pages(relay, source, 99):
        assert status(raw(relay, source, request)) == 200
        with open_pages(relay, source, 1):
            eventually(lambda: status(raw(relay, source, request)) == 429, timeout=20)
            assert served(relay)
    eventually(lambda: status(raw(relay, source, request)) == 200)


def workers_memory(relay):
    """KiB that nginx's workers have in memory, all together."""
    namespace = Path(f"/proc/{(relay.home / 'pid').read_text().strip()}/ns/pid").readlink()
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            if command.startswith(b"nginx: worker process\0") and (process / "ns/pid").readlink() == namespace:
                total += int(re.search(r"VmRSS:\s+(\d+)", (process / "status").read_text())[1])
        except OSError:
            continue  # it has ended
    assert total > 0
    return total


def large_pages(relay, source, number):
    """As open_pages(), each with a header of 15 fields of 4 kB, all but the first of one byte each (RFC 7541 6.1)."""
    page = REQUEST.replace(b"/new", b"/en/")
    connection = open_pages(relay, source, 0)
    field = b"\x40\x01x\x7f\xa1\x1e" + b"a" * 4000
    connection.sendall(frame(HEADERS, END_HEADERS | END_STREAM, 1, page + field))
    for stream in range(3, 2 * number, 2):
        connection.sendall(frame(HEADERS, END_HEADERS | END_STREAM, stream, page + b"\xbe" * 15))
    return connection


def test_memory_of_large_headers(relay):
    """What 200 requests of one address hold in memory, from headers that cost the client little: 64 KiB each."""
    before = workers_memory(relay)
    source, request = "127.0.49.1", b"GET /en/ HTTP/1.1\r\nHost: relay.test\r\nConnection: close\r\n\r\n"
    with large_pages(relay, source, 100), large_pages(relay, source, 100):
        eventually(lambda: status(raw(relay, source, request)) == 429, timeout=60)
        grown = workers_memory(relay) - before
        assert served(relay)
    assert 5_000 < grown < 30_000, f"{grown} KiB"


def test_a_header_of_more_is_refused(relay):
    """60 such fields are too many. They cost nginx no more memory than 15."""
    before = workers_memory(relay)
    page = REQUEST.replace(b"/new", b"/en/")
    with large_pages(relay, "127.0.49.2", 1) as connection:
        try:
            for stream in range(3, 203, 2):
                connection.sendall(frame(HEADERS, END_HEADERS | END_STREAM, stream, page + b"\xbe" * 60))
        except OSError:
            pass  # it has hung up
        assert served(relay)
        assert workers_memory(relay) - before < 30_000


def rapid_reset():
    """CVE-2023-44487."""
    for stream in range(1, 400_000, 200):
        yield b"".join(
            frame(HEADERS, END_HEADERS | END_STREAM, number, REQUEST) + frame(RST_STREAM, 0, number, b"\0\0\0\x08")
            for number in range(stream, stream + 200, 2)
        )


def continuation():
    """CVE-2024-27316 and its like: a header that never ends."""
    yield frame(HEADERS, END_STREAM, 1, REQUEST)
    for number in range(4000):
        yield frame(CONTINUATION, 0, 1, b"\0\x04x%03d\x7f\xa1\x1f" % (number % 1000) + b"a" * 4256)


def empty_continuation():
    yield frame(HEADERS, END_STREAM, 1, REQUEST)
    for _ in range(2000):
        yield frame(CONTINUATION, 0, 1) * 500


def settings():
    """CVE-2019-9515: each wants an answer."""
    for _ in range(2000):
        yield frame(SETTINGS, 0, 0, b"\0\3\0\0\0\x64") * 500


def pings():
    """CVE-2019-9512."""
    for _ in range(2000):
        yield frame(PING, 0, 0, b"12345678") * 500


def priorities():
    """CVE-2019-9513."""
    for _ in range(2000):
        yield b"".join(frame(PRIORITY, 0, number, b"\0\0\0\0\x10") for number in range(1, 1000, 2))


def empty_data():
    """CVE-2019-9518."""
    yield frame(HEADERS, END_HEADERS, 1, REQUEST)
    for _ in range(2000):
        yield frame(DATA, 0, 1) * 500


FLOODS = [rapid_reset, continuation, empty_continuation, settings, pings, priorities, empty_data]


@pytest.mark.parametrize("frames", FLOODS)
def test_floods_by_http2(relay, frames):
    """nginx hangs up, and needs no memory for it."""
    source = f"127.0.47.{1 + FLOODS.index(frames)}"
    before = workers_memory(relay)
    assert flood(relay, source, frames())
    assert served(relay)
    assert workers_memory(relay) - before < 20_000
