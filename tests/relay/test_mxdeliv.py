"""Mail from other relays over HTTPS: nginx, chatmail-httpd, and Postfix on a separate port."""

import gzip
import http.client
import random
import socket

import pytest

from support.messages import cleartext, encrypted
from support.peer import Peer
from support.relay import trusting
from support.wait import eventually


@pytest.fixture(scope="module")
def peer(dns):
    return Peer(dns, "mxdeliv.test")


@pytest.fixture
def bob(relay):
    return relay.registered()


def post(relay, message, sender, recipients, method="POST", headers=()):
    """(HTTP status, text)."""
    client = http.client.HTTPSConnection(
        "127.0.0.1", relay.ports["https_port"], context=trusting(), timeout=120
    )
    client.putrequest(method, "/mxdeliv")
    if sender is not None:
        client.putheader("X-MAIL-FROM", sender)
    for recipient in recipients:
        client.putheader("X-MAIL-TO", recipient)
    for name, value in headers:
        client.putheader(name, value)
    if isinstance(message, bytes):
        client.putheader("Content-Length", str(len(message)))
        client.endheaders(message)
    else:
        client.putheader("Transfer-Encoding", "chunked")
        client.endheaders(message, encode_chunked=True)
    reply = client.getresponse()
    text = reply.read().decode()
    client.close()
    return reply.status, text


def stuffed(message):
    return message.replace(b"\r\n.", b"\r\n..")


def test_a_message_is_delivered(relay, peer, bob):
    message = peer.sign(encrypted(peer.address(), bob.address))
    status, text = post(relay, message, peer.address(), [bob.address])
    assert (status, text[:4]) == (200, "250 "), text
    [stored] = relay.messages(bob)
    assert b"BEGIN PGP MESSAGE" in stored


def test_a_chunked_message_is_delivered(relay, peer, bob):
    message = peer.sign(encrypted(peer.address(), bob.address, size=200000))
    pieces = (message[i : i + 5000] for i in range(0, len(message), 5000))
    assert post(relay, pieces, peer.address(), [bob.address])[0] == 200
    relay.messages(bob)


def test_a_bounce_has_no_sender(relay, peer, bob):
    message = peer.sign(encrypted(peer.address(), bob.address))
    assert post(relay, message, None, [bob.address])[0] == 200
    relay.messages(bob)


def test_refusals_of_port_25_are_the_same(relay, peer, bob):
    sender, nobody = peer.address(), relay.account().address
    unsigned = encrypted(sender, bob.address)
    clear = peer.sign(cleartext(sender, bob.address))
    unknown = peer.sign(encrypted(sender, nobody))
    for message, to, expected in (
        (unsigned, bob.address, "554 5.7.1 No DKIM signature found"),
        (clear, bob.address, "523 "),
        (unknown, nobody, "550 5.1.1 "),
        (unknown, "someone@elsewhere.test", "554 5.7.1 "),
    ):
        status, text = post(relay, message, sender, [to])
        assert (status, text[: len(expected)]) == (400, expected), text
    relay.settle()
    assert relay.fetch(bob) == [] and relay.queue() == []


@pytest.mark.parametrize(
    "recipients, expected",
    [
        ([], "501 "),
        (["a b@relay.test"], "553 "),
        (["<bob@relay.test>"], "553 "),
        (["bob@relay.test> SIZE=1"], "553 "),
        (["x" * 400 + "@relay.test"], "553 "),
    ],
)
def test_malformed_recipients(relay, peer, bob, recipients, expected):
    message = peer.sign(encrypted(peer.address(), bob.address))
    status, text = post(relay, message, peer.address(), recipients)
    assert (status, text[:4]) == (400, expected), text


@pytest.mark.parametrize("count, expected", [(500, "500 Invalid FROM"), (501, "452 4.5.3 Too many")])
def test_many_recipients(relay, peer, count, expected):
    """As many as are allowed reach Postfix and the milter, which misses the From field."""
    unknown = [f"{number:04}{'x' * 45}@relay.test" for number in range(count)]
    status, text = post(relay, b"x\r\n", peer.address(), unknown)
    assert (status, text[: len(expected)]) == (400, expected), text


