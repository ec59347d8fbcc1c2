"""Each OpenPGP program's messages in the MIME shapes of the mail programs that people use.

All pass inward, to a user who refuses cleartext. Outward pass all but those with readable text: what a
server named the parts, an old program's descriptions, the armor headers of some OpenPGP programs."""

import base64
import subprocess

import pytest

from support.openpgp_programs import MAKERS
from support.tree import BUILD

OUT, IN = "alice@relay.test", "carol@[192.0.2.1]"
TYPE = 'multipart/encrypted; protocol="application/pgp-encrypted"'


def folded(data):
    return base64.encodebytes(data).decode().rstrip("\n")


# The body that Thunderbird and Mailvelope write.
NAMED_PARTS = """\
--BOUNDARY
Content-Type: application/pgp-encrypted
Content-Description: PGP/MIME version identification

Version: 1

--BOUNDARY
Content-Type: application/octet-stream; name="encrypted.asc"
Content-Description: OpenPGP encrypted message
Content-Disposition: inline; filename="encrypted.asc"

ARMOR

--BOUNDARY--
"""

# The parts as Exchange names and encodes them.
EXCHANGE_PARTS = """\
--BOUNDARY
Content-Type: application/pgp-encrypted; name="ATT00001.dat"
Content-Description: ATT00001.dat
Content-Disposition: attachment; filename="ATT00001.dat"; size=11;
\tcreation-date="Thu, 26 Nov 2026 04:00:00 GMT";
\tmodification-date="Thu, 26 Nov 2026 04:00:00 GMT"
Content-ID: <0123456789ABCDEF@prod.outlook.com>
Content-Transfer-Encoding: base64

VERSION64

--BOUNDARY
Content-Type: application/octet-stream; name="ATT00002.asc"
Content-Description: ATT00002.asc
Content-Disposition: attachment; filename="ATT00002.asc"; size=700
Content-Transfer-Encoding: base64

ARMOR64

--BOUNDARY--
"""

# Shape: (outward too, header fields, body). BOUNDARY, ARMOR and, in base64, VERSION64 and ARMOR64 are
# replaced.
SHAPES = {
    "thunderbird": (True, f"""\
User-Agent: Mozilla Thunderbird
Content-Language: en-US
Content-Type: multipart/encrypted;
 protocol="application/pgp-encrypted";
 boundary="BOUNDARY"
""", "This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)\n" + NAMED_PARTS),
    "k9": (True, """\
User-Agent: K-9 Mail for Android
Content-Type: multipart/encrypted; boundary="BOUNDARY";
 protocol="application/pgp-encrypted"
Content-Transfer-Encoding: 7bit
""", """\
--BOUNDARY
Content-Type: application/pgp-encrypted
Content-Transfer-Encoding: 7bit

Version: 1
--BOUNDARY
Content-Type: application/octet-stream; name="encrypted.asc"
Content-Transfer-Encoding: 7bit
Content-Disposition: inline; filename="encrypted.asc"

ARMOR
--BOUNDARY--
"""),
    "mutt": (True, f"""\
Content-Type: {TYPE};
\tboundary="BOUNDARY"
Content-Disposition: inline
User-Agent: Mutt/2.2.9
""", """\

--BOUNDARY
Content-Type: application/pgp-encrypted
Content-Disposition: attachment

Version: 1

--BOUNDARY
Content-Type: application/octet-stream
Content-Disposition: attachment; filename="msg.asc"

ARMOR

--BOUNDARY--
"""),
    "kmail": (True, f"""\
Content-Type: multipart/encrypted; boundary="BOUNDARY"; protocol="application/pgp-encrypted"
Content-Transfer-Encoding: 7Bit
""", """\
--BOUNDARY
Content-Type: application/pgp-encrypted
Content-Disposition: attachment
Content-Transfer-Encoding: 7Bit

Version: 1
--BOUNDARY
Content-Type: application/octet-stream
Content-Disposition: inline; filename="msg.asc"
Content-Transfer-Encoding: 7Bit

ARMOR

--BOUNDARY--


"""),
    "kmail of KDE 3": (False, f"""\
Content-Type: {TYPE};
  boundary="BOUNDARY"
Content-Transfer-Encoding: 7bit
Content-Disposition: inline
""", """\
--BOUNDARY
Content-Type: application/pgp-encrypted
Content-Description: version code
Content-Disposition: attachment

Version: 1
--BOUNDARY
Content-Type: application/octet-stream
Content-Description: encrypted data
Content-Disposition: inline; filename="msg.asc"

ARMOR

--BOUNDARY--
"""),
    "apple mail": (True, f"""\
Content-Type: multipart/encrypted;
\tboundary="BOUNDARY";
\tprotocol="application/pgp-encrypted"
Mime-Version: 1.0 (Mac OS X Mail 16.0 \\(3731.700.6\\))
X-Mailer: Apple Mail (2.3731.700.6)
""", """\
This is an OpenPGP/MIME encrypted message (RFC 2440 and 3156)
--BOUNDARY
Content-Transfer-Encoding: 7bit
Content-Disposition: attachment
Content-Type: application/pgp-encrypted
Content-Description: PGP/MIME Versions Identification

Version: 1

--BOUNDARY
Content-Transfer-Encoding: 7bit
Content-Disposition: inline;
\tfilename=encrypted.asc
Content-Type: application/octet-stream;
\tname=encrypted.asc
Content-Description: OpenPGP encrypted message

ARMOR

--BOUNDARY--
"""),
    "mailvelope": (True, f"""\
Content-Type: {TYPE}; boundary="BOUNDARY"
""", NAMED_PARTS),
    "flowcrypt": (True, f"""\
Openpgp: id=0123456789ABCDEF0123456789ABCDEF01234567
Content-Type: {TYPE}; boundary="BOUNDARY"
""", """\
--BOUNDARY
Content-Type: application/pgp-encrypted
Content-Transfer-Encoding: base64
Content-Description: PGP/MIME version identification

VERSION64
--BOUNDARY
Content-Type: application/octet-stream; name="encrypted.asc"
Content-Transfer-Encoding: base64
Content-Description: OpenPGP encrypted message
Content-Disposition: inline; filename="encrypted.asc"

ARMOR64
--BOUNDARY--
"""),
    "exchange": (False, f"""\
X-MS-Has-Attach: yes
Content-Type: {TYPE};
\tboundary="BOUNDARY"
""", EXCHANGE_PARTS),
}  # fmt: skip

