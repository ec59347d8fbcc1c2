"""The mail server's side of the milter protocol, for tests of the daemon without Postfix.

It sends and reads what Postfix does, as far as chatmail-milter negotiates it."""

import socket
import struct

VERSION = 6
ACTIONS = 0x1FF
STEPS = 0x1FFFFF
NO_CONNECT, NR_HDR, NR_CONN, NR_RCPT, NR_BODY = 0x1, 0x80, 0x1000, 0x8000, 0x80000

CONTINUE, ACCEPT, REJECT, TEMPFAIL, REPLY, DISCARD, SKIP = b"c", b"a", b"r", b"t", b"y", b"d", b"s"
PROGRESS, CHANGE_HEADER, INSERT_HEADER, CHANGE_SENDER = b"p", b"m", b"i", b"e"


class Reply(Exception):
    """The milter refused: the reply as the SMTP client gets it."""

    def __init__(self, code, text):
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text


def connect(name, timeout):
    """A socket connected to a path, or to inet:PORT@HOST or inet6:PORT@HOST."""
    family, colon, place = name.partition(":")
    if colon and family in ("inet", "inet6"):
        port, _, host = place.partition("@")
        connected = socket.create_connection((host.strip("[]") or "127.0.0.1", int(port)), timeout)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected
    connected = socket.socket(socket.AF_UNIX)
    connected.settimeout(timeout)
    connected.connect(name)
    return connected


class Connection:
    """One SMTP session's connection to the milter."""

    def __init__(self, path, timeout=60, steps=STEPS, client=("192.0.2.1", 40000)):
        self.socket = connect(str(path), timeout)
        self.inserted = []
        self.negotiate(steps)
        if not self.steps & NO_CONNECT:
            self.client(*client)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        try:
            self.send(b"Q")
        except OSError:
            pass
        self.socket.close()

    def send(self, command, data=b""):
        self.socket.sendall(struct.pack(">I", len(data) + 1) + command + data)

    def read_exactly(self, length):
        data = b""
        while len(data) < length:
            part = self.socket.recv(length - len(data))
            if not part:
                raise ConnectionError("the milter closed the connection")
            data += part
        return data

    def receive(self):
        while True:
            (length,) = struct.unpack(">I", self.read_exactly(4))
            data = self.read_exactly(length)
            if data[:1] == INSERT_HEADER:
                name, value = data[5:].split(b"\0")[:2]
                self.inserted.append(name + b":" + value.replace(b"\n", b"\r\n"))
            elif data[:1] != PROGRESS:
                return data[:1], data[1:]

    def negotiate(self, steps):
        self.send(b"O", struct.pack(">III", VERSION, ACTIONS, steps))
        command, data = self.receive()
        if command != b"O":
            raise ConnectionError(f"negotiation failed: {command!r}")
        self.version, self.actions, self.steps = struct.unpack(">III", data[:12])
        self.macro_lists = {}
        rest = data[12:]
        while rest:
            (stage,) = struct.unpack(">I", rest[:4])
            names, rest = rest[4:].split(b"\0", 1)
            self.macro_lists[stage] = names.decode()

    def answer(self):
        """Reads one response. Raises Reply if it is a refusal. self.changes gets the header
        changes that the milter requests before it: [(name, index, value)...], with an empty value
        for a deletion; self.sender gets the new envelope sender, or None."""
        self.changes = []
        self.sender = None
        command, data = self.receive()
        while command in (CHANGE_HEADER, CHANGE_SENDER):
            if command == CHANGE_SENDER:
                self.sender = data.split(b"\0")[0].decode()
            else:
                (index,) = struct.unpack(">I", data[:4])
                name, value = data[4:].split(b"\0")[:2]
                self.changes.append((name.decode(), index, value))
            command, data = self.receive()
        if command in (CONTINUE, ACCEPT):
            return
        if command == REPLY:
            text = data.rstrip(b"\0").decode("utf-8", "surrogateescape")
            # Sendmail and Postfix treat the text as a format.
            raise Reply(int(text[:3]), text[4:].replace("%%", "%"))
        if command == REJECT:
            raise Reply(550, "5.7.1 Command rejected")
        if command == TEMPFAIL:
            raise Reply(451, "4.7.1 Service unavailable - try again later")
        raise ConnectionError(f"unexpected answer {command!r}")

    def client(self, address, port):
        """Reports the client of the mail server; an IPv4 address."""
        data = b"client.test\0" + b"4" + struct.pack(">H", port) + address.encode() + b"\0"
        self.send(b"C", data)
        if not self.steps & NR_CONN:
            self.answer()

    def macros(self, stage, values):
        data = stage
        for name, value in values.items():
            data += name.encode() + b"\0" + value.encode() + b"\0"
        self.send(b"D", data)

    def mail(self, sender, login=None, extra=()):
        macros = {"{mail_addr}": sender.strip("<>")}
        if login is not None:
            macros["{auth_authen}"] = login
        self.macros(b"M", {**macros, **dict(extra)})
        self.send(b"M", b"\0".join([sender.encode(), b""]))
        self.answer()

    def recipient(self, address):
        self.send(b"R", address.encode() + b"\0")
        if not self.steps & NR_RCPT:
            self.answer()

    def header(self, name, value):
        """value without the colon and the line end, folded with LF, as Postfix sends it."""
        self.send(b"L", name + b"\0" + value + b"\0")
        if not self.steps & NR_HDR:
            self.answer()

    def end_of_headers(self, queue_id="4Qx7Tz0000z1"):
        self.macros(b"N", {"i": queue_id})
        self.send(b"N")
        self.answer()

    def body(self, data):
        for start in range(0, len(data), 65535):
            self.send(b"B", data[start : start + 65535])
            if not self.steps & NR_BODY:
                self.answer()

    def end_of_message(self, queue_id="4Qx7Tz0000z1"):
        self.macros(b"E", {"i": queue_id})
        self.send(b"E")
        self.answer()

    def abort(self):
        self.send(b"A")

    def headers(self, message):
        for name, value in split_header(message)[0]:
            self.header(name, value)
        self.end_of_headers()

    def message(self, message, sender, recipients, login=None):
        """Sends a whole message. Returns None, or raises Reply. Afterwards the connection accepts
        the next message, as with Postfix."""
        try:
            self.mail(f"<{sender}>", login)
            for recipient in recipients:
                self.recipient(f"<{recipient}>")
            self.headers(message)
            self.body(split_header(message)[1])
            self.end_of_message()
        except Reply:
            self.abort()
            raise


def split_header(message):
    """([(name, value)...], body): values as libmilter gets them from Postfix: the text after the
    colon, with lines joined by LF. The message has CRLF line ends."""
    head, _, body = message.partition(b"\r\n\r\n")
    fields = []
    for line in head.split(b"\r\n"):
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1][1] += b"\n" + line
        else:
            name, _, value = line.partition(b":")
            fields.append([name, value])
    return fields, body
