"""Signatures of real signers are accepted: dkimpy, OpenDKIM, rspamd."""

import base64
import subprocess

import dkim
import pytest

from support.dkim_signer import record
from support.dkim_verdict import RECIPIENT, SENDER, VALID, encrypted, expect, name_of
from support.milter import Connection
from support.wait import eventually

FORMS = ["simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_signature_of_dkimpy(request, milter, dns, selector, form, kind):
    key = request.getfixturevalue(kind)
    dns.txt(name_of(selector), record(key))
    message = encrypted()
    header = dkim.sign(
        message,
        selector.encode(),
        b"peer.test",
        key.pem if kind == "rsa" else key.seed,
        canonicalize=tuple(part.encode() for part in form.split("/")),
        signature_algorithm=key.algorithm.encode(),
    )
    expect(milter, header + message, VALID)


class OpenDkim(Connection):
    """A real OpenDKIM in signing mode; a connection to it plays the mail server."""

    def __init__(self, path):
        super().__init__(path, client=("127.0.0.1", 25))

    def receive(self):
        while True:
            command, data = super().receive()
            if command == b"h":  # add a header field: name, value
                name, value = data.split(b"\0")[:2]
                self.inserted.append(name + b":" + value.replace(b"\n", b"\r\n"))
            else:
                return command, data

    def signature(self, message):
        self.send(b"H", b"peer.test\0")
        self.answer()
        self.message(message, SENDER, [RECIPIENT])
        fields = [field for field in self.inserted if field.startswith(b"DKIM-Signature")]
        assert len(fields) == 1
        return fields[0] + b"\r\n"


# Not ed25519 with simple header fields: OpenDKIM 2.11 then signs another text than it sends, and
# dkimpy rejects the signature, too.
@pytest.mark.parametrize(
    "kind, form",
    [*(("rsa", form) for form in FORMS), *(("ed25519", form) for form in FORMS[2:])],
)
def test_signature_of_opendkim(request, milter, dns, selector, tmp_path, form, kind):
    key = request.getfixturevalue(kind)
    private = tmp_path / "key.pem"
    if kind == "rsa":
        private.write_bytes(key.pem)
    else:
        der = bytes.fromhex("302e020100300506032b657004220420") + bytes(key.key)
        private.write_text(
            "-----BEGIN PRIVATE KEY-----\n"
            + base64.b64encode(der).decode()
            + "\n-----END PRIVATE KEY-----\n"
        )
    private.chmod(0o600)
    socket = tmp_path / "opendkim.sock"
    configuration = tmp_path / "opendkim.conf"
    configuration.write_text(
        f"Mode s\nDomain peer.test\nSelector {selector}\nKeyFile {private}\n"
        f"SignatureAlgorithm {key.algorithm}\nCanonicalization {form}\n"
        f"Socket local:{socket}\nOversignHeaders From\nRequireSafeKeys no\nSyslog no\n"
    )
    process = subprocess.Popen(["opendkim", "-f", "-x", configuration])
    try:
        eventually(socket.exists)
        message = encrypted()
        with OpenDkim(socket) as connection:
            signature = connection.signature(message)
    finally:
        process.kill()
        process.wait()
    dns.txt(name_of(selector), record(key))
    expect(milter, signature + message, VALID)


class Rspamd(OpenDkim):
    """A real rspamd in signing mode. It replies only at the end of a message, whatever was
    negotiated."""

    def answer(self):
        pass

    def end_of_message(self, *arguments):
        super().end_of_message(*arguments)
        super().answer()


def rspamd_configuration(directory, selector, key):
    # rspamd compiles the list of top-level domains for 20 seconds, so it gets a short one.
    domains = directory / "domains"
    domains.write_text("test\n")
    return f"""
options {{
  pidfile = "{directory}/pid"; tempdir = "{directory}"; control_socket = "{directory}/control";
  url_tld = "{domains}"; hs_cache_dir = "{directory}"; filters = "dkim";
  dns {{ nameserver = ["127.0.0.1:9"]; }}
}}
logging {{ type = "file"; filename = "{directory}/log"; }}
worker "rspamd_proxy" {{
  bind_socket = "{directory}/rspamd.sock mode=0600"; milter = true; count = 1;
  upstream "local" {{ default = true; self_scan = true; }}
}}
modules {{ path = "/usr/share/rspamd/plugins/dkim_signing.lua"; }}
dkim {{ }}
dkim_signing {{
  path = "{key}"; selector = "{selector}"; sign_authenticated = true; sign_local = true;
  use_domain = "header"; use_esld = false; allow_username_mismatch = true;
}}
"""


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_signature_of_rspamd(request, milter, dns, selector, tmp_path, kind):
    key = request.getfixturevalue(kind)
    private = tmp_path / "key"
    if kind == "rsa":
        command = ["openssl", "pkcs8", "-topk8", "-nocrypt", "-outform", "DER"]
        private.write_bytes(subprocess.check_output(command, input=key.pem))
    else:
        private.write_bytes(base64.b64encode(bytes(key.key) + key.public))
    configuration = tmp_path / "rspamd.conf"
    configuration.write_text(rspamd_configuration(tmp_path, selector, private))
    socket = tmp_path / "rspamd.sock"
    process = subprocess.Popen(["rspamd", "-f", "-i", "-c", configuration])
    try:
        eventually(socket.exists, timeout=120)  # rspamd first compiles patterns
        message = encrypted()
        with Rspamd(socket) as connection:
            signature = connection.signature(message)
    finally:
        process.terminate()
        process.wait()
    dns.txt(name_of(selector), record(key))
    assert b"h=from:from:" in signature
    expect(milter, signature + message, VALID)
