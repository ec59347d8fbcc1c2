"""chatmailctl init: the files of a new relay, and files that it never overwrites."""

import json
import os
import re
import shutil
import stat
import subprocess

import pytest
from support.config import PROGRAM, TEMPLATES
from support.tree import BUILD


def init(root, *arguments, **env):
    return subprocess.run(
        [PROGRAM, "init", "--root", root, "--templates", TEMPLATES, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **env},
    )


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def settings(root, *arguments):
    command = [PROGRAM, "config", "show", "--settings", "--json", "--root", root, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_relay_with_a_name(tmp_path):
    done = init(tmp_path, "relay.example")
    assert done.returncode == 0, done.stderr
    assert "chatmailctl dns --check" in done.stdout
    assert re.search(r"^relay\.example\. +3600 IN MX +10 relay\.example\.$", done.stdout, re.M)
    assert re.search(r'^opendkim\._domainkey\.relay\.example\. +3600 IN TXT +"v=DKIM1;', done.stdout, re.M)
    ini = tmp_path / "etc/chatmail.ini"
    assert "mail_domain = relay.example\n" in ini.read_text()
    assert mode(ini) == 0o644
    key = tmp_path / "etc/dkimkeys/opendkim.private"
    assert "Private-Key: (2048 bit" in openssl("pkey", "-in", key, "-noout", "-text")
    assert mode(key) == 0o600
    assert mode(key.parent) == 0o700
    secret = tmp_path / "etc/chatmail-turn.secret"
    assert re.fullmatch("[0-9a-f]{64}\n", secret.read_text())
    assert mode(secret) == 0o640
    assert mode(tmp_path / "home/vmail/mail/relay.example") == 0o700
    assert (tmp_path / "var/lib/chatmail/acme/.well-known/acme-challenge").is_dir()
    # Until an authority has issued another certificate, the servers start with this one.
    place = tmp_path / "var/lib/acme/live/relay.example"
    assert mode(place / "privkey") == 0o600
    assert "DNS:relay.example" in openssl("x509", "-in", place / "fullchain", "-noout", "-text")
    assert not list(tmp_path.rglob(".chatmailctl-*"))


def test_the_new_relay_can_be_configured(tmp_path):
    """The commands of a new relay, one after the other."""
    assert init(tmp_path, "relay.example").returncode == 0
    done = subprocess.run(
        [PROGRAM, "config", "apply", "--root", tmp_path, "--templates", TEMPLATES, "--dovecot", "2.3"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "domain, host", [("192.0.2.1", "192.0.2.1"), ("[192.0.2.1]", "192.0.2.1"), ("2001:db8::1", "2001:DB8:0:0:0:0:0:1"), ("_test.example", "_test.example")]
)
def test_self_signed_certificate(tmp_path, domain, host):
    assert init(tmp_path, domain).returncode == 0
    certificate = tmp_path / "etc/ssl/certs/mailserver.pem"
    key = tmp_path / "etc/ssl/private/mailserver.key"
    assert mode(key) == 0o600
    text = openssl("x509", "-in", certificate, "-noout", "-text")
    assert f"IP Address:{host}" in text or f"DNS:{host}" in text
    public = openssl("pkey", "-in", key, "-pubout")
    assert openssl("x509", "-in", certificate, "-noout", "-pubkey") == public
    has_key = (tmp_path / "etc/dkimkeys/opendkim.private").exists()
    assert has_key == domain.startswith("_")


def test_existing_files_are_not_overwritten(tmp_path):
    assert init(tmp_path, "relay.example").returncode == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    done = init(tmp_path, "other.example")
    assert done.returncode == 1
    assert "exists: nothing was changed; to begin again, move it away" in done.stderr
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    # A killed run is repeated: its files stay.
    (tmp_path / "etc/chatmail.ini").unlink()
    done = init(tmp_path, "--json", "relay.example")
    made = json.loads(done.stdout)["files"]
    assert made[str(tmp_path / "etc/dkimkeys/opendkim.private")] == "kept"
    assert made[str(tmp_path / "etc/chatmail.ini")] == "created"
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_domain_in_another_script(tmp_path):
    assert init(tmp_path, "Bücher.Example").returncode == 0
    assert "mail_domain = xn--bcher-kva.example\n" in (tmp_path / "etc/chatmail.ini").read_text()


@pytest.mark.parametrize("domain", ["relay", "a b.example", "a.-b.example", "a..example", "a@b.example", "[192.0.2]", "", "x" * 64 + ".example", "_a b.example"])
def test_invalid_domain_is_refused(tmp_path, domain):
    done = init(tmp_path, domain)
    assert done.returncode == 2
    assert "not a domain name" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_commented_keys_are_the_defaults(tmp_path):
    """The value after a '#' is the value in effect."""
    assert init(tmp_path, "relay.example").returncode == 0
    ini = tmp_path / "etc/chatmail.ini"
    before = settings(tmp_path)
    text = ini.read_text()
    examples = ("tls_external_cert_and_key", "turn_secret_file")
    keys = re.findall(r"^#(\w+) =", text, re.MULTILINE)
    assert len(keys) > 20
    for key in keys:
        if key not in examples:
            text = text.replace(f"#{key} =", f"{key} =")
    ini.write_text(text)
    assert settings(tmp_path) == before
    for key in examples:
        text = text.replace(f"#{key} =", f"{key} =")
    ini.write_text(text)
    settings(tmp_path)


def listing(root):
    """Type, mode and owner of each file."""
    found = {}
    for path in root.rglob("*"):
        info = path.lstat()
        found[str(path.relative_to(root))] = (info.st_mode, info.st_uid, info.st_gid)
    return found


def test_killed_at_each_step(tmp_path):
    """The next run completes it. The DKIM key exists, because making one takes long."""
    preload = {"LD_PRELOAD": str(BUILD / "tests" / "programs" / "libkill_at.so")}
    first, saved, root, count = (tmp_path / name for name in ("first", "saved", "root", "count"))
    for path in (first, saved):
        path.mkdir()
    assert init(first, "relay.example").returncode == 0
    shutil.copytree(first / "etc/dkimkeys", saved / "etc/dkimkeys")
    shutil.copytree(saved, root)
    assert init(root, "relay.example", KILL_AT="0", KILL_COUNT=str(count), **preload).returncode == 0
    expected = listing(root)
    total = int(count.read_text().split()[-1])
    assert total > 50
    for step in range(1, total + 1, 2):
        shutil.rmtree(root)
        shutil.copytree(saved, root)
        done = init(root, "relay.example", KILL_AT=str(step), **preload)
        assert done.returncode < 0
        done = init(root, "relay.example")
        if done.returncode != 1:
            assert done.returncode == 0, done.stderr
        assert listing(root) == expected, step
        place = root / "var/lib/acme/live/relay.example"
        keys = [
            openssl(*words) for words in
            (("pkey", "-in", place / "privkey", "-pubout"), ("x509", "-in", place / "fullchain", "-pubkey", "-noout"))
        ]
        assert keys[0] == keys[1], step


def test_a_link_to_nothing_is_not_replaced(tmp_path):
    (tmp_path / "etc").mkdir()
    ini = tmp_path / "etc/chatmail.ini"
    ini.symlink_to("/nonexistent/chatmail.ini")
    done = init(tmp_path, "relay.example")
    assert done.returncode == 1 and "exists: nothing was changed" in done.stderr
    assert ini.is_symlink() and list(tmp_path.rglob("*")) == [tmp_path / "etc", ini]
