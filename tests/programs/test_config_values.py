"""Values of chatmail.ini with unusual bytes: each is refused, or every server reads it
unchanged."""

import os
import random
import re
import shutil
import subprocess

import pytest
from support.config import Machine

ENVIRONMENT = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"}
BYTES = "abcXYZ019._+@=~:-/" + "$#;{}\"'\\`%<>|&*?!()[]^, \t" + "äß日"


def read(command):
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT)
    return done.stdout.rstrip("\n")


def nginx_certificate(machine):
    """The path that nginx reports that it cannot open."""
    config = machine.path("/etc/nginx/nginx.conf")
    copy = config.with_name("here.conf")
    copy.write_text(config.read_text().replace(" /etc/nginx/chatmail", f" {config.parent}/chatmail"))
    done = subprocess.run(["nginx", "-t", "-c", copy], capture_output=True, text=True, env=ENVIRONMENT)
    return re.findall(r'cannot load certificate "(.*?)": BIO_new_file', done.stderr)


def ask_opendkim(table, key, fields):
    """What OpenDKIM finds in one of its tables."""
    done = subprocess.run(
        ["opendkim", "-Q", "-x", "/dev/null"],
        input=f"{table}\n{key}/{fields}\n", capture_output=True, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    return re.findall(r"^(?:> )*'(.*)'$", done.stdout, re.M)


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
        assert nginx_certificate(machine) == " ".join(paths).split()[:1]
    assert accepted > 2


@pytest.mark.skipif(shutil.which("opendkim", path=ENVIRONMENT["PATH"]) is None, reason="no OpenDKIM")
@pytest.mark.parametrize("seed", range(2))
def test_dkim_keys_with_unusual_bytes(tmp_path, seed):
    chance = random.Random(seed)
    machine = Machine(tmp_path)
    accepted = 0
    for _ in range(20):
        directory = chance.choice(["/srv/keys", random_path(chance), "/a" + chance.choice(BYTES) + "b"])
        selector = chance.choice(["s1", "s1" + chance.choice(BYTES) + "x"])
        machine.write_ini(dkim_keys_dir=directory, dkim_selector=selector)
        if machine.config("apply", "--no-check").returncode != 0:
            continue
        accepted += 1
        [name] = ask_opendkim(f"refile:{machine.path('/etc/dkimkeys/SigningTable')}", "x@relay.test", 1)
        assert name == f"{selector.strip()}._domainkey.relay.test"
        assert ask_opendkim(f"file:{machine.path('/etc/dkimkeys/KeyTable')}", name, 3) == [
            "relay.test", selector.strip(), f"{directory.strip()}/{selector.strip()}.private",
        ]  # fmt: skip
    assert accepted > 2


@pytest.mark.parametrize("seed", range(2))
def test_names_with_unusual_bytes(tmp_path, seed):
    chance = random.Random(seed)
    machine = Machine(tmp_path)
    accepted = 0
    for _ in range(20):
        label = "".join(chance.choice("abcXYZ019-_") for _ in range(chance.randrange(1, 9)))
        odd = chance.randrange(len(label) + 1)
        domain = chance.choice([label, label[:odd] + chance.choice(BYTES) + label[odd:]]) + ".test"
        machine.write_ini(mail_domain=domain)
        if machine.config("apply", "--no-check").returncode != 0:
            continue
        accepted += 1
        for name in ("myhostname", "myorigin", "mydestination"):
            found = read(["postconf", "-c", machine.path("/etc/postfix"), "-xh", name])
            assert found == domain.strip().lower(), name
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


@pytest.mark.parametrize("byte", " \t$#;{}\"'\\`%<")
def test_bytes_with_a_meaning_for_nginx(tmp_path, byte):
    """tests/relay/test_web*.py show that nginx reads paths of all other bytes as they are."""
    machine = Machine(tmp_path)
    for key, start in [
        ("www_folder", "/srv/"),
        ("web_listen", "unix:/run/"),
        ("mxdeliv_listen", "unix:/run/"),
    ]:
        machine.write_ini(**{key: f"{start}a{byte}b"})
        assert machine.config("apply").returncode == 2, key
    assert not machine.path("/etc/nginx").exists()


@pytest.mark.parametrize("path", ["/", "//", "/.", "/..", "/srv/..", "/srv/./mail", "srv"])
def test_mailboxes_dir_with_unusual_bytes(tmp_path, path):
    machine = Machine(tmp_path)
    machine.write_ini(mailboxes_dir=path)
    assert "mailboxes_dir" in machine.config("apply").stderr
