"""How messages are stored; each form can be read with every configuration."""

import re

import pytest

from support.messages import encrypted

MAGIC = {"zstd": b"\x28\xb5\x2f\xfd", "gz": b"\x1f\x8b", "off": b"Return-Path:"}


@pytest.mark.parametrize("form", MAGIC)
def test_form_on_disk(make_relay, form):
    relay = make_relay(ini={"mail_compress": form}, without=["notifyd"])
    bob = relay.registered()
    assert relay.deliver("alice@peer.test", bob.address, encrypted("alice@peer.test", bob.address)) == {}
    [file] = [*relay.mailbox(bob).glob("new/*"), *relay.mailbox(bob).glob("cur/*")]
    assert file.read_bytes().startswith(MAGIC[form])


def store(relay, form):
    """Does not render the configuration again: `config apply` would change only this line."""
    path = relay.path("/etc/dovecot/dovecot.conf")
    text = path.read_text()
    text = re.sub(r"((?:zlib_save|mail_compress_write_method) =).*", rf"\1 {form}", text)
    path.write_text(text)
    relay.restart_service("dovecot")


def test_every_form_can_be_read(make_relay):
    """Upstream's configuration uses gz."""
    relay = make_relay(without=["notifyd"])
    bob = relay.registered()
    sent = []
    for form in ("zstd", "gz", "zstd", "gz"):
        store(relay, form)
        message = encrypted("alice@peer.test", bob.address)
        assert relay.deliver("alice@peer.test", bob.address, message) == {}
        sent.append(message.partition(b"\r\n\r\n")[2])
        bodies = [stored.partition(b"\r\n\r\n")[2] for stored in relay.fetch(bob)]
        assert bodies == sent
    files = [*relay.mailbox(bob).glob("new/*"), *relay.mailbox(bob).glob("cur/*")]
    forms = [form for file in files for form in MAGIC if file.read_bytes().startswith(MAGIC[form])]
    assert sorted(forms) == ["gz", "gz", "zstd", "zstd"]
