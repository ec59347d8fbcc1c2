"""Messages as clients write them: encrypted ones, secure-join requests and cleartext."""

import base64
import os
import uuid
from email.utils import formatdate


def crc24(data):
    """RFC 9580 6.1.1."""
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    return crc & 0xFFFFFF


def packet(tag, body):
    """One packet with a new-format header, RFC 9580 4.2.1."""
    if len(body) < 192:
        length = bytes([len(body)])
    else:
        length = b"\xff" + len(body).to_bytes(4, "big")
    return bytes([0xC0 | tag]) + length + body


def pgp_message(size=500):
    """A message that looks like OpenPGP to anybody without the key: a version 3 PKESK for an
    anonymous recipient (X25519, 18) and a version 1 SEIPD of random bytes."""
    pkesk = b"\x03" + bytes(8) + b"\x12" + os.urandom(84)
    data = packet(1, pkesk) + packet(18, b"\x01" + os.urandom(size))
    text = base64.b64encode(data).decode()
    lines = [text[i : i + 76] for i in range(0, len(text), 76)]
    if size < 100_000:
        lines.append("=" + base64.b64encode(crc24(data).to_bytes(3, "big")).decode())
    return "\n".join(["-----BEGIN PGP MESSAGE-----", "", *lines, "-----END PGP MESSAGE-----", ""])


def header(sender, recipient, subject, extra=()):
    return [
        f"From: <{sender}>",
        f"To: <{recipient}>",
        f"Subject: {subject}",
        f"Date: {formatdate()}",
        f"Message-ID: <{uuid.uuid4()}@localhost>",
        "Chat-Version: 1.0",
        "MIME-Version: 1.0",
        *extra,
    ]


def encrypted(sender, recipient, size=500, subject="[...]", extra=()):
    """PGP/MIME (RFC 3156 4) with CRLF line ends."""
    boundary = uuid.uuid4().hex
    lines = [
        *header(sender, recipient, subject, extra),
        'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted";',
        f' boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: application/pgp-encrypted",
        "",
        "Version: 1",
        "",
        f"--{boundary}",
        "Content-Type: application/octet-stream",
        "",
        *pgp_message(size).split("\n"),
        f"--{boundary}--",
        "",
    ]
    return "\r\n".join(lines).encode()


def cleartext(sender, recipient, subject="Hello", extra=()):
    lines = [
        *header(sender, recipient, subject, extra),
        "Content-Type: text/plain; charset=utf-8",
        "",
        "Anybody on the way can read this.",
        "",
    ]
    return "\r\n".join(lines).encode()


def secure_join(sender, recipient, step="vc-request"):
    boundary = uuid.uuid4().hex
    lines = [
        *header(sender, recipient, "[...]", [f"Secure-Join: {step}"]),
        f'Content-Type: multipart/mixed; boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=utf-8",
        "",
        f"Secure-Join: {step}",
        "",
        f"--{boundary}--",
        "",
    ]
    return "\r\n".join(lines).encode()


def bounce(recipient, original_id, sender, text="The mail system could not deliver the message."):
    """A delivery status notification as other mail systems send it (RFC 3464)."""
    boundary = uuid.uuid4().hex
    lines = [
        *header(sender, recipient, "Undelivered Mail Returned to Sender",
                ["Auto-Submitted: auto-replied"]),
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain",
        "",
        text,
        "",
        f"--{boundary}",
        "Content-Type: message/delivery-status",
        "",
        "Reporting-MTA: dns; peer.test",
        "",
        "Final-Recipient: rfc822; nobody@peer.test",
        "Action: failed",
        "Status: 5.1.1",
        "",
        f"--{boundary}",
        "Content-Type: text/rfc822-headers",
        "",
        f"Message-ID: {original_id}",
        "",
        f"--{boundary}--",
        "",
    ]
    return "\r\n".join(lines).encode()


def headers_of(message):
    """The message's header fields as a list of (lower-case name, value), unfolded."""
    head = message.replace(b"\r\n", b"\n").split(b"\n\n", 1)[0].decode("utf-8", "replace")
    fields = []
    for line in head.split("\n"):
        if line[:1] in " \t" and fields:
            name, value = fields[-1]
            fields[-1] = (name, value + line)
        elif ":" in line:
            name, value = line.split(":", 1)
            fields.append((name.lower(), value.strip()))
    return fields


def values(message, name):
    """All values of one header field."""
    return [value for field, value in headers_of(message) if field == name.lower()]
