"""chatmailctl migrate on a tree like a machine of upstream's cmdeploy: there and back."""

import json
import os
import random
import stat
import subprocess
import time

import pytest
from support.config import PROGRAM, TEMPLATES
from support.tree import BUILD

UNIT = "[Unit]\nDescription=x\n[Service]\nExecStart=/usr/local/bin/filtermail x\n[Install]\nWantedBy=multi-user.target\n"
TIMER = "[Timer]\nOnCalendar=*-*-* 00:02:00\n[Install]\nWantedBy=timers.target\n"
ENABLED = [
    "filtermail.service",
    "filtermail-incoming.service",
    "filtermail-transport.service",
    "doveauth.service",
    "chatmail-metadata.service",
    "lastlogin.service",
    "turnserver.service",
    "mtail.service",
    "iroh-relay.service",
]
TIMERS = ["chatmail-expire", "chatmail-fsreport"]
# As upstream writes it, with lines of older versions.
INI = """[params]

# mail domain (MUST be set to fully qualified chat mail domain)
mail_domain = relay.test

#max_user_send_per_minute = 60
delete_mails_after = 40d
mtail_address = 127.0.0.1
passthrough_senders = a@b.test
privacy_postal =
    A street
    A town
privacy_mail = privacy@relay.test
"""
FILES = {
    "/usr/local/lib/chatmaild/chatmail.ini": INI,
    "/usr/local/bin/filtermail": "x",
    "/usr/local/bin/chatmail-turn": "x",
    "/usr/local/bin/iroh-relay": "x",
    "/usr/lib/os-release": "ID=debian\nVERSION_CODENAME=bookworm\n",
    "/etc/apt/preferences.d/pin-dovecot": "Package: dovecot-*\nPin: version *\nPin-Priority: -1\n",
    "/etc/postfix/main.cf": "myorigin = relay.test\ncontent_filter = x\n",
    "/etc/postfix/master.cf": "smtp inet n - y - - smtpd\n",
    "/etc/postfix/login_map": "/^(.*)$/ ${1}\n",
    "/etc/postfix/submission_header_cleanup": "/^Received:/ IGNORE\n",
    "/etc/dovecot/dovecot.conf": "protocols = imap lmtp\n",
    "/etc/dovecot/auth.conf": "uri = proxy:/run/doveauth/doveauth.socket:auth\n",
    "/etc/dovecot/push_notification.lua": "-- x\n",
    "/etc/nginx/nginx.conf": "user www-data;\n",
    "/etc/opendkim.conf": "Selector opendkim\n",
    "/etc/dkimkeys/KeyTable": "opendkim._domainkey.relay.test relay.test:opendkim:/etc/dkimkeys/opendkim.private\n",
    "/etc/dkimkeys/opendkim.private": "a key\n",
    "/etc/systemd/system/dovecot.service.d/10_restart.conf": "[Service]\nRestart=always\n",
    "/etc/iroh-relay.toml": 'http_bind_addr = "[::]:3340"\n',
    "/etc/cron.d/expunge": "0 0 * * * vmail find\n",
    "/var/spool/cron/crontabs/root": "1 2 * * * /usr/local/lib/chatmaild/venv/bin/chatmail-fsreport x\n",
    "/var/lib/acme/conf/target": "request:\n  challenge:\n    webroot-paths:\n    - /var/www/html/.well-known/acme-challenge\n",
    "/var/www/html/index.html": "<p>",
}