# The requests as the senders' HTTP libraries write them: hyper with lower-case names and in wire
# form, Go with its own spelling of names, a body without dot-stuffing, and one recipient.
FILTERMAIL = """\
POST /mxdeliv HTTP/1.1
x-mail-from: {sender}
x-mail-to: {bob}
x-mail-to: {carol}
accept: */*
host: relay.test
content-length: {length}

"""
MADMAIL = """\
POST /mxdeliv HTTP/1.1
Host: relay.test
User-Agent: Go-http-client/1.1
Content-Length: {length}
Content-Type: application/octet-stream
X-Mail-From: {sender}
X-Mail-To: {bob}
Accept-Encoding: gzip

"""


def speak(relay, request, body):
    """The status line and the body of the reply."""
    with socket.create_connection(("127.0.0.1", relay.ports["https_port"]), 60) as plain:
        with trusting().wrap_socket(plain, server_hostname="relay.test") as client:
            client.sendall(request.replace("\n", "\r\n").encode() + body)
            answer = http.client.HTTPResponse(client)
            answer.begin()
            text = answer.read()
            if answer.headers["Content-Encoding"] == "gzip":
                text = gzip.decompress(text)
            return answer.status, text


@pytest.mark.parametrize("request_", [FILTERMAIL, MADMAIL], ids=["filtermail", "madmail"])
def test_requests_of_other_senders(relay, peer, bob, request_):
    carol = relay.registered()
    message = peer.sign(encrypted(peer.address(), bob.address))
    recipients = [bob, carol] if request_ is FILTERMAIL else [bob]
    body = stuffed(message) if request_ is FILTERMAIL else message
    names = {"sender": peer.address(), "bob": bob.address, "carol": carol.address}
    status, text = speak(relay, request_.format(length=len(body), **names), body)
    assert (status, text[:4]) == (200, b"250 "), text
    for recipient in recipients:
        [stored] = relay.messages(recipient)
        assert b"BEGIN PGP MESSAGE" in stored
    # The recipients do not exist: the status is never 200.
    names = {name: relay.account().address for name in ("bob", "carol")}
    request_ = request_.format(length=len(body), sender=peer.address(), **names)
    status, text = speak(relay, request_, body)
    assert (status, text[:9]) == (400, b"550 5.1.1"), text


def test_only_post_is_allowed(relay):
    assert post(relay, b"", None, [], method="GET")[0] == 405
    assert post(relay, b"", None, [], method="PUT")[0] == 405


def test_the_size_limit(make_relay, dns):
    relay = make_relay(ini={"max_message_size": "100000"})
    peer, bob = Peer(dns, "large.test"), relay.registered()
    message = peer.sign(encrypted(peer.address(), bob.address, size=90000))
    assert post(relay, message, peer.address(), [bob.address])[0] == 413
    small = peer.sign(encrypted(peer.address(), bob.address, size=50000))
    assert post(relay, small, peer.address(), [bob.address])[0] == 200


def test_no_body_ends_a_message_early(relay, peer, bob):
    """A lone dot in the body, doubled dots, bare line feeds: one message arrives, or none."""
    other = relay.registered()
    evil = f"MAIL FROM:<>\r\nRCPT TO:<{other.address}>\r\nDATA\r\n".encode()
    evil += encrypted("x@[192.0.2.7]", other.address)
    message = peer.sign(encrypted(peer.address(), bob.address))
    for end in (b"\r\n.\r\n", b"\n.\r\n", b"\n.\n", b"\r\n.\n", b"\r.\r", b"\r\n..\r\n"):
        status, _ = post(relay, message + end + evil, peer.address(), [bob.address])
        assert status == 400, end
    relay.settle()
    assert relay.fetch(other) == relay.fetch(bob) == []


@pytest.mark.parametrize("end", (b"", b".", b".\r\n"))
def test_the_terminating_dot_is_not_part_of_the_message(relay, peer, bob, end):
    message = peer.sign(encrypted(peer.address(), bob.address))
    assert post(relay, stuffed(message) + end, peer.address(), [bob.address])[0] == 200
    [stored] = relay.messages(bob)
    assert not stored.rstrip().endswith(b".")


