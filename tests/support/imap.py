"""Commands that imaplib lacks: METADATA (RFC 5464) and IDLE (RFC 2177)."""

import imaplib
import re
import socket

for name in ("GETMETADATA", "SETMETADATA"):
    imaplib.Commands[name] = ("AUTH", "SELECTED")


def get_metadata(client, mailbox, entries, options=""):
    """The entries and their values (None: NIL) as the server sent them."""
    client.untagged_responses.pop("METADATA", None)
    arguments = [options] if options else []
    status, data = client._simple_command(
        "GETMETADATA", *arguments, f'"{mailbox}"', "(" + " ".join(entries) + ")"
    )
    if status != "OK":
        raise client.error(data[-1].decode())
    return parse_metadata(client.untagged_responses.pop("METADATA", []))


def parse_metadata(parts):
    """Splits imaplib's pieces into tokens: they are (text before a literal, literal) pairs and
    plain bytes."""
    values = {}
    for part in parts:
        text, literal = part if isinstance(part, tuple) else (part, None)
        names = re.findall(rb"(/[^ ()]+)(?: (NIL)| \{\d+\})?", text)
        for entry, nil in names:
            values[entry.decode()] = None if nil else literal.decode()
    return values


def set_metadata(client, mailbox, entry, value):
    """value: None for NIL, str for a quoted string, bytes for a non-synchronizing literal. Returns
    (status, text)."""
    if value is None:
        argument = "NIL"
    elif isinstance(value, bytes):
        argument = f"{{{len(value)}+}}\r\n".encode() + value
    else:
        argument = f'"{value}"'
    if isinstance(argument, str):
        argument = argument.encode()
    tag = client._new_tag()
    client.send(
        tag + f' SETMETADATA "{mailbox}" ({entry} '.encode() + argument + b")\r\n"
    )
    status, data = client._get_tagged_response(tag, True) or client.tagged_commands.pop(tag)
    return status, data[-1].decode()


class Idle:
    """`with Idle(client) as idle`: the client idles; line() is the next line from the server;
    count is the last number of messages that it reported, also while IDLE ended, or None."""

    def __init__(self, client):
        self.client = client
        self.tag = client._new_tag()
        self.count = None

    def __enter__(self):
        self.client.send(self.tag + b" IDLE\r\n")
        assert self.client.readline().startswith(b"+")
        return self

    def __exit__(self, *exception):
        self.client.send(b"DONE\r\n")
        while not (line := self.client.readline()).startswith(self.tag):
            if not line:
                raise ConnectionError("the server hung up during IDLE")
            self.remember(line.decode())
        self.client.tagged_commands.pop(self.tag, None)

    def line(self, timeout=30):
        """Without its line end; None if no line arrives in time."""
        self.client.sock.settimeout(timeout)
        try:
            line = self.client.readline().rstrip(b"\r\n").decode()
        except socket.timeout:
            return None
        finally:
            self.client.sock.settimeout(60)
        self.remember(line)
        return line

    def remember(self, line):
        if match := re.match(r"\* (\d+) EXISTS", line):
            self.count = int(match.group(1))

    def exists(self, timeout=30):
        """The number in the next `* n EXISTS`; None if none arrives in time."""
        while (line := self.line(timeout)) is not None:
            if line.endswith(" EXISTS"):
                return self.count
        return None
