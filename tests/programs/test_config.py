"""chatmailctl config: which files it writes, which it leaves alone, and what it refuses."""

import json
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest
from support.tree import BUILD, SOURCE

PROGRAM = BUILD / "ctl" / "chatmailctl"
TEMPLATES = SOURCE / "packaging" / "config"


@pytest.fixture
def root(tmp_path):
    """A machine with a chatmail.ini and no other file."""
    (tmp_path / "etc").mkdir()
    write_ini(tmp_path)
    return tmp_path


def write_ini(root, **keys):
    lines = [f"{key} = {value}" for key, value in {"mail_domain": "relay.test", **keys}.items()]
    (root / "etc" / "chatmail.ini").write_text("\n".join(["[params]", *lines, ""]))


def config(verb, root, *arguments, templates=TEMPLATES):
    return subprocess.run(
        [PROGRAM, "config", verb, "--root", root, "--templates", templates, *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def apply(root, *arguments, **how):
    return config("apply", root, "--dovecot", "2.3", *arguments, **how)


def test_apply_writes_every_file(root):
    done = apply(root)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        word, path = line.split()
        assert word == "created"
        assert Path(path).is_relative_to(root)
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o644
        assert "{{" not in Path(path).read_text()
    assert "mydestination = relay.test\n" in (root / "etc/postfix/main.cf").read_text()


def test_nginx_can_read_the_pages_and_challenges_whatever_the_umask_is(root):
    """ACME clients do not create the directory."""
    done = subprocess.run(
        ["sh", "-c", 'umask 077; exec "$@"', "sh", PROGRAM, "config", "apply", "--root", root,
         "--templates", TEMPLATES, "--dovecot", "2.3"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name in ("www/en", "acme/.well-known/acme-challenge"):
        directory = root / "var/lib/chatmail" / name
        while directory != root:
            assert stat.S_IMODE(directory.stat().st_mode) == 0o755, directory
            directory = directory.parent


def leftovers(root):
    """Files that a finished run must not leave behind."""
    state = root / "var/lib/chatmail/config"
    found = [path for path in root.rglob("*") if path.name.startswith(".chatmailctl-")]
    return found + [path for path in state.iterdir() if path.name.startswith(("work", "next"))]


def stamps(root):
    """The state of each file, without the time of access, which reading may change."""
    found = {path: path.stat() for path in (root / "etc").rglob("*")}
    return {path: (got.st_ino, got.st_mode, got.st_ctime_ns) for path, got in found.items()}


def test_apply_again_changes_nothing(root):
    apply(root)
    before = stamps(root)
    done = apply(root, "--json")
    assert set(json.loads(done.stdout).values()) == {"unchanged"}
    assert stamps(root) == before


def test_apply_replaces_only_changed_files(root):
    write_ini(root, dkim_signing="opendkim")
    apply(root)
    main = root / "etc/postfix/main.cf"
    main.chmod(0o600)
    write_ini(root, max_message_size="1000000")
    report = json.loads(apply(root, "--json").stdout)
    changed = {Path(path).name for path, word in report.items() if word == "changed"}
    assert changed == {"main.cf", "master.cf", "dovecot.conf", "nginx.conf", "index.html"}
    assert "message_size_limit = 1000000" in main.read_text()
    assert stat.S_IMODE(main.stat().st_mode) == 0o600
    assert leftovers(root) == []


def test_show_as_json(root):
    write_ini(root, privacy_postal="Straße 1 ; \"Town\"")
    arguments = ["--dovecot", "2.4", "--json"]
    texts = json.loads(config("show", root, *arguments).stdout)
    for name in ("postfix/main.cf", "dovecot-2.4/dovecot.conf"):
        assert texts[name] == config("show", root, "--dovecot", "2.4", name).stdout
    assert list(json.loads(config("show", root, *arguments, "postfix/main.cf").stdout)) == [
        "postfix/main.cf"
    ]
    settings = json.loads(config("show", root, *arguments, "--settings").stdout)
    assert settings["privacy_postal"] == "Straße 1 ; \"Town\""
    done = config("show", root, *arguments, "--settings", "--set", b"dovecot_log=/var/\xe9")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "must be UTF-8" in done.stderr


def test_dry_run_changes_nothing(root):
    report = json.loads(apply(root, "--dry-run", "--json").stdout)
    assert set(report.values()) == {"created"}
    assert [path.name for path in (root / "etc").iterdir()] == ["chatmail.ini"]


def test_wrong_value_writes_nothing(root):
    write_ini(root, max_message_size="huge")
    done = apply(root)
    assert done.returncode == 2
    for part in ("chatmail.ini", "max_message_size", "huge"):
        assert part in done.stderr
    assert not (root / "etc/postfix").exists()


def test_wrong_template_writes_nothing(root, tmp_path):
    copy = tmp_path / "templates"
    subprocess.run(["cp", "-r", TEMPLATES, copy], check=True)
    (copy / "postfix" / "tls_policy").write_text("{{mail_domian}}\n")
    done = apply(root, templates=copy)
    assert done.returncode == 2
    assert "tls_policy:1: unknown setting mail_domian" in done.stderr
    assert not (root / "etc/postfix").exists()


@pytest.mark.parametrize(
    "arguments, why",
    [
        (["--set", "mail_domain=other.test"], "unknown setting mail_domain"),
        (["--set", "smtp_port"], "not of the form name=value"),
        (["--set", "smtp_port=smtp"], "smtp_port=smtp: this must be a number"),
        (["--set", "imaps_port=0"], "imaps_port=0: this must be a number"),
        (["--set", "imap_port="], "imap_port=: this must be a number"),
        (["--set", "listen=a\nb"], "not of the form name=value"),
        (["--set", "listen=relay.test"], "this must be IP addresses"),
        (["--set", "nginx_user=a b"], "this must be one word"),
        (["--set", "nginx_user="], "this must be one word"),
        (["--set", "opendkim_conf=/etc/$x"], "this must be an absolute path"),
        (["--set", "expire_program="], "this must be an absolute path"),
        (["--set", "dovecot_log=x.log"], "this must be an absolute path"),
        (["--set", "relayhost=a b"], "this must be [HOST]:PORT"),
        (["--set", "login_failure_delay=soon"], "this must be a time"),
        (["--keep", "/etc/passwd"], "no template makes this file"),
        (["--dovecot", "2.2"], "no templates for Dovecot 2.2"),
        (["--dovecot", "2.4/../dovecot-2.3"], "no templates for Dovecot 2.4/"),
        (["postfix/main.cf"], "apply: unexpected argument: postfix"),
    ],
)
def test_wrong_arguments(root, arguments, why):
    done = apply(root, *arguments)
    assert done.returncode == 2
    assert why in done.stderr
    assert not (root / "etc/postfix").exists()


def test_show(root):
    one = config("show", root, "--dovecot", "2.4", "dovecot-2.4/dovecot.conf")
    assert one.stdout.startswith("# Dovecot 2.4 of a chatmail relay")
    everything = config("show", root, "--dovecot", "2.4").stdout
    assert one.stdout in everything
    assert "==> postfix/master.cf <==" in everything
    assert "dovecot-2.3/dovecot.conf <==" not in everything
    unknown = config("show", root, "--dovecot", "2.4", "postfix/nothing.cf")
    assert unknown.returncode == 2
    assert "postfix/main.cf" in unknown.stderr


def test_settings(root):
    done = config("show", root, "--settings", "--json", "--set", "smtp_port=2525")
    settings = json.loads(done.stdout)
    assert settings["smtp_port"] == "2525"
    assert settings["mail_domain"] == "relay.test"
    assert settings["quota_target_mb"] == "350"
    assert settings["lmtp_deliveries"] == str(min(20, 4 * os.cpu_count()))
    write_ini(root, max_mailbox_size="1M")
    settings = json.loads(config("show", root, "--settings", "--json").stdout)
    assert settings["quota_target_mb"] == "0.7"


@pytest.mark.parametrize("signing, milters", [("milter", 1), ("opendkim", 2)])
def test_signing_milter_as_configured(root, signing, milters):
    write_ini(root, dkim_signing=signing)
    report = json.loads(apply(root, "--json").stdout)
    assert any("opendkim" in path for path in report) == (signing == "opendkim")
    master = (root / "etc/postfix/master.cf").read_text()
    lists = re.findall("smtpd_milters=(.*)", master)
    # Mail from other relays by SMTP and by HTTPS, then three ports for our users.
    assert [len(text.split(",")) for text in lists] == [1, 1, milters, milters, milters]
    main = (root / "etc/postfix/main.cf").read_text()
    [bounces] = re.findall("^non_smtpd_milters = (.*)", main, re.MULTILINE)
    assert ("opendkim" in bounces) == (signing == "opendkim")


@pytest.mark.parametrize("signing", ["milter", "opendkim"])
def test_relay_without_a_name_signs_nothing(root, signing):
    write_ini(root, mail_domain="192.0.2.1", dkim_signing=signing)
    report = json.loads(apply(root, "--json").stdout)
    assert not [path for path in report if "dkim" in path]
    main = (root / "etc/postfix/main.cf").read_text()
    assert "mydestination = [192.0.2.1]\n" in main
    assert "myhostname = 1.2.0.192.in-addr.arpa\n" in main
    assert "non_smtpd_milters" not in main
    assert "opendkim" not in (root / "etc/postfix/master.cf").read_text()


def test_postfix_accepts_the_files(root):
    """postconf reports no unknown parameter, and none that is set twice."""
    apply(root)
    (root / "etc/postfix/dynamicmaps.cf").write_text("")
    done = subprocess.run(
        ["postconf", "-c", root / "etc/postfix", "-n"], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    services = subprocess.run(
        ["postconf", "-c", root / "etc/postfix", "-M"], capture_output=True, text=True, check=True
    )
    assert services.stderr == ""
    names = [line.split()[0] for line in services.stdout.splitlines()]
    assert {"25", "587", "465", "authclean"} <= set(names)
