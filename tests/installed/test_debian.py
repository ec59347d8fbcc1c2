"""From apt-get install to a running relay, and later reboot, upgrade and removal."""

import http.client
import imaplib
import json
import os
import re
import shutil
import smtplib
import subprocess
import time

import pytest

from support.deltachat import Core
from support.manual import block, five_commands
from support.messages import cleartext, encrypted
from support.real_ports import a_message_arrives, can_connect, login, messages, send, submission
from support.relay import Account, trusting
from support.tree import SOURCE
from support.wait import eventually

DOMAIN = "relay.test"
SERVICES = ("chatmail-milter", "chatmail-notifyd", "chatmail-httpd", "chatmail-transport")
OURS = (*SERVICES, "chatmail-expire")
SANDBOXED = (*OURS, "chatmail-config", "iroh-relay")
RUNNING = (*SERVICES, "dovecot", "nginx", "postfix")
ALICE, BOB = Account(DOMAIN), Account(DOMAIN)
PACKAGES = (
    "chatmail-relay",
    "chatmail-common",
    "chatmail-milter",
    "chatmail-dovecot",
    "chatmail-services",
    "chatmailctl",
)


def everything_runs(machine):
    for unit in RUNNING:
        eventually(lambda: machine.is_active(unit), 60, message=f"{unit} does not run")
    eventually(lambda: all(map(can_connect, (443, 465, 993))), 60, message="the ports are closed")


def mailbox(machine, account):
    return machine.path(f"/home/vmail/mail/{DOMAIN}/{account.address}")


def update(machine):
    machine.apt(
        "update",
        "-o", "Dir::Etc::SourceList=/etc/apt/sources.list.d/chatmail-relay.list",
        "-o", "Dir::Etc::SourceParts=-",
        "-o", "APT::Get::List-Cleanup=0",
    )  # fmt: skip


def failed_units(machine):
    return machine.output("systemctl", "--failed", "--plain", "--no-legend")


class Installed:
    """The machine with the interface that support.deltachat expects of a relay."""

    address = "127.0.0.1"
    ports = {"imaps_port": 993, "smtps_port": 465}
    began = 0.0

    @staticmethod
    def account():
        return Account(DOMAIN)


@pytest.fixture(scope="module")
def five():
    return [command.replace("relay.example", DOMAIN) for command in five_commands("Debian packages")]


def shell(machine, command):
    return machine.run("sh", "-e", "-c", command)


def test_installation_asks_nothing_and_starts_nothing_of_ours(machine, five):
    update(machine)
    assert "apt-get install" in five[0]
    Installed.began = time.monotonic()
    shell(machine, five[0])
    for unit in SERVICES:
        assert machine.output("systemctl", "is-enabled", unit) == "enabled"
        assert not machine.is_active(unit)
    assert machine.output("systemctl", "is-enabled", "chatmail-expire.timer") == "enabled"
    assert failed_units(machine) == ""
    assert machine.stat("/home/vmail/mail") == "vmail vmail 700"
    assert machine.stat("/run/chatmail") == "vmail vmail 750"
    assert machine.stat("/var/spool/postfix/chatmail") == "vmail postfix 2750"
    assert machine.stat("/var/spool/postfix/private").startswith("postfix ")
    assert machine.run("postfix", "check").stderr == ""


def test_exposure_of_the_sandboxes(machine):
    """systemd's own rating of the sandboxes: 0 is closed, 10 is open."""
    for unit in SANDBOXED:
        text = machine.run("systemd-analyze", "security", "--no-pager", unit).stdout
        exposure = float(re.search(r"Overall exposure level for \S+: (\S+)", text).group(1))
        assert exposure <= 2.5, text


def setting(machine, name):
    settings = json.loads(machine.output("chatmailctl", "config", "show", "--settings", "--json"))
    return settings[name]


def new_account():
    """Over the web: (status, answer)."""
    web = http.client.HTTPSConnection("127.0.0.1", context=trusting(), timeout=60)
    web.request("POST", "/new")
    response = web.getresponse()
    return response.status, json.loads(response.read())


