"""From a machine of upstream's cmdeploy to this relay with the commands of the manual, and back.
Its Dovecot is Debian's with the version number of upstream's own; its programs only sleep."""

import crypt
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.real_ports import a_message_arrives, login
from support.relay import Account
from support.tree import SOURCE
from support.wait import eventually

from test_debian import DOMAIN, everything_runs, shell, update

VERSION = "1:2.3.21+dfsg1-3"
ALICE, BOB = Account(DOMAIN), Account(DOMAIN)
SERVICES = ("filtermail", "filtermail-incoming", "filtermail-transport", "doveauth", "chatmail-metadata", "lastlogin",
            "mtail")
TIMERS = ("chatmail-expire", "chatmail-fsreport")
RAN = ("filtermail-transport", "doveauth", "chatmail-metadata")
INI = f"""[params]
mail_domain = {DOMAIN}
tls_external_cert_and_key = /etc/ssl/certs/relay.pem /etc/ssl/private/relay.key
delete_mails_after = 40d
max_load_1m = 1000
min_available_memory = 1M
min_free_disk_space = 1M
mtail_address = 127.0.0.1
"""

pytestmark = pytest.mark.skipif(
    os.environ.get("CHATMAIL_SUITE") != "bookworm", reason="upstream's relay is for Debian 12"
)


def repackaged(machine, directory):
    """Debian's packages of Dovecot with upstream's version number, in /root as cmdeploy leaves
    them."""
    archives = machine.path("/var/cache/apt/archives")
    for name in ("core", "imapd", "lmtpd"):
        [package] = archives.glob(f"dovecot-{name}_*.deb")
        tree = directory / name
        subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
        control = tree / "DEBIAN/control"
        text = control.read_text()
        old = re.search("^Version: (.*)$", text, re.M)[1]
        control.write_text(text.replace(old, VERSION).replace("dovecot-abi-2.3.abiv19", "dovecot-abi-2.3.abiv21"))
        target = machine.path(f"/root/dovecot-{name}_2.3.21+dfsg1-3_amd64.deb")
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, target], check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(tree)


def write(machine, path, text, mode=0o644):
    file = machine.path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)


def make_accounts(machine):
    for account in (ALICE, BOB):
        mailbox = machine.path(f"/home/vmail/mail/{DOMAIN}/{account.address}")
        mailbox.mkdir(parents=True)
        hashed = "{SHA512-CRYPT}" + crypt.crypt(account.password, crypt.METHOD_SHA512)
        (mailbox / "password").write_text(hashed)
        (mailbox / "enforceE2EEincoming").touch()
        (mailbox / "metadata.json").write_text(json.dumps({"devicetoken": {"openpgp:x": 1}}))
    machine.run("chown", "-R", "vmail:vmail", "/home/vmail")
    machine.run("chmod", "700", f"/home/vmail/mail/{DOMAIN}")


@pytest.fixture(scope="module")
def upstream(machine, tmp_path_factory):
    """The machine with upstream's relay."""
    repackaged(machine, tmp_path_factory.mktemp("dovecot"))
    shell(machine, "groupadd --system vmail; useradd --system --gid vmail --home-dir /home/vmail vmail")
    shell(machine, "apt-get install -y --no-install-recommends ~root/dovecot-*.deb postfix nginx libnginx-mod-stream")
    write(machine, "/etc/apt/preferences.d/pin-dovecot", "Package: dovecot-*\nPin: version *\nPin-Priority: -1\n")
    write(machine, "/usr/local/lib/chatmaild/chatmail.ini", INI)
    unit = "[Unit]\nDescription={0}\n[Service]\nExecStart=/bin/sleep infinity\nRestart=always\n[Install]\nWantedBy=multi-user.target\n"
    for name in SERVICES:
        write(machine, f"/etc/systemd/system/{name}.service", unit.format(name))
    for name in TIMERS:
        write(machine, f"/etc/systemd/system/{name}.service", "[Service]\nType=oneshot\nExecStart=/bin/false upstream\n")
        write(machine, f"/etc/systemd/system/{name}.timer", "[Timer]\nOnCalendar=*-*-* 00:02:00\n[Install]\nWantedBy=timers.target\n")
    write(machine, "/etc/systemd/system/dovecot.service.d/10_restart.conf", "[Service]\nRestart=always\nRestartSec=30\n")
    write(machine, "/etc/postfix/main.cf", "# upstream's\ncompatibility_level = 3.6\nmail_name = upstream\n")
    write(machine, "/etc/dovecot/dovecot.conf", "# upstream's\nprotocols = imap lmtp\nssl = no\n")
    shell(machine, "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=relay.test "
          "-keyout /etc/ssl/private/relay.key -out /etc/ssl/certs/relay.pem 2>/dev/null")
    shell(machine, "useradd --system opendkim; install -d -o opendkim -g opendkim -m 700 /etc/dkimkeys; "
          "openssl genrsa -out /etc/dkimkeys/opendkim.private 2048; chown opendkim: /etc/dkimkeys/opendkim.private")
    make_accounts(machine)
    shell(machine, "systemctl daemon-reload; systemctl enable --now " + " ".join(
        [f"{name}.service" for name in SERVICES] + [f"{name}.timer" for name in TIMERS]))
    shell(machine, "systemctl restart postfix dovecot")
    return machine