# What Exchange makes of multipart/encrypted on some ways through it. Nothing but the names of the parts
# says that it is encrypted, so it passes neither way, as at upstream's relays.
REWRITTEN = {
    "exchange, rewritten": (False, """\
X-MS-Has-Attach: yes
Content-Type: multipart/mixed;
\tboundary="BOUNDARY"
""", """\
--BOUNDARY
Content-Type: text/plain; charset="us-ascii"
Content-Transfer-Encoding: quoted-printable


""" + EXCHANGE_PARTS),
}  # fmt: skip

# As each program makes them up.
BOUNDARIES = {
    "thunderbird": "------------0VhYpTz0VvVw0iIkX6mS2Dm0",
    "k9": "----5PDRW1VQWGJKZZ0O1F0A6UZC1A2N5B",
    "mutt": "jq0ap7NbKX2Kqbes",
    "kmail": "nextPart2231455.irdbgypaU6",
    "kmail of KDE 3": "nextPart1234567.AbCdEfGhIj",
    "apple mail": "Apple-Mail=_0A1B2C3D-4E5F-6071-8293-A4B5C6D7E8F9",
    "mailvelope": "l0e2hq6d7k3cm3u",
    "flowcrypt": "----sinikael-?=_1-17325900000000.123456789",
    "exchange": "_003_AM0PR0123456789AM0PR01MB1234eurprd_",
    "exchange, rewritten": "_004_AM0PR0123456789AM0PR01MB1234eurprd_",
}


def message(sender, shape, armor):
    _, fields, body = (SHAPES | REWRITTEN)[shape]
    armor = armor.replace(b"\r\n", b"\n").strip(b"\n")
    if "Mime-Version: " not in fields:
        fields = "MIME-Version: 1.0\n" + fields
    text = f"""\
From: <{sender}>
To: <bob@relay.test>
Subject: ...
Date: Thu, 26 Nov 2026 04:00:00 +0000
Message-ID: <0123@peer.test>
{fields}
{body}"""
    for name, value in (
        ("BOUNDARY", BOUNDARIES[shape]),
        ("VERSION64", folded(b"Version: 1\r\n")),
        ("ARMOR64", folded(armor.replace(b"\n", b"\r\n") + b"\r\n")),
        ("ARMOR", armor.decode()),
    ):
        text = text.replace(name, value)
    return text.replace("\n", "\r\n").encode()


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """`chatmailctl check` with a relay where bob refuses cleartext: (verdict, explanation)."""
    directory = tmp_path_factory.mktemp("check")
    ini = directory / "chatmail.ini"
    mailbox = directory / "mail/bob@relay.test"
    mailbox.mkdir(parents=True)
    (mailbox / "enforceE2EEincoming").touch()
    (mailbox / "password").write_text("{PLAIN}x")
    ini.write_text(f"[params]\nmail_domain = relay.test\nmailboxes_dir = {directory / 'mail'}\n")

    def run(direction, sender, data):
        result = subprocess.run(
            [BUILD / "ctl/chatmailctl", "check", "-v", "-c", ini, "--direction", direction,
             "--from", sender, "--to", "bob@relay.test", "-"],
            input=data, capture_output=True, timeout=60,
        )  # fmt: skip
        assert result.stderr == b"" and result.returncode in (0, 1)
        return result.stdout.decode().split("\n", 1)

    return run


@pytest.fixture(scope="module", params=MAKERS)
def armors(request, tmp_path_factory):
    return MAKERS[request.param](tmp_path_factory.mktemp(request.param))


def has_text(armor):
    """Armor headers: in some programs' messages there is who made it."""
    return b":" in armor.replace(b"\r\n", b"\n").split(b"\n\n")[0]


@pytest.mark.parametrize("shape", SHAPES)
def test_all_pass_inward(judge, armors, shape):
    for name, armor in armors.items():
        verdict, explanation = judge("in", IN, message(IN, shape, armor))
        assert verdict == "accept encrypted", (name, explanation)


@pytest.mark.parametrize("shape", SHAPES)
def test_those_without_text_pass_outward(judge, armors, shape):
    for name, armor in armors.items():
        verdict, explanation = judge("out", OUT, message(OUT, shape, armor))
        if SHAPES[shape][0] and not has_text(armor):
            assert verdict == "accept encrypted", (name, explanation)
        else:
            assert verdict.startswith("523 "), (name, explanation)


@pytest.mark.parametrize("shape", REWRITTEN)
def test_what_is_no_longer_multipart_encrypted_passes_neither_way(judge, armors, shape):
    for name, armor in armors.items():
        for direction, sender in (("in", IN), ("out", OUT)):
            verdict, explanation = judge(direction, sender, message(sender, shape, armor))
            assert verdict.startswith("523 "), (name, explanation)


def test_a_shape_without_encryption_passes_neither_way(judge):
    for shape in SHAPES:
        for direction, sender in (("in", IN), ("out", OUT)):
            verdict, _ = judge(direction, sender, message(sender, shape, b"Hello Bob"))
            assert verdict.startswith("523 "), (shape, direction)
