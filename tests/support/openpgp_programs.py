"""Messages that the world's OpenPGP programs make: GnuPG, Sequoia, RNP, OpenPGP.js, PySequoia, rPGP,
GopenPGP and PGPy."""

import json
import subprocess
import warnings
from pathlib import Path

from support.nodejs import Node

TEXT = b"Hello Bob\n"
PROGRAMS = Path(__file__).resolve().parents[1] / "programs"


class GnuPG:
    def __init__(self, home):
        self.home = home
        home.mkdir(mode=0o700)
        for name, algorithm in (("rsa", "rsa2048"), ("ecc", "future-default")):
            self.run("--passphrase", "", "--quick-gen-key", f"{name}@relay.test", algorithm,
                     *(["encrypt", "never"] if name == "rsa" else ["default", "never"]))  # fmt: skip

    def run(self, *arguments, data=TEXT):
        return subprocess.run(
            ["gpg", "--homedir", self.home, "--batch", "--quiet", "--trust-model", "always",
             "--pinentry-mode", "loopback", *arguments],
            input=data, check=True, capture_output=True, timeout=120,
        ).stdout  # fmt: skip

    def encrypt(self, *arguments, to=("ecc",), data=TEXT):
        recipients = [item for name in to for item in ("-r", f"{name}@relay.test")]
        return self.run("--armor", "--encrypt", *recipients, *arguments, data=data)

    def stop(self):
        subprocess.run(["gpgconf", "--homedir", self.home, "--kill", "all"], check=False)


class Sequoia:
    """Sequoia's program sq."""

    def __init__(self, directory):
        self.directory = directory
        self("key", "generate", "-u", "bob@relay.test", "--export", "key.pgp")
        self("key", "extract-cert", "--output", "cert.pgp", "key.pgp")

    def __call__(self, *arguments, data=TEXT):
        return subprocess.run(
            ["sq", *arguments], cwd=self.directory, input=data, check=True, capture_output=True, timeout=120
        ).stdout


class Rnp:
    def __init__(self, home):
        self.home = home
        self.call("rnpkeys", "--generate-key", "--userid", "bob@relay.test", "--password", "")

    def call(self, program, *arguments, data=None):
        return subprocess.run(
            [program, "--homedir", self.home, *arguments],
            input=data, check=True, capture_output=True, timeout=120,
        ).stdout  # fmt: skip

    def __call__(self, *arguments, data=TEXT):
        return self.call("rnp", "--armor", *arguments, "--output", "-", "-", data=data)


def openpgpjs(directory):
    """{name: armor}: the messages of openpgpjs/make_messages.js. The library is the locked version."""
    node = Node(PROGRAMS / "openpgpjs", directory)
    return {name: text.encode() for name, text in json.loads(node.run("make_messages.js", timeout=300)).items()}


# --- What each makes for a mail program: {name: armor} ---------------------------------------------


def by_gpg(directory):
    gpg = GnuPG(directory / "h")
    try:
        return {
            "keys": gpg.encrypt(to=("rsa", "ecc")),
            "signed": gpg.encrypt("--sign", "-u", "ecc@relay.test"),
            "password": gpg.run("--armor", "--symmetric", "--passphrase", "secret"),
        }
    finally:
        gpg.stop()


def by_sq(directory):
    sq = Sequoia(directory)
    return {
        "key": sq("encrypt", "--recipient-cert", "cert.pgp"),
        "signed": sq("encrypt", "--recipient-cert", "cert.pgp", "--signer-key", "key.pgp"),
    }


def by_rnp(directory):
    rnp = Rnp(directory)
    return {
        "key": rnp("--encrypt", "-r", "bob@relay.test"),
        "signed": rnp("--encrypt", "-r", "bob@relay.test", "--sign", "--password", ""),
        "password": rnp("-c", "--password", "secret"),
    }


def by_openpgpjs(directory):
    messages = openpgpjs(directory)
    return {name: messages[name] for name in ("seipd1", "seipd1-password", "seipd2", "seipd2-signed")}