def version(machine, package="dovecot-core"):
    return machine.output("dpkg-query", "-W", "-f", "${Version}", package)


def commands_of(output):
    return [line.strip() for line in output.splitlines() if re.match("  (apt-get|chatmailctl|systemctl) ", line)]


def test_installing_the_packages_alone_fails(upstream):
    """The commands of an earlier manual fail and change nothing."""
    update(upstream)
    done = upstream.run("apt-get", "install", "-y", "chatmail-relay", check=False)
    assert done.returncode != 0
    assert version(upstream) == VERSION


def test_migration_to_this_relay(upstream):
    text = (SOURCE / "docs/manual.md").read_text().split("## Moving from upstream, and back")[1].split("\n## ")[0]
    first, second = re.findall(r"^```\n(.*?)^```", text, re.M | re.S)[:2]
    key = upstream.path("/etc/dkimkeys/opendkim.private").read_bytes()
    [install, dry, real] = [line.partition("#")[0].strip() for line in first.splitlines()]
    shell(upstream, install)
    assert "filtermail-transport.service" in shell(upstream, dry).stdout
    assert all(upstream.is_active(name) for name in RAN)
    output = shell(upstream, real + " --yes").stdout
    commands = commands_of(output)
    assert [re.sub(r"=\S+", "=VERSION", command) for command in commands] == second.splitlines()
    assert not any(upstream.is_active(name) for name in (*SERVICES, "postfix", "dovecot"))
    for command in commands:
        done = upstream.run("sh", "-c", "DEBIAN_FRONTEND=noninteractive " + command, check=False)
        assert done.returncode == 0 or "config diff" in command, done.stdout + done.stderr
    assert version(upstream).startswith("1:2.3.19")
    everything_runs(upstream)
    login(ALICE).logout()
    a_message_arrives(ALICE, BOB)
    assert upstream.path("/etc/dkimkeys/opendkim.private").read_bytes() == key
    assert "upstream" not in upstream.output("systemctl", "show", "-p", "ExecStart", "chatmail-expire.service")
    shown = json.loads(upstream.run("chatmailctl", "user", "show", "--json", BOB.address).stdout)
    assert shown["messages"] == 1 and shown["takes_cleartext"] is False


def test_migration_survives_a_reboot(upstream):
    upstream.reboot()
    everything_runs(upstream)
    assert not any(upstream.is_active(name) for name in SERVICES)
    a_message_arrives(BOB, ALICE)


def test_migration_back(upstream):
    done = upstream.run("chatmailctl", "migrate", "--back", "--yes")
    commands = re.findall(r"^  ((?:apt-get|dpkg|systemctl) .*?)(?:   .*)?$", done.stdout, re.M)
    assert len(commands) == 3
    for command in commands:
        shell(upstream, "export DEBIAN_FRONTEND=noninteractive; " + command)
    assert version(upstream) == VERSION
    for name in SERVICES:
        eventually(lambda: upstream.is_active(name), 60, message=f"{name} does not run")
    for name in TIMERS:
        assert upstream.output("systemctl", "is-enabled", f"{name}.timer") == "enabled"
    assert "upstream" in upstream.path("/etc/postfix/main.cf").read_text()
    assert upstream.path("/etc/apt/preferences.d/pin-dovecot").exists()
    eventually(lambda: upstream.is_active("dovecot") and upstream.is_active("postfix"), 60)
    for unit in ("chatmail-milter", "chatmail-notifyd", "chatmail-httpd", "chatmail-transport"):
        assert not upstream.is_active(unit)
    mailbox = Path(upstream.path(f"/home/vmail/mail/{DOMAIN}/{BOB.address}"))
    assert (mailbox / "password").read_text().startswith("{SHA512-CRYPT}")
    upstream.reboot()
    assert not upstream.is_active("chatmail-milter")
    assert upstream.is_active("filtermail")