def test_first_message_arrives(machine, five):
    """The other four commands of the manual, and between them the operator's work outside."""
    domain = machine.path(f"/home/vmail/mail/{DOMAIN}")
    assert "chatmailctl init" in five[1]
    shell(machine, five[1])
    with open(machine.path("/etc/chatmail.ini"), "a") as ini:
        ini.write("\nmax_load_1m = 10000\nnotify_url = https://127.0.0.1:9/notify\n")
    certificate, key = setting(machine, "tls_certificate"), setting(machine, "tls_key")
    machine.run("mkdir", "-p", os.path.dirname(certificate), os.path.dirname(key))
    machine.run(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={DOMAIN}",
        "-addext", f"subjectAltName=DNS:{DOMAIN}", "-keyout", key, "-out", certificate,
    )  # fmt: skip
    # Like diff(1), it exits with 1 if there are differences.
    assert five[2] == "chatmailctl config diff"
    difference = machine.run(*five[2].split(), check=False)
    assert difference.returncode == 1 and "/etc/postfix/main.cf" in difference.stdout
    for command in five[3:]:
        shell(machine, command)
    everything_runs(machine)
    login(ALICE).logout()
    login(BOB).logout()
    assert len(list(domain.iterdir())) >= 2
    a_message_arrives(ALICE, BOB)
    code, answer = new_account()
    assert code == 200 and answer["email"].endswith(f"@{DOMAIN}")


def test_delta_chat_talks_through_it(machine, tmp_path, five, capsys):
    """The real core sends messages; measures how long installation and messages take."""
    with Core(tmp_path / "accounts") as core:
        alice, bob = core.clients(Installed, 2)
        of_bob, of_alice = bob.join(alice)
        of_bob.send_text("the first message")
        [snapshot] = alice.wait_for_texts(of_alice, ["the first message"])
        assert snapshot.show_padlock
    seconds = time.monotonic() - Installed.began
    with capsys.disabled():
        print(f"\n{len(five)} commands, {seconds:.0f} s from nothing to the first message of Delta Chat")


def test_cleartext_is_refused(machine):
    with pytest.raises(smtplib.SMTPDataError, match="Encryption Needed"):
        send(ALICE, BOB.address, cleartext(ALICE.address, BOB.address))


def test_a_nonexistent_account_is_refused(machine):
    """Although the milter cannot write to the mailboxes in its sandbox."""
    nobody = f"nobody123@{DOMAIN}"
    with pytest.raises(smtplib.SMTPDataError, match="No such user"):
        send(ALICE, nobody, encrypted(ALICE.address, nobody))


def test_a_change_takes_effect_with_the_commands_of_the_manual(machine):
    """In every program that creates accounts."""
    _, *commands = block("chatmailctl config diff  ").splitlines()
    ini = machine.path("/etc/chatmail.ini")
    before = ini.read_text()

    def created():
        try:
            login(Account(DOMAIN)).logout()
        except imaplib.IMAP4.error:
            return False
        return True

    def change(text):
        ini.write_text(text)
        for command in commands:
            shell(machine, command)
        everything_runs(machine)

    change(before + "registration = closed\n")
    eventually(lambda: not created(), 60, message="logins still create accounts")
    assert new_account()[0] == 403
    change(before)
    eventually(created, 60, message="no accounts")
    assert new_account()[0] == 200


@pytest.mark.parametrize("unit", (*SERVICES, "dovecot", "nginx"))
def test_a_killed_service_is_restarted(machine, unit):
    pid = machine.main_pid(unit)
    machine.run("systemctl", "kill", "--signal=KILL", unit)
    eventually(
        lambda: machine.is_active(unit) and machine.main_pid(unit) not in (0, pid),
        60,
        message=f"{unit} stays down",
    )
    assert machine.stat("/run/chatmail/stats").startswith("vmail vmail")
    eventually(lambda: all(map(can_connect, (443, 465, 993))), 60, message="the ports are closed")
    a_message_arrives(ALICE, BOB)


