"""Hostile HTTP through the real nginx: slow, greedy and forged. By HTTP/2: test_hostile_http2.py.

Each test asks for a limit's effect, and that another client is served meanwhile."""

import http.client
import json
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.http2 import DATA, END_HEADERS, HEADERS, PREFACE, REQUEST, frame
from support.relay import trusting

PATIENCE = 300

# Once is enough: Dovecot is not involved. With 2.4-musl, our programs run on musl, too.
pytestmark = pytest.mark.skipif(
    "config.getoption('--dovecot') not in ('2.3', '2.4-musl')", reason="nothing of Dovecot"
)


@pytest.fixture(scope="module")
def relay(make_relay):
    relay = make_relay(ini={"log_addresses": "true"}, without=["dovecot", "opendkim", "notifyd"])
    answer = raw(relay, "127.0.40.100", b"POST /new HTTP/1.1\r\nHost: relay.test\r\nConnection: close\r\n\r\n")
    relay.recipient = json.loads(answer.split(b"\r\n\r\n")[1])["email"]
    return relay


def connect(relay, source, alpn=None, port="https_port"):
    context = trusting()
    if alpn:
        context.set_alpn_protocols([alpn])
    raw = socket.create_connection(("127.0.0.1", relay.ports[port]), PATIENCE, (source, 0))
    return context.wrap_socket(raw, server_hostname=relay.domain)


def all_of(connection):
    """Returns all bytes until the connection is closed."""
    data = b""
    try:
        while part := connection.recv(65536):
            data += part
    except TimeoutError:
        raise AssertionError("the connection stays open") from None
    except OSError:
        pass
    return data


def raw(relay, source, request, **options):
    with connect(relay, source, **options) as connection:
        try:
            connection.sendall(request)
        except OSError:
            pass
        return all_of(connection)


def served(relay, source="127.0.40.200", path="/en/"):
    answer = raw(relay, source, b"GET %s HTTP/1.1\r\nHost: relay.test\r\nConnection: close\r\n\r\n" % path.encode())
    return answer.startswith(b"HTTP/1.1 200 ")


