"""DKIM signatures of every kind, valid ones and such as no proper signer makes.

The tests' own signer (RFC 6376, RFC 8463): a signature that must be refused for one reason is
valid in every other respect. Real signers make valid signatures, too: see test_dkim_signers.py."""

import base64
import hashlib
import re
import subprocess

import dkim.crypto
import nacl.signing

SIGNATURE = "\0"
DEFAULT_HEADERS = ("from", "to", "subject", "date", "message-id", "mime-version", "content-type")


class RsaKey:
    algorithm = "rsa-sha256"
    type = "rsa"

    def __init__(self, bits=2048):
        self.pem = subprocess.run(
            ["openssl", "genrsa", "-traditional", str(bits)], capture_output=True, check=True
        ).stdout
        self.public = self.convert("-pubout", "-outform", "DER")
        self.public_pkcs1 = self.convert("-RSAPublicKey_out", "-outform", "DER")

    def convert(self, *options):
        return subprocess.run(
            ["openssl", "rsa", *options], input=self.pem, capture_output=True, check=True
        ).stdout

    def sign(self, digest):
        return dkim.crypto.RSASSA_PKCS1_v1_5_sign(
            digest, dkim.crypto.parse_pem_private_key(self.pem)
        )


class Ed25519Key:
    algorithm = "ed25519-sha256"
    type = "ed25519"

    def __init__(self):
        self.key = nacl.signing.SigningKey.generate()
        self.public = bytes(self.key.verify_key)
        self.seed = base64.b64encode(bytes(self.key))

    def sign(self, digest):
        return self.key.sign(digest.digest()).signature


def record(key, **tags):
    """The key's DNS record; tags are added or replaced, None removes one."""
    values = {"v": "DKIM1", "k": key.type, "p": base64.b64encode(key.public).decode(), **tags}
    return "; ".join(f"{name}={value}" for name, value in values.items() if value is not None)


def relaxed_field(name, value):
    value = re.sub(rb"[ \t\r\n]+", b" ", value).strip(b" ")
    return name.lower().rstrip(b" \t") + b":" + value


def canonical_field(name, value, form):
    return relaxed_field(name, value) if form == "relaxed" else name + b":" + value


def canonical_body(body, form):
    if form == "relaxed":
        body = re.sub(rb"[ \t]+", b" ", body)
        body = re.sub(rb" (?=\r\n|$(?![\r\n]))", b"", body)
    body = re.sub(rb"(\r\n)*\Z", b"", body)
    if form == "relaxed" and not body:
        return b""
    return body + b"\r\n"


def split(message):
    """[(name, value as received)], body."""
    head, _, body = message.partition(b"\r\n\r\n")
    fields = []
    for part in re.split(rb"\r\n(?![ \t])", head):
        name, _, value = part.partition(b":")
        fields.append((name, value))
    return fields, body


def signed_fields(fields, names, form):
    """RFC 6376 5.4.2: from the bottom up; absent fields count as empty."""
    rest = list(fields)
    for name in names:
        for position in range(len(rest) - 1, -1, -1):
            if rest[position][0].lower() == name.strip().lower().encode():
                yield canonical_field(*rest.pop(position), form) + b"\r\n"
                break


def fold(text):
    return "\r\n\t".join(text[i : i + 70] for i in range(0, len(text), 70))


def sign(
    message,
    key,
    selector,
    domain="peer.test",
    canonicalization="relaxed/relaxed",
    headers=DEFAULT_HEADERS,
    name=b"DKIM-Signature",
    digest=hashlib.sha256,
    layout=None,
    **tags,
):
    """The message with a signature at the top. tags are added or replaced, None removes one; they
    are part of the signed text, so the signature is valid except for them. layout changes the
    field's text before it is signed; SIGNATURE in it stands for the value of b=."""
    fields, body = split(message)
    header_form, _, body_form = canonicalization.partition("/")
    body_form = body_form or "simple"
    values = {
        "v": "1",
        "a": key.algorithm,
        "c": canonicalization,
        "d": domain,
        "s": selector,
        "h": ":".join(headers),
        "bh": base64.b64encode(digest(canonical_body(body, body_form)).digest()).decode(),
        **tags,
    }
    b = values.pop("b", SIGNATURE)
    text = "".join(f" {tag}={value};" for tag, value in values.items() if value is not None)
    if b is not None:
        text += f"\r\n\tb={b}"
    if layout is not None:
        text = layout(text)
    hash_ = digest()
    names = values["h"].split(":") if values["h"] else []
    for field in signed_fields(fields, names, header_form):
        hash_.update(field)
    unsigned = re.sub(f"\\s*{SIGNATURE}\\s*", "", text)
    hash_.update(canonical_field(name, unsigned.encode(), header_form))
    signature = fold(base64.b64encode(key.sign(hash_)).decode())
    return name + b":" + text.replace(SIGNATURE, signature).encode() + b"\r\n" + message