def by_pysequoia(directory):
    from pysequoia import Profile, Tsk, encrypt

    keys = {
        name: Tsk.generate("Bob <bob@relay.test>", profile=profile)
        for name, profile in (("v4", Profile.RFC4880), ("v6", Profile.RFC9580))
    }
    certificates = {name: key.extract_certificate() for name, key in keys.items()}
    return {
        **{name: encrypt(TEXT, [certificate]) for name, certificate in certificates.items()},
        "signed": encrypt(TEXT, [certificates["v6"]], keys["v6"].signer()),
        "both": encrypt(TEXT, list(certificates.values())),
        "password": encrypt(TEXT, passwords=["secret"]),
    }


def by_rpgp(directory):
    from openpgp.composed import (
        EncryptionCaps, KeyType, MessageBuilder, SecretKeyParamsBuilder, SubkeyParamsBuilder,
    )  # fmt: skip

    def pair(version):
        subkey = SubkeyParamsBuilder().version(version).key_type(KeyType.x25519())
        key = SecretKeyParamsBuilder().version(version).key_type(KeyType.ed25519())
        key = key.can_sign(True).can_certify(True).primary_user_id("Bob <bob@relay.test>")
        return key.subkey(subkey.can_encrypt(EncryptionCaps.all()).build()).generate()

    def message(*, aead, sign=None, to):
        builder = MessageBuilder.from_bytes("", TEXT)
        builder = builder.seipd_v2("aes256", "ocb") if aead else builder.seipd_v1("aes256")
        if sign is not None:
            builder = builder.sign(sign)
        return builder.encrypt_to_key(to.to_public_key()).to_armored_string().encode()

    v4, v6 = pair(4), pair(6)
    return {
        "seipd1": message(aead=False, to=v4),
        "seipd1-signed": message(aead=False, sign=v4, to=v4),
        "seipd2": message(aead=True, to=v6),
        "seipd2-signed": message(aead=True, sign=v6, to=v6),
    }


def by_gosop(directory):
    def gosop(*arguments, data=b""):
        return subprocess.run(
            ["gosop", *arguments], cwd=directory, input=data, check=True, capture_output=True, timeout=120
        ).stdout

    (directory / "secret.key").write_bytes(gosop("generate-key", "Bob <bob@relay.test>"))
    (directory / "public.key").write_bytes(gosop("extract-cert", data=(directory / "secret.key").read_bytes()))
    (directory / "password").write_bytes(b"secret")
    return {
        "key": gosop("encrypt", "public.key", data=TEXT),
        "signed": gosop("encrypt", "--sign-with", "secret.key", "public.key", data=TEXT),
        "password": gosop("encrypt", "--with-password", "password", data=TEXT),
    }


def by_pgpy(directory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pgpy
        from pgpy.constants import (
            CompressionAlgorithm, HashAlgorithm, KeyFlags, PubKeyAlgorithm, SymmetricKeyAlgorithm,
        )  # fmt: skip

        key = pgpy.PGPKey.new(PubKeyAlgorithm.RSAEncryptOrSign, 2048)
        key.add_uid(
            pgpy.PGPUID.new("Bob", email="bob@relay.test"),
            usage={KeyFlags.Sign, KeyFlags.EncryptCommunications}, hashes=[HashAlgorithm.SHA256],
            ciphers=[SymmetricKeyAlgorithm.AES256], compression=[CompressionAlgorithm.ZLIB],
        )  # fmt: skip
        message = pgpy.PGPMessage.new(TEXT.decode())
        return {
            "key": str(key.pubkey.encrypt(message)).encode(),
            "password": str(message.encrypt("secret")).encode(),
        }


MAKERS = {
    "gpg": by_gpg,
    "sq": by_sq,
    "rnp": by_rnp,
    "openpgpjs": by_openpgpjs,
    "pysequoia": by_pysequoia,
    "rpgp": by_rpgp,
    "gosop": by_gosop,
    "pgpy": by_pgpy,
}
