"""Frames of HTTP/2 (RFC 9113), good ones and others."""

import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
# Of the static table, RFC 7541 A: GET and https, then the path and the name.
REQUEST = b"\x82\x87\x04\x04/new\x01\x0arelay.test"
STATUS_200, STATUS_405 = b"\x88", b"\x08\x03405"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def frames(stream):
    """(kind, flags, number of the stream, payload) of each frame, up to the end of file."""
    while len(header := stream.read(9)) == 9:
        length = int.from_bytes(header[:3], "big")
        kind, flags, number = struct.unpack(">BBI", header[3:])
        yield kind, flags, number, stream.read(length)


def answer_once(connection, received):
    """A server's side of a connection: the first request with a body gets status 200, the second
    one none: the connection is reset when all of it has arrived. Before that, received(body)."""
    stream, bodies, requests = connection.makefile("rb"), {}, 0
    assert stream.read(24) == PREFACE[:24]
    # Windows that no body here fills.
    connection.sendall(frame(SETTINGS, 0, 0, b"\0\4\x7f\xff\xff\xff"))
    connection.sendall(frame(WINDOW_UPDATE, 0, 0, b"\x7f\0\0\0"))
    for kind, flags, number, payload in frames(stream):
        if kind == SETTINGS and not flags & ACK:
            connection.sendall(frame(SETTINGS, ACK, 0))
        elif kind in (HEADERS, DATA):
            bodies[number] = bodies.get(number, b"") + (payload if kind == DATA else b"")
            if not flags & END_STREAM:
                continue
            if kind == HEADERS:  # a GET
                connection.sendall(frame(HEADERS, END_STREAM | END_HEADERS, number, STATUS_405))
                continue
            received(bodies.pop(number))
            requests += 1
            if requests == 2:
                # SO_LINGER of zero: RST instead of FIN.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                stream.close()
                connection.close()
                return
            connection.sendall(frame(HEADERS, END_STREAM | END_HEADERS, number, STATUS_200))
