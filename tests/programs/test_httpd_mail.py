"""chatmail-httpd on mxdeliv_listen, with a Postfix that accepts connections and says nothing."""

import contextlib
import socket

import pytest

from support.web import UnixConnection, Web

SHARE = 32  # per_client in services/httpd/main.c


@pytest.fixture
def postfix():
    with socket.create_server(("127.0.0.1", 0), backlog=256) as server:
        yield server


@pytest.fixture
def web(tmp_path, postfix):
    ini = {"mxdeliv_listen": f"unix:{tmp_path}/mxdeliv.sock", "mxdeliv_port": postfix.getsockname()[1]}
    web = Web(tmp_path, **ini).start()
    yield web
    assert web.stop() == 0


def begin(web, source, body=None):
    """A request; without a body, 100 bytes are missing."""
    connection = UnixConnection(web.directory / "mxdeliv.sock")
    connection.timeout = 120
    connection.putrequest("POST", "/mxdeliv")
    connection.putheader("X-Forwarded-For", source)
    connection.putheader("X-MAIL-TO", "b@relay.test")
    connection.putheader("Content-Length", "100" if body is None else str(len(body)))
    connection.endheaders(body)
    return connection


def test_one_client_has_a_quarter_of_the_places(web, postfix):
    """An IPv6 client is a network of 64 bits."""
    with contextlib.ExitStack() as stack:

        def reaches_postfix():
            postfix.settimeout(60)
            stack.enter_context(postfix.accept()[0])

        def slow(source):
            return stack.enter_context(contextlib.closing(begin(web, source)))

        for addresses in (["192.0.2.1"], ["2001:db8:1:2::1", "2001:db8:1:2:3:4:5:6"]):
            held = [slow(addresses[number % len(addresses)]) for number in range(SHARE)]
            for _ in held:
                reaches_postfix()
            for address in addresses:
                reply = slow(address).getresponse()
                assert (reply.status, reply.read()) == (429, b"too many requests at a time\n")
        for address in ("192.0.2.2", "2001:db8:1:3::1"):
            slow(address)
            reaches_postfix()


def test_a_peer_that_has_given_up_sends_no_message(web, postfix):
    """Postfix was slow. The peer sends the message another way, or once more."""
    postfix.settimeout(60)
    connection = begin(web, "192.0.2.1", b"text\r\n")
    session, _ = postfix.accept()
    session.settimeout(60)
    with session, session.makefile("rb") as commands:
        session.sendall(b"220 relay.test ESMTP\r\n")
        assert commands.readline() == b"EHLO localhost\r\n"
        connection.close()
        for reply, command in (("250", "XCLIENT"), ("220", "EHLO"), ("250", "MAIL"), ("250", "RCPT"), ("250", "DATA")):
            session.sendall(f"{reply} relay.test\r\n".encode())
            assert commands.readline().startswith(command.encode())
        session.sendall(b"354 relay.test\r\n")
        assert b"\r\n.\r\n" not in commands.read()
