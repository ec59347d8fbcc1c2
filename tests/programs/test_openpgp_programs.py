"""The output of real OpenPGP programs, checked by `chatmailctl check`.

GnuPG, Sequoia, RNP and OpenPGP.js encrypt the messages during the tests. Incoming messages come
from an address literal, which needs no DKIM signature."""

import base64
import os
import quopri
import re
import subprocess

import pytest

from support.openpgp_programs import GnuPG, Rnp, Sequoia
from support.openpgp_programs import openpgpjs as make_openpgpjs
from support.tree import BUILD

CHATMAILCTL = BUILD / "ctl/chatmailctl"

ALICE = "alice@relay.test"
PEER = "carol@[192.0.2.1]"
BIG = 1_000_000


class Check:
    """Runs `chatmailctl check` with a relay where bob refuses cleartext."""

    def __init__(self, directory):
        self.directory = directory
        self.ini = directory / "chatmail.ini"
        mailbox = directory / "mail/bob@relay.test"
        mailbox.mkdir(parents=True)
        (mailbox / "enforceE2EEincoming").touch()
        (mailbox / "password").write_text("{PLAIN}x")
        self.ini.write_text(
            f"[params]\nmail_domain = relay.test\nmailboxes_dir = {directory / 'mail'}\n"
        )

    def run(self, direction, armor, encoding="7bit", newline=b"\r\n"):
        sender = ALICE if direction == "out" else PEER
        message = wrap(sender, armor, encoding).replace(b"\n", newline)
        result = subprocess.run(
            [CHATMAILCTL, "check", "-v", "-c", self.ini, "--direction", direction,
             "--from", sender, "--to", "bob@relay.test", "-"],
            input=message, capture_output=True, timeout=60,
        )  # fmt: skip
        assert result.stderr == b"" and result.returncode in (0, 1)
        verdict, explanation = result.stdout.decode().split("\n", 1)
        assert (result.returncode == 0) == verdict.startswith("accept ")
        return verdict, explanation

    def accepts(self, armor, *, inbound_only=False, sees=()):
        """The armor in every form that mail programs write."""
        for direction in ("in", "out"):
            for encoding in ("7bit", "8bit", "base64", "quoted-printable"):
                for newline in (b"\n", b"\r\n"):
                    verdict, explanation = self.run(direction, armor, encoding, newline)
                    if inbound_only and direction == "out":
                        assert verdict.startswith("523 ")
                        continue
                    assert verdict == "accept encrypted", explanation
                    for text in sees:
                        assert re.search(text, explanation), explanation

    def refuses(self, armor, why):
        for direction in ("in", "out"):
            verdict, explanation = self.run(direction, armor)
            assert verdict == "523 Encryption Needed: Invalid Unencrypted Mail"
            assert why in explanation, explanation


def encode(text, encoding):
    if encoding == "base64":
        return base64.encodebytes(text)
    if encoding == "quoted-printable":
        return quopri.encodestring(text)
    return text


def wrap(sender, armor, encoding):
    """PGP/MIME around the armor, with LF."""
    text = armor.replace(b"\r\n", b"\n")
    head = f"""\
From: <{sender}>
To: <bob@relay.test>
Subject: [...]
MIME-Version: 1.0
Content-Type: multipart/encrypted; protocol="application/pgp-encrypted";
\tboundary="18a4b3c2_7f"

--18a4b3c2_7f
Content-Type: application/pgp-encrypted
Content-Description: PGP/MIME version identification

Version: 1

--18a4b3c2_7f
Content-Type: application/octet-stream; name="encrypted.asc"
Content-Description: OpenPGP encrypted message
Content-Disposition: inline; filename="encrypted.asc"
Content-Transfer-Encoding: {encoding}

"""
    return head.encode() + encode(text, encoding) + b"\n--18a4b3c2_7f--\n"


@pytest.fixture(scope="module")
def check(tmp_path_factory):
    return Check(tmp_path_factory.mktemp("check"))


def without_checksum(armor):
    """The output of RFC 9580 programs: the same armor without the line of the checksum."""
    shorter = re.sub(rb"\n=[A-Za-z0-9+/]{4}\n", b"\n", armor.replace(b"\r\n", b"\n"))
    assert shorter != armor
    return shorter


# --- GnuPG -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gpg(tmp_path_factory):
    gnupg = GnuPG(tmp_path_factory.mktemp("g") / "h")
    yield gnupg
    gnupg.stop()


def test_gpg_has_the_expected_version(gpg):
    assert gpg.run("--version").startswith(b"gpg (GnuPG) 2.2.")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--compress-algo", "none"],
        ["--compress-algo", "bzip2"],
        ["--throw-keyids"],
        ["--cipher-algo", "3DES"],
        ["--sign", "-u", "ecc@relay.test"],
    ],
)
def test_gpg_encrypts_to_keys_in_the_old_packet_format(check, gpg, arguments):
    armor = gpg.encrypt(*arguments, to=("rsa", "ecc"))
    check.accepts(armor, sees=["packet 1: PKESK version 3, .*old format", "packet 3: SEIPD version 1"])


def test_gpg_encrypts_to_a_password(check, gpg):
    armor = gpg.run("--armor", "--symmetric", "--passphrase", "secret")
    check.accepts(armor, sees=["packet 1: SKESK version 4"])
    check.accepts(without_checksum(armor), sees=["without checksum"])


