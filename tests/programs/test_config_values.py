"""Values of chatmail.ini with unusual bytes: each is refused, or every server reads it
unchanged."""

import os
import random
import subprocess

import pytest
from support.config import Machine

ENVIRONMENT = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"}
BYTES = "abcXYZ019._+@=~:-/" + "$#;{}\"'\\`%<>|&*?!()[]^, \t" + "äß日"


def read(command):
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT)
    return done.stdout.rstrip("\n")


def values(machine):
    """The two paths of chatmail.ini as Postfix and Dovecot read them."""
    postconf = ["postconf", "-c", machine.path("/etc/postfix"), "-h"]
    doveconf = ["doveconf", "-c", machine.path("/etc/dovecot/dovecot.conf"), "-P", "-h"]
    return {
        "postfix": [read([*postconf, f"smtpd_tls_{name}_file"]) for name in ("cert", "key")],
        "dovecot": [read([*doveconf, f"ssl_{name}"]).lstrip("<") for name in ("cert", "key")],
    }


def random_path(chance):
    text = "".join(chance.choice(BYTES) for _ in range(chance.randrange(1, 12)))
    return "/" + chance.choice(["", "srv/", "srv/" + text + "/"]) + text


@pytest.mark.parametrize("seed", range(2))
def test_paths_with_unusual_bytes(tmp_path, seed):
    chance = random.Random(seed)
    machine = Machine(tmp_path)
    accepted = 0
    for _ in range(15):
        # One odd byte in an otherwise valid path is the most likely to pass.
        sound = "/srv/" + "".join(chance.choice("abcXYZ019._+@=~:-") for _ in range(6))
        paths = [chance.choice([sound, sound + chance.choice(BYTES), random_path(chance)]), sound + "k"]
        machine.write_ini(tls_external_cert_and_key=" ".join(paths))
        done = machine.config("apply", "--no-check")
        if done.returncode != 0:
            assert "this must be two absolute paths" in done.stderr, (paths, done.stderr)
            continue
        accepted += 1
        for server, found in values(machine).items():
            assert found == " ".join(paths).split(), server
    assert accepted > 2


@pytest.mark.parametrize("byte", "$#;{}\"'\\`%<>|&*?!()[]^,")
def test_bytes_with_a_meaning_for_servers(tmp_path, byte):
    machine = Machine(tmp_path)
    for key, value in [
        ("mailboxes_dir", f"/srv/a{byte}b"),
        ("tls_external_cert_and_key", f"/srv/a{byte}b /srv/key"),
    ]:
        machine.write_ini(**{key: value})
        assert machine.config("apply").returncode == 2
    assert not machine.path("/etc/postfix").exists()


@pytest.mark.parametrize("path", ["/", "//", "/.", "/..", "/srv/..", "/srv/./mail", "srv"])
def test_mailboxes_dir_with_unusual_bytes(tmp_path, path):
    machine = Machine(tmp_path)
    machine.write_ini(mailboxes_dir=path)
    assert "mailboxes_dir" in machine.config("apply").stderr