@pytest.fixture
def machine(tmp_path):
    for path, text in FILES.items():
        file = tmp_path / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    units = tmp_path / "etc/systemd/system"
    for name in ENABLED:
        (units / name).write_text(UNIT)
        systemctl(tmp_path, "enable", name)
    for name in TIMERS:
        (units / f"{name}.service").write_text("[Service]\nType=oneshot\nExecStart=/bin/true\n")
        (units / f"{name}.timer").write_text(TIMER)
        systemctl(tmp_path, "enable", f"{name}.timer")
    (tmp_path / "etc/dkimkeys/opendkim.private").chmod(0o600)
    mailboxes = tmp_path / "home/vmail/mail/relay.test"
    for name in ("alice1234", "bob123456"):
        mailbox = mailboxes / f"{name}@relay.test"
        (mailbox / "cur").mkdir(parents=True)
        (mailbox / "password").write_text("{SHA512-CRYPT}$6$x$y")
    (mailboxes / "carol1234@relay.test").mkdir()
    return tmp_path


def systemctl(root, *words, check=True):
    done = subprocess.run(["systemctl", f"--root={root}", *words], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout.strip()


def migrate(root, *options, check=True, **env):
    done = subprocess.run(
        [PROGRAM, "migrate", "--root", root, *options], capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, env={**os.environ, **env},
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def apply(root):
    done = subprocess.run(
        [PROGRAM, "config", "apply", "--root", root, "--templates", TEMPLATES, "--dovecot", "2.3"],
        capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stderr


def snapshot(root, only=None):
    """Path, mode, owner and content of all files except our own state."""
    found = {}
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        if name.startswith("var/lib/chatmail") or (only is not None and name not in only):
            continue
        info = path.lstat()
        if stat.S_ISLNK(info.st_mode):
            content = os.readlink(path)
        elif stat.S_ISREG(info.st_mode):
            content = path.read_bytes()
        else:
            content = None
        found[name] = (stat.S_IFMT(info.st_mode), stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid, content)
    return found


def test_dry_run_changes_nothing(machine):
    before = snapshot(machine)
    done = migrate(machine, "--dry-run")
    assert snapshot(machine) == before
    assert not (machine / "var/lib/chatmail").exists()
    for word in ("filtermail-transport.service", "pin-dovecot", "passthrough_senders", "mtail", "2 accounts",
                 "1 directories are not accounts", "crontabs/root", "opendkim.private is kept", "acmetool"):
        assert word in done.stdout, word
    notes = json.loads(migrate(machine, "--dry-run", "--json").stdout)["notes"]
    assert sum("mtail" in note for note in notes) == 1


def test_it_asks_before_it_starts(machine):
    before = snapshot(machine)
    done = migrate(machine, check=False)
    assert done.returncode == 2 and "--yes" in done.stderr
    assert snapshot(machine) == before


def check_moved(machine):
    assert (machine / "etc/chatmail.ini").read_text() == INI
    assert not (machine / "etc/apt/preferences.d/pin-dovecot").exists()
    units = machine / "etc/systemd/system"
    left = {path.name for path in units.rglob("*") if not path.is_dir()}
    assert left == {"turnserver.service"}
    assert systemctl(machine, "is-enabled", "turnserver.service") == "enabled"
    assert (machine / "etc/dkimkeys/opendkim.private").read_text() == "a key\n"
    assert "/var/lib/chatmail/acme/.well-known/acme-challenge" in (machine / "var/lib/acme/conf/target").read_text()


def test_there_and_back(machine):
    before = snapshot(machine)
    done = migrate(machine, "--yes")
    assert "--allow-downgrades chatmail-relay dovecot-core/bookworm" in done.stdout
    check_moved(machine)
    apply(machine)
    assert "content_filter" not in (machine / "etc/postfix/main.cf").read_text()
    assert "chatmail" in (machine / "etc/dovecot/dovecot.conf").read_text()
    done = migrate(machine, "--back", "--yes")
    assert "chatmail.ini.back" in done.stdout
    assert snapshot(machine, only=before) == before
    assert not (machine / "etc/chatmail.ini").exists()
    assert {path.name for path in (machine / "etc/postfix").iterdir()} == {
        "main.cf", "master.cf", "login_map", "submission_header_cleanup"}
    assert migrate(machine, "--back", "--yes", check=False).returncode == 1
    # A second time: nothing left from the first time is in the way.
    migrate(machine, "--yes")
    check_moved(machine)
    apply(machine)


def test_own_chatmail_ini_stays(machine):
    (machine / "etc/chatmail.ini").write_text("[params]\nmail_domain = relay.test\nregistration = closed\n")
    migrate(machine, "--yes")
    assert "closed" in (machine / "etc/chatmail.ini").read_text()
    migrate(machine, "--back", "--yes")
    assert "closed" in (machine / "etc/chatmail.ini").read_text()


def test_machine_without_upstreams_relay_is_refused(tmp_path):
    done = migrate(tmp_path, "--yes", check=False)
    assert done.returncode == 1 and "cmdeploy did not configure this machine" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("direction", ["there", "back"])
def test_killed_at_any_moment(machine, direction):
    """The next run finishes; --back restores everything."""
    chance = random.Random(7)
    before = snapshot(machine)
    if direction == "back":
        migrate(machine, "--yes")
        apply(machine)
    options = ["--yes", *(["--back"] if direction == "back" else [])]
    start = time.monotonic()
    for _ in range(12):
        process = subprocess.Popen(
            [PROGRAM, "migrate", "--root", machine, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(chance.random() * 0.25)
        process.kill()
        if process.wait() == 0:
            break
    assert time.monotonic() - start < 600
    done = migrate(machine, *options, check=False)
    if direction == "there":
        assert done.returncode == 0, done.stderr
        check_moved(machine)
        migrate(machine, "--back", "--yes")
    else:
        assert done.returncode in (0, 1), done.stderr
    assert snapshot(machine, only=before) == before
    leftovers = [path for path in machine.rglob("*.chatmailctl-*")]
    assert leftovers == []


PRELOAD = {"LD_PRELOAD": str(BUILD / "tests" / "programs" / "libkill_at.so")}


def forget_services(root):
    """Most of the time is systemctl's."""
    path = root / "var/lib/chatmail/upstream/state.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "services": {}}))


def test_killed_while_it_puts_our_files_aside(machine, tmp_path_factory):
    """What the operator wrote into our chatmail.ini, and the state of `config`, are not lost."""
    before = snapshot(machine)
    migrate(machine, "--yes")
    apply(machine)
    forget_services(machine)
    ini = machine / "etc/chatmail.ini"
    ini.write_text(INI + "registration = closed\n")
    directory = tmp_path_factory.mktemp("copies")
    root, count = directory / "root", directory / "count"
    subprocess.run(["cp", "-a", machine, root], check=True)
    migrate(root, "--back", "--yes", KILL_AT="0", KILL_COUNT=str(count), **PRELOAD)
    total = int(count.read_text().split()[-1])
    for step in range(total - 20, total + 1):
        subprocess.run(["rm", "-rf", root], check=True)
        subprocess.run(["cp", "-a", machine, root], check=True)
        assert migrate(root, "--back", "--yes", check=False, KILL_AT=str(step), **PRELOAD).returncode < 0
        assert migrate(root, "--back", "--yes", check=False).returncode in (0, 1)
        assert {path: found for path, found in snapshot(root, only=before).items() if "systemd" not in path} == {
            path: found for path, found in before.items() if "systemd" not in path}
        aside = root / "var/lib/chatmail/upstream"
        assert "closed" in (aside / "chatmail.ini.back").read_text(), step
        assert (aside / "config.back/base/etc/postfix/main.cf").exists(), step
        assert sorted(os.listdir(aside)) == ["chatmail.ini.back", "config.back", "saved.back", "state.json.back"], step


@pytest.mark.parametrize("step", [30, 40, 50])
def test_back_after_a_run_that_was_killed_while_it_saved(machine, step):
    before = snapshot(machine)
    assert migrate(machine, "--yes", check=False, KILL_AT=str(step), **PRELOAD).returncode < 0
    assert snapshot(machine) == before
    done = migrate(machine, "--back", "--yes", check=False)
    assert done.returncode == 0, done.stderr
    assert snapshot(machine, only=before) == before