def status(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else None


# --- Slow ---


def silent(relay):
    """No TLS at all."""
    return socket.create_connection(("127.0.0.1", relay.ports["https_port"]), PATIENCE, ("127.0.40.1", 0))


def half_a_hello(relay):
    """A TLS handshake that stops in the middle."""
    connection = silent(relay)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = trusting().wrap_bio(incoming, outgoing, server_hostname=relay.domain)
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()
    connection.sendall(outgoing.read())
    return connection


def half_a_header(relay):
    connection = connect(relay, "127.0.40.1")
    connection.sendall(b"GET / HTTP/1.1\r\nHost: relay.te")
    return connection


def half_a_body(relay):
    connection = connect(relay, "127.0.40.1")
    connection.sendall(b"POST /new HTTP/1.1\r\nHost: relay.test\r\nContent-Length: 100\r\n\r\nabc")
    return connection


def letter(relay):
    return (
        b"POST /mxdeliv HTTP/1.1\r\nHost: relay.test\r\nX-MAIL-FROM: a@peer.test\r\nX-MAIL-TO: %s\r\n"
        b"Content-Length: 100\r\nConnection: close\r\n\r\nabc" % relay.recipient.encode()
    )


def half_a_mail(relay):
    connection = connect(relay, "127.0.40.1")
    connection.sendall(letter(relay))
    return connection


def idle(relay):
    connection = connect(relay, "127.0.40.1")
    connection.sendall(b"GET /en/ HTTP/1.1\r\nHost: relay.test\r\n\r\n")
    return connection


def idle_http2(relay):
    connection = connect(relay, "127.0.40.1", "h2")
    connection.sendall(PREFACE)
    return connection


def half_a_header_on_port_80(relay):
    connection = socket.create_connection(("127.0.0.1", relay.ports["http_port"]), PATIENCE, ("127.0.40.1", 0))
    connection.sendall(b"GET / HTTP/1.1\r\n")
    return connection


def dripped(connection, start, drop=b"x"):
    """A drop a second, which is never silent for long, until nginx hangs up."""
    connection.sendall(start)
    connection.settimeout(1)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            connection.sendall(drop)
            if connection.recv(1000) == b"":
                break
        except TimeoutError:
            continue
        except OSError:
            break
    else:
        raise AssertionError("it may drip for ever")
    return connection


def dripping_header(relay):
    return dripped(connect(relay, "127.0.40.1"), b"GET / HTTP/1.1\r\nX: ")


def dripping_body(relay, path="/new", length="Content-Length: 1000\r\n\r\n"):
    start = f"POST {path} HTTP/1.1\r\nHost: relay.test\r\n{length}"
    return dripped(connect(relay, "127.0.40.1"), start.encode())


def dripping_chunk(relay):
    """What stands behind a chunk's size counts in no limit of length."""
    return dripping_body(relay, length="Transfer-Encoding: chunked\r\n\r\n1;")


def dripping_token(relay):
    return dripping_body(relay, "/invite/qr")


def dripping_page(relay):
    return dripping_body(relay, "/en/")


def dripping_http2(relay):
    start = PREFACE + frame(HEADERS, END_HEADERS, 1, REQUEST.replace(b"\x82", b"\x83"))
    return dripped(connect(relay, "127.0.40.1", "h2"), start, frame(DATA, 0, 1, b"x"))


SLOW = [
    silent, half_a_hello, half_a_header, half_a_body, half_a_mail, idle, idle_http2, half_a_header_on_port_80,
    dripping_header, dripping_body, dripping_chunk, dripping_token, dripping_page, dripping_http2,
]  # fmt: skip


def test_slow_clients_are_disconnected(relay):
    """All kinds at once, many times each."""

    def one(kind):
        with kind(relay) as connection:
            return kind.__name__, all_of(connection)

    with ThreadPoolExecutor(4 * len(SLOW)) as pool:
        ended = [pool.submit(one, kind) for kind in 4 * SLOW]
        assert served(relay)
        answers = [future.result() for future in ended]
    for name, answer in answers:
        assert status(answer) in ((200,) if name == "idle" else (None, 400, 408)), (name, answer)


def test_simultaneous_requests_of_one_address_are_limited(relay):
    """32 letters that do not end, a quarter of all places; others of that address are refused, those of another are
    not."""
    request = letter(relay)
    with ThreadPoolExecutor(60) as pool:
        answers = [pool.submit(raw, relay, "127.0.41.1", request) for _ in range(60)]
        assert served(relay)
        statuses = [status(answer.result()) for answer in answers]
    # On a slow machine the first have been hung up on before the last come.
    assert 1 <= statuses.count(429) <= 60 - 32, statuses


# --- Greedy ---


@pytest.mark.parametrize("head", [
    b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\nHost: relay.test\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: relay.test\r\nX: " + b"a" * 300_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: relay.test\r\n" + b"Cookie: a=b; c=d; e=f\r\n" * 20_000 + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: relay.test\r\nX" + b"x" * 100_000 + b": y\r\n\r\n",
], ids=["path", "value", "count", "name"])  # fmt: skip
def test_huge_headers_are_refused(relay, head):
    assert status(raw(relay, "127.0.42.1", head)) in (None, 400, 414, 431, 494)
    assert served(relay)


@pytest.mark.parametrize("path, length", [("/new", 1025), ("/cgi-bin/newemail.py", 1025), ("/invite/qr", 1025), ("/en/", 16_385)])
@pytest.mark.parametrize("chunked", [False, True])
def test_huge_bodies_are_refused(relay, path, length, chunked):
    head = f"POST {path} HTTP/1.1\r\nHost: relay.test\r\nConnection: close\r\n".encode()
    if chunked:
        body = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % length + b"a" * length + b"\r\n0\r\n\r\n"
    else:
        body = b"Content-Length: %d\r\n\r\n" % length + b"a" * length
    # A request for a file has no use for a body, so nginx need not read it.
    assert status(raw(relay, "127.0.42.2", head + body)) in ((405, 413) if path == "/en/" else (413,))


# --- Forged ---


SMUGGLED = b"POST /new HTTP/1.1\r\nHost: relay.test\r\nContent-Length: 0\r\n\r\n"
# Each with nginx's answer: two readers could understand these in two ways.
SMUGGLING = {
    "both lengths": (400, b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "two lengths": (400, b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED)),
    "signed length": (400, b"Content-Length: +0\r\n\r\n"),
    "hexadecimal length": (400, b"Content-Length: 0x0\r\n\r\n"),
    "length in folds": (400, b"X: y\r\n Content-Length: 0\r\nContent-Length: \r\n\r\n"),
    "odd coding": (501, b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    "coding with a tab": (501, b"Transfer-Encoding:\tchunked, identity\r\n\r\n0\r\n\r\n"),
    "blank before the colon": (400, b"Content-Length : 0\r\n\r\n"),
    "long chunk size": (400, b"Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n"),
    "bare CR": (400, b"X: y\rContent-Length: %d\r\n\r\n" % len(SMUGGLED)),
    "NUL": (400, b"X: \0\r\n\r\n"),
}


@pytest.mark.parametrize("name", SMUGGLING)
def test_smuggled_requests(relay, name):
    """nginx rejects the request and closes the connection, so that no second request is read."""
    expected, hidden = SMUGGLING[name]
    before = len(accounts(relay))
    answer = raw(relay, "127.0.43.1", b"POST /new HTTP/1.1\r\nHost: relay.test\r\n" + hidden + SMUGGLED)
    assert status(answer) == expected, answer
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    assert len(accounts(relay)) == before


# nginx accepts these, and writes the request to chatmail-httpd in its own form.
ODD_BUT_CLEAR = {
    "line that ends in LF": b"X: y\nContent-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED,
    "length with zeros": b"Content-Length: 000%d\r\n\r\n" % len(SMUGGLED) + SMUGGLED,
    "extension of a chunk": b"Transfer-Encoding: chunked\r\n\r\n%x;a=b\r\n" % len(SMUGGLED) + SMUGGLED + b"\r\n0\r\n\r\n",
    "request in a trailer": b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: POST /new HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("name", ODD_BUT_CLEAR)
def test_a_request_in_a_body_is_a_body(relay, name):
    """One request, one answer, one account. The connection stays open for the next request."""
    before = len(accounts(relay))
    answer = raw(relay, "127.0.43.2", b"POST /new HTTP/1.1\r\nHost: relay.test\r\n" + ODD_BUT_CLEAR[name])
    assert status(answer) == 200, answer
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    assert len(accounts(relay)) == before + 1


def accounts(relay):
    return list(relay.path("/home/vmail/mail").rglob("*@*/password"))


FORGED = ["X-Forwarded-For", "x_forwarded_for", "X-Forwarded-For ", "X-Real-IP", "Forwarded", "True-Client-IP", "CF-Connecting-IP"]


@pytest.mark.parametrize("field", FORGED)
def test_forged_addresses_have_no_effect(relay, field):
    """Rate limit and log use the client's real address, whatever the client claims."""
    source = f"127.0.44.{1 + FORGED.index(field)}"
    head = f"GET /new HTTP/1.1\r\nHost: relay.test\r\n{field}: 192.0.2.77\r\n{field}: 127.0.0.1, ::1\r\n\r\n"
    raw(relay, source, head.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").encode())
    assert "192.0.2.77" not in relay.log("nginx-access") + relay.log("httpd")


def proxied(relay, address):
    """Connects like the stream server of this machine, for a client with this IPv6 address."""
    raw = socket.create_connection(("127.0.0.1", relay.ports["https_proxy_port"]), PATIENCE)
    raw.sendall(f"PROXY TCP6 {address} 2001:db8::443 1000 443\r\n".encode())
    client = http.client.HTTPConnection(relay.domain)
    client.sock = trusting().wrap_socket(raw, server_hostname=relay.domain)
    return client


def test_one_ipv6_network_is_one_client(relay):
    """Uses another address each time, until the rate is refused."""

    def flood(part):
        seen = []
        for number in range(3000):
            client = proxied(relay, f"2001:db8:1:2:{part:x}::{number:x}")
            for _ in range(20):
                client.request("GET", "/new")
                answer = client.getresponse()
                answer.read()
                seen.append(answer.status)
            client.close()
            if 429 in seen:
                break
        return seen

    with ThreadPoolExecutor(8) as pool:
        seen = sum(pool.map(flood, range(8)), [])
        client = proxied(relay, "2001:db8:1:3::1")
        client.request("POST", "/new")
        assert client.getresponse().status == 200
    assert set(seen) == {301, 429}


PATHS = [
    "/../../../etc/passwd", "/en/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd", "/..\\..\\etc",
    "/en/%00", "/style.css%00.html", "/.well-known/acme-challenge/../../../../etc/passwd", "/.well-known/acme-challenge/",
    "/.well-known/acme-challenge/%2e%2e/%2e%2e/www/en/index.html", "/mail/config-v1.1.xml/../../chatmail.ini", "//etc/passwd", "/en//../../www",
    "/.git/config", "/.htaccess", "/languages/en.ini", "/layout.html", "/metrics", "/nginx_status", "/en/invite.js/x.php", "/%c0%ae%c0%ae/",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_path_tricks_find_no_file(relay, path):
    answer = raw(relay, "127.0.45.1", f"GET {path} HTTP/1.1\r\nHost: relay.test\r\nConnection: close\r\n\r\n".encode())
    assert status(answer) in (400, 403, 404), answer
    assert b"root:" not in answer and b"mail_domain" not in answer


def test_guessing_tokens_is_stopped(relay):
    """The rate limit ends it early; the guesses are in no log."""
    relay.ini["registration"] = "invite"
    relay.write_ini()
    relay.restart_service("httpd")
    made = json.loads(relay.inside("chatmailctl", "invite", "create", "--json").stdout)["invitations"][0]

    def guess(thread):
        with connect(relay, "127.0.46.1") as connection:
            client = http.client.HTTPConnection(relay.domain)
            client.sock = connection
            seen = []
            for number in range(500):
                token = f"{number:026}".translate(str.maketrans("0123456789", "abcdefghij"))
                client.request("POST", f"/new?{token}")
                answer = client.getresponse()
                answer.read()
                seen.append(answer.status)
            return seen

    with ThreadPoolExecutor(8) as pool:
        seen = sum(pool.map(guess, range(8)), [])
    assert set(seen) == {403, 429}
    assert "aaaaaaaaaaaaaaaaaaaaaa" not in relay.log("nginx-access") + relay.log("httpd") + relay.log("nginx")
    answer = raw(relay, "127.0.46.2", f"POST /new?{made['token']} HTTP/1.1\r\nHost: relay.test\r\nContent-Length: 0\r\n\r\n".encode())
    assert status(answer) == 200