def test_gpg_encrypts_to_keys_and_a_password(check, gpg):
    armor = gpg.encrypt("--symmetric", "--passphrase", "secret")
    check.accepts(armor, sees=["SKESK version 4", "PKESK version 3"])


@pytest.mark.parametrize("compression", ["none", "zip"])
def test_gpg_writes_big_files_in_partial_lengths(check, gpg, compression):
    armor = gpg.encrypt("--compress-algo", compression, data=os.urandom(BIG))
    check.accepts(armor, sees=["SEIPD version 1, .*partial lengths"])


@pytest.mark.parametrize("size", range(6))
def test_gpg_writes_each_length_of_padding(check, gpg, size):
    armor = gpg.encrypt("--compress-algo", "none", data=b"x" * size)
    check.accepts(armor)
    check.accepts(without_checksum(armor), sees=["without checksum"])


def test_gpg_with_a_version_line(check, gpg):
    armor = gpg.encrypt("--emit-version", "--comment", "https://gnupg.org")
    assert b"\nVersion: GnuPG" in armor
    check.accepts(armor, inbound_only=True)


def test_gpg_without_encryption_is_refused(check, gpg):
    check.refuses(gpg.run("--armor", "--sign", "-u", "ecc@relay.test"), "rule: packets")
    check.refuses(gpg.run("--armor", "--store"), "rule: packets")
    check.refuses(gpg.run("--armor", "--store", "-z0"), "rule: packets")
    check.refuses(gpg.run("--clearsign", "-u", "ecc@relay.test"), "rule: armor")
    check.refuses(gpg.run("--armor", "--detach-sign", "-u", "ecc@relay.test"), "rule: armor")
    check.refuses(gpg.run("--armor", "--export", "ecc@relay.test"), "rule: armor")


# --- Sequoia ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sq(tmp_path_factory):
    return Sequoia(tmp_path_factory.mktemp("sq"))


@pytest.mark.parametrize("compression", ["none", "zip"])
def test_sq_encrypts_to_a_key(check, sq, compression):
    armor = sq("encrypt", "--recipient-cert", "cert.pgp", "--compression", compression)
    check.accepts(armor, sees=["packet 1: PKESK version 3", "packet 2: SEIPD version 1"])


def test_sq_signs_and_encrypts(check, sq):
    armor = sq("encrypt", "--recipient-cert", "cert.pgp", "--signer-key", "key.pgp")
    check.accepts(armor)
    check.accepts(without_checksum(armor))


def test_sq_writes_very_big_files_in_partial_lengths(check, sq):
    armor = sq("encrypt", "--recipient-cert", "cert.pgp", data=os.urandom(6 * BIG))
    check.accepts(armor, sees=["partial lengths"])


def test_sq_without_encryption_is_refused(check, sq):
    check.refuses(sq("sign", "--signer-key", "key.pgp"), "rule: packets")


# --- RNP -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rnp(tmp_path_factory):
    return Rnp(tmp_path_factory.mktemp("rnp"))


@pytest.mark.parametrize("arguments", [[], ["-z", "0"], ["--sign", "--password", ""]])
def test_rnp_encrypts_to_a_key(check, rnp, arguments):
    armor = rnp("--encrypt", "-r", "bob@relay.test", *arguments)
    check.accepts(armor, sees=["PKESK version 3", "SEIPD version 1"])
    check.accepts(without_checksum(armor))


def test_rnp_encrypts_to_a_password(check, rnp):
    check.accepts(rnp("-c", "--password", "secret"), sees=["SKESK version 4"])


def test_rnp_writes_big_files_in_partial_lengths(check, rnp):
    armor = rnp("--encrypt", "-r", "bob@relay.test", "-z", "0", data=os.urandom(BIG))
    check.accepts(armor, sees=["partial lengths"])


def test_rnp_can_write_a_nonstandard_packet(check, rnp):
    armor = rnp("--encrypt", "-r", "bob@relay.test", "--aead=ocb")
    check.refuses(armor, "obsolete AEAD")


def test_rnp_without_encryption_is_refused(check, rnp):
    check.refuses(rnp("--sign", "--password", ""), "rule: packets")


# --- OpenPGP.js ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def openpgpjs(tmp_path_factory):
    return make_openpgpjs(tmp_path_factory.mktemp("openpgpjs"))


@pytest.mark.parametrize(
    "name, sees",
    [
        ("seipd1", ["PKESK version 3", "SEIPD version 1"]),
        ("seipd1-signed", ["SEIPD version 1"]),
        ("seipd1-two-keys", ["packet 2: PKESK", "packet 3: SEIPD version 1"]),
        ("seipd1-anonymous", ["PKESK version 3"]),
        ("seipd1-large", ["SEIPD version 1, 10"]),
        ("seipd1-password", ["SKESK version 4", "SEIPD version 1"]),
        ("seipd2", ["PKESK version 6", "SEIPD version 2", "without checksum"]),
        ("seipd2-signed", ["PKESK version 6", "SEIPD version 2"]),
        ("seipd2-large", ["SEIPD version 2, 10"]),
        ("seipd2-password", ["SKESK version 6", "SEIPD version 2"]),
    ],
)
def test_openpgpjs_encrypts(check, openpgpjs, name, sees):
    check.accepts(openpgpjs[name], sees=sees)


def test_openpgpjs_with_a_version_line(check, openpgpjs):
    check.accepts(openpgpjs["seipd1-headers"], inbound_only=True)


def test_openpgpjs_without_encryption_is_refused(check, openpgpjs):
    check.refuses(openpgpjs["signed-only"], "rule: packets")