def test_the_peers_address_counts(relay, bob):
    """Mail from an address literal is accepted only from that address, and only nginx may set the
    address."""
    for headers in ((), (("X-Forwarded-For", "192.0.2.77"),)):
        sender = "x@[192.0.2.77]"
        message = encrypted(sender, bob.address)
        status, _ = post(
            relay, message, sender, [bob.address, relay.account().address], headers=headers
        )
        assert status == 200
    relay.settle()
    assert [e for e in relay.queue() if e["sender"] == "MAILER-DAEMON"] == []


def test_without_postfix_the_peer_tries_smtp(make_relay, dns):
    relay = make_relay()
    peer, bob = Peer(dns, "later.test"), relay.registered()
    relay.stop_service("postfix")
    message = peer.sign(encrypted(peer.address(), bob.address))
    assert post(relay, message, peer.address(), [bob.address])[0] == 503


def test_a_client_that_hangs_up_sends_nothing(relay, peer, bob):
    message = peer.sign(encrypted(peer.address(), bob.address, size=50000))
    for _ in range(20):
        connection = http.client.HTTPSConnection(
            "127.0.0.1", relay.ports["https_port"], context=trusting(), timeout=60
        )
        connection.putrequest("POST", "/mxdeliv")
        connection.putheader("X-MAIL-TO", bob.address)
        connection.putheader("Content-Length", str(len(message)))
        connection.endheaders(message[: random.randrange(len(message) - 1)])
        connection.close()
    relay.settle()
    assert relay.fetch(bob) == []


def process_of(relay, name):
    return relay.inside("pgrep", "-x", name).stdout.split()[0]


def test_a_stop_waits_for_the_reply_of_postfix(make_relay, dns):
    """A peer that got no reply would send the message once more."""
    relay = make_relay()
    peer, bob = Peer(dns, "restart.test"), relay.registered()
    message = peer.sign(encrypted(peer.address(), bob.address, size=100_000))
    half = len(message) // 2

    def stored(length):
        files = [path.stat() for path in relay.path("/var/spool/postfix/incoming").rglob("*") if path.is_file()]
        return sum(file.st_size for file in files) > length

    client = http.client.HTTPSConnection(
        "127.0.0.1", relay.ports["https_port"], context=trusting(), timeout=120
    )
    client.putrequest("POST", "/mxdeliv")
    client.putheader("X-MAIL-FROM", peer.address())
    client.putheader("X-MAIL-TO", bob.address)
    client.putheader("Content-Length", str(len(message)))
    client.endheaders(message[:half])
    eventually(lambda: stored(10_000))
    milter = process_of(relay, "chatmail-milter")
    relay.inside("kill", "-STOP", milter)
    client.send(message[half:])
    eventually(lambda: stored(len(message) - 5000))
    relay.inside("kill", process_of(relay, "chatmail-httpd"))
    eventually(lambda: "stopped" in relay.log("httpd"))
    relay.inside("kill", "-CONT", milter)
    reply = client.getresponse()
    assert (reply.status, reply.read()[:4]) == (200, b"250 ")
    relay.messages(bob)


def test_thirty_megabytes_need_no_more_memory(relay, peer, bob):
    def peak():
        pid = relay.inside("pgrep", "-x", "chatmail-httpd").stdout.split()[0]
        line = relay.inside("grep", "VmHWM", f"/proc/{pid}/status").stdout
        return int(line.split()[1])

    small = peer.sign(encrypted(peer.address(), bob.address))
    large = peer.sign(encrypted(peer.address(), bob.address, size=22_000_000))
    assert post(relay, small, peer.address(), [bob.address])[0] == 200
    before = peak()
    pieces = [large[place : place + 65536] for place in range(0, len(large), 65536)]
    for body in (large, iter(pieces)):
        assert post(relay, body, peer.address(), [bob.address])[0] == 200
    # In KiB.
    assert peak() - before < 4096
    received = relay.messages(bob, 3, timeout=120)
    assert sorted(len(message) > 29_000_000 for message in received) == [False, True, True]