def test_a_killed_postfix_is_restarted(machine):
    master = machine.path("/var/spool/postfix/pid/master.pid")
    before = master.read_text()
    shell(machine, f"kill -KILL {before}")
    eventually(lambda: master.read_text() != before and can_connect(465), 60, message="Postfix stays down")
    a_message_arrives(ALICE, BOB)


def test_expiry_runs_in_its_sandbox(machine):
    machine.run("systemctl", "start", "chatmail-expire.service")
    assert failed_units(machine) == ""


def test_reboot(machine):
    before = len(messages(BOB))
    machine.reboot()
    everything_runs(machine)
    assert len(messages(BOB)) == before
    a_message_arrives(BOB, ALICE)
    assert failed_units(machine) == ""


def test_dovecot_starts_before_postfix_ever_ran(machine):
    """Its sockets are in a directory that Postfix creates at its first start."""
    machine.run("systemctl", "stop", "postfix", "dovecot")
    machine.run("rm", "-r", "/var/spool/postfix/private")
    machine.reboot()
    everything_runs(machine)
    a_message_arrives(BOB, ALICE)


# The table in the manual: may the service read a mailbox, write to one, read the DKIM key?
REACH = {
    "chatmail-milter": (True, False, True),
    "chatmail-notifyd": (True, True, False),
    "chatmail-httpd": (True, True, False),
    "chatmail-transport": (False, False, False),
}


def inside(machine, unit, *command):
    """Runs a command as vmail in a service's namespaces; true if it succeeds."""
    attempt = machine.run(
        "nsenter", "-t", machine.main_pid(unit), "-m", "-r", "-w",
        "setpriv", "--reuid", "vmail", "--regid", "vmail", "--clear-groups", *command,
        check=False,
    )  # fmt: skip
    return attempt.returncode == 0


@pytest.mark.parametrize("unit", SERVICES)
def test_access_of_a_compromised_service(machine, unit):
    status = machine.output("cat", f"/proc/{machine.main_pid(unit)}/status")
    for line in (r"CapEff:\s0+", r"CapBnd:\s0+", r"NoNewPrivs:\s1", r"Seccomp:\s2"):
        assert re.search(f"^{line}$", status, re.M), line
    for place in ("/etc", "/usr/share/chatmail", "/var/lib/dovecot", "/root", "/etc/dkimkeys"):
        inside(machine, unit, "touch", f"{place}/intruder")
        assert not machine.path(f"{place}/intruder").exists(), f"{unit} can write to {place}"
    account = f"/home/vmail/mail/{DOMAIN}/{BOB.address}"
    # The milter's unit gives it a copy of the key; where vmail may read the key, so can the
    # milter.
    reads = inside(machine, unit, "cat", f"{account}/password")
    writes = inside(machine, unit, "touch", f"{account}/intruder")
    signs = inside(machine, unit, "cat", "/etc/dkimkeys/opendkim.private")
    machine.run("rm", "-f", f"{account}/intruder")
    may_read, may_write, may_sign = REACH[unit]
    assert (reads, writes) == (may_read, may_write)
    assert may_sign or not signs
    # The programs themselves work within these limits: no log has a permission error or a sandbox
    # error.
    journal = machine.journal(f"{unit}.service")
    assert "ermission denied" not in journal
    assert "are not restricted" not in journal


def processes(machine):
    """Those of the servers: name, PID, and the lines of /proc/PID/status."""
    script = """cd /proc; for pid in [0-9]*; do
        grep -q -E '/(postfix@?.*|dovecot|nginx)[.]service' $pid/cgroup 2>/dev/null || continue
        printf '%s\\t%s\\t' $pid "$(tr '\\0' ' ' <$pid/cmdline)"; tr '\\n\\t' ';  ' <$pid/status; echo
    done"""
    for line in machine.output("sh", "-c", script).splitlines():
        pid, command, status = line.split("\t")
        fields = dict(re.findall(r"(\w+): *([^;]*)", status))
        words = re.sub(r" \[.*", "", command).split()
        if words[0] in ("nginx:", "dovecot/auth"):
            name = command.split(" /")[0].split(" [")[0].strip()
        else:
            name = words[0] if words[0].startswith("dovecot/") else os.path.basename(words[0])
        yield name, pid, fields


def reach(machine, pid, fields):
    """What a process can access with its numbers in its mount namespace: the cells of the manual."""
    account = f"/home/vmail/mail/{DOMAIN}/{BOB.address}"
    secrets = {
        "the DKIM key": "/etc/dkimkeys/opendkim.private",
        "the certificate's key": setting(machine, "tls_key"),
        "the TURN secret": "/etc/chatmail-turn.secret",
    }
    uid, gid = fields["Uid"].split()[1], fields["Gid"].split()[1]
    groups = ",".join(fields["Groups"].split()) or gid

    def can(test, path):
        command = ["nsenter", "-t", pid, "-m", "setpriv", "--reuid", uid, "--regid", gid, "--groups", groups]
        return machine.run(*command, "test", test, path, check=False).returncode == 0

    assert machine.path(account + "/password").exists()
    mail = can("-r", account + "/password") or can("-w", account)
    queue = can("-r", "/var/spool/postfix/active") or can("-w", "/var/spool/postfix/incoming")
    keys = [name for name, path in secrets.items() if can("-r", path)]
    if uid != "0":
        for place in ("/etc", "/etc/chatmail.ini", "/etc/postfix/main.cf", "/usr/sbin", setting(machine, "www_root")):
            assert not can("-w", place), place
    secret = "all" if len(keys) == len(secrets) else ", ".join(keys) or "none"
    return "all" if mail else "none", "all" if queue else "none", secret


def test_access_of_the_servers_processes(machine):
    """The second table in the manual, with a client of each kind connected."""
    section = (SOURCE / "docs/manual.md").read_text().split("## What a broken-in program can reach\n")[1]
    rows = re.findall(r"^\| (`.*?) \| (.*?) \| (.*?) \| (.*?) \| (.*?) \|$", section.split("\n## ")[0], re.M)
    # Versions of Dovecot may differ in the user of a process.
    table = {}
    for names, user, *cells in rows:
        for name in re.findall(r"`([^`]+)`", names):
            table.setdefault(name, []).append((user.split(",")[0], *cells))
    a_message_arrives(ALICE, BOB)
    client = login(BOB)
    smtp = submission(ALICE)
    seen = {}
    for name, pid, fields in processes(machine):
        number = fields["Uid"].split()[1]
        user = machine.output("id", "-nu", number)
        if name not in seen:
            seen[name] = (user, *reach(machine, pid, fields))
        assert seen[name][0] == user, name
        if number != "0":
            assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0, name
    client.logout()
    smtp.quit()
    for name, (user, *cells) in seen.items():
        assert name in table, f"{name} is not in the manual's table"
        assert (f"`{user}`", *cells) in table[name], (name, user, cells)
    wanted = {"master", "smtpd", "qmgr", "dovecot", "dovecot/auth", "dovecot/auth -w", "dovecot/imap"}
    assert wanted | {"dovecot/imap-login", "nginx: master process", "nginx: worker process"} <= set(seen)


def rebuilt(machine, suite, name, version, change):
    """Replaces the installed package in the repository by one with another version, after
    change(directory of its files)."""
    work = machine.directory / "rebuilt"
    shutil.rmtree(work, ignore_errors=True)
    [package] = machine.path("/srv/repository/pool").glob(f"{suite}/{name}_*.deb")
    subprocess.run(["dpkg-deb", "-R", package, work], check=True)
    control = work / "DEBIAN" / "control"
    old = re.search(r"^Version: (.*)$", control.read_text(), re.M).group(1)
    text = control.read_text().replace(f"Version: {old}\n", f"Version: {old}{version}\n")
    control.write_text(text)
    sums = work / "DEBIAN" / "md5sums"
    sums.unlink()
    change(work)
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", work, machine.path("/srv")], check=True)
    [result] = machine.path("/srv").glob(f"{name}_*.deb")
    return "/srv/" + result.name


@pytest.mark.parametrize("number", [1, 2, 3])
def test_upgrade_keeps_the_operators_edits(machine, suite, number):
    """A package with changed templates meets an operator's edits of chatmail.ini and main.cf; the
    services restart with the new version and keep working."""
    ini = machine.path("/etc/chatmail.ini")
    ini.write_text(ini.read_text() + f"# the operator's own line {number}\n")
    wanted = ini.read_text()
    main, edit = machine.path("/etc/postfix/main.cf"), f"# the operator's own comment {number}\n"
    main.write_text(edit + main.read_text())
    before = len(messages(BOB))
    pid = machine.main_pid("chatmail-milter")

    def change(tree):
        template = tree / "usr/share/chatmail/config/postfix/main.cf"
        if template.exists():
            template.write_text(template.read_text() + f"\nmaximal_queue_lifetime = {number}d\n")

    names = ("chatmailctl", "chatmail-milter")
    files = [rebuilt(machine, suite, name, f"+{number}", change) for name in names]
    machine.apt("install", *files)
    for file in files:
        machine.path(file).unlink()
    assert ini.read_text() == wanted
    assert machine.output("postconf", "-h", "maximal_queue_lifetime") != f"{number}d"
    machine.run("chatmailctl", "config", "apply")
    assert machine.output("postconf", "-h", "maximal_queue_lifetime") == f"{number}d"
    assert edit in main.read_text()
    machine.run("systemctl", "restart", "chatmail-relay.target")
    everything_runs(machine)
    assert machine.main_pid("chatmail-milter") != pid
    assert len(messages(BOB)) == before
    a_message_arrives(ALICE, BOB)


def test_an_interrupted_change_is_finished_at_boot(machine):
    """As after a power cut: the change is committed, and no file is replaced yet."""
    journal = machine.path("/var/lib/chatmail/config/commit")
    newest = max(entry.name for entry in journal.with_name("history").iterdir())
    main = machine.path("/etc/postfix/main.cf")
    wanted = main.read_text()
    machine.run("cp", "-a", f"/var/lib/chatmail/config/history/{newest}", "/var/lib/chatmail/config/commit")
    before = journal / "before/etc/postfix/main.cf"
    assert before.read_text() != wanted
    main.write_text(before.read_text())
    machine.reboot()
    everything_runs(machine)
    assert main.read_text() == wanted
    assert not journal.exists()
    assert failed_units(machine) == ""
    a_message_arrives(ALICE, BOB)


def test_removal_keeps_mail_and_configuration(machine):
    machine.apt("remove", *PACKAGES)
    for unit in OURS:
        assert not machine.is_active(unit)
    assert failed_units(machine) == ""
    assert not machine.path("/usr/bin/chatmailctl").exists()
    assert machine.path("/etc/chatmail.ini").exists()
    assert (mailbox(machine, BOB) / "password").exists()


def test_installation_after_removal(machine):
    before = sum(len(list((mailbox(machine, BOB) / box).iterdir())) for box in ("new", "cur"))
    machine.apt("install", "chatmail-relay")
    machine.run("systemctl", "restart", "chatmail-relay.target")
    everything_runs(machine)
    assert len(messages(BOB)) == before
    a_message_arrives(ALICE, BOB)


def test_purge_keeps_mail_and_keys(machine):
    machine.apt("purge", *PACKAGES)
    assert not machine.path("/etc/chatmail.ini").exists()
    assert not machine.path("/run/chatmail").exists()
    assert (mailbox(machine, BOB) / "password").exists()
    assert machine.path("/etc/dkimkeys/opendkim.private").exists()
    left = machine.run("systemctl", "list-unit-files", "--no-legend", "chatmail-*", check=False)
    assert left.stdout == ""
    machine.reboot()
    assert "chatmail" not in failed_units(machine)
