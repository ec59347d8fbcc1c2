"""The scripts and services of the Alpine packages, run by busybox's ash and by OpenRC."""

import os
import re

import pytest

from alpine.conftest import APORT
from support.wait import eventually

DOMAIN = "relay.test"
SERVICES = ("chatmail-milter", "chatmail-notifyd", "chatmail-httpd", "chatmail-transport")
SERVERS = ("dovecot", "nginx", "postfix")


@pytest.fixture(scope="module")
def installed(box, packages):
    """The box with all packages and a configuration."""
    box.install(
        packages, "chatmail-common", "chatmail-milter", "chatmail-dovecot", "chatmail-services",
        "chatmail-www", "chatmailctl", "chatmail-relay-openrc",
    )  # fmt: skip
    (box.root / "etc/chatmail.ini").write_text(
        f"[params]\nmail_domain = {DOMAIN}\nnotify_url = https://127.0.0.1:9/notify\n"
    )
    mailboxes = f"/home/vmail/mail/{DOMAIN}"
    box.run("install", "-d", "-o", "vmail", "-g", "vmail", "-m", "700", mailboxes)
    box.run("groupadd", "-f", "-r", "nginx")
    keys = box.root / "etc/dkimkeys"
    keys.mkdir(exist_ok=True)
    box.run("openssl", "genrsa", "-out", "/etc/dkimkeys/opendkim.private", "2048")
    # Only root can read them, as `chatmailctl init` creates them.
    box.run("chown", "-R", "root:root", "/etc/dkimkeys")
    box.run("chmod", "700", "/etc/dkimkeys")
    box.run("chmod", "600", "/etc/dkimkeys/opendkim.private")
    return box


def add_servers(box):
    """Alpine's services of the servers are not here."""
    for name in SERVERS:
        script = box.root / "etc/init.d" / name
        script.write_text("#!/sbin/openrc-run\nstart() { echo $RC_SVCNAME >>/tmp/starts; }\nstop() { :; }\n")
        script.chmod(0o755)


def stat(box, path):
    return box.run("stat", "-c", "%U %G %a", path).stdout.strip()


def status(box, service):
    return box.run("rc-service", service, "status", check=False).stdout


def child(box, service):
    """The PID of the process that supervise-daemon supervises, or None."""
    found = box.run("pgrep", "-u", "vmail", "-x", service[:15], check=False).stdout.split()
    return int(found[0]) if found else None


def test_postfix_s_user_vmail_gets_its_own_group(box):
    """Alpine's postfix may be installed first, and puts the user into the group postdrop."""
    box.run("groupadd", "-f", "-r", "postdrop")
    box.run("useradd", "-r", "-M", "-d", "/var/mail/domains", "-g", "postdrop", "vmail")
    uid = box.run("id", "-u", "vmail").stdout
    for _ in range(2):
        box.script("chatmail-common.pre-install")
        assert box.run("id", "-u", "vmail").stdout == uid
        assert box.run("id", "-Gn", "vmail").stdout == "vmail\n"
        assert ":/home/vmail:" in box.run("getent", "passwd", "vmail").stdout


def test_installation_makes_the_user_and_directories(installed):
    user = installed.run("getent", "passwd", "vmail").stdout
    assert re.match(r"vmail:.*:/home/vmail:/sbin/nologin", user)
    assert stat(installed, "/home/vmail/mail") == "vmail vmail 700"
    assert 'rc_ulimit="-n 262144"' in (installed.root / "etc/conf.d/dovecot").read_text()


def test_installing_twice_changes_nothing(installed, packages):
    before = (installed.root / "etc/conf.d/dovecot").read_text(), installed.run("id", "vmail").stdout
    installed.install(packages, "chatmail-common")
    after = (installed.root / "etc/conf.d/dovecot").read_text(), installed.run("id", "vmail").stdout
    assert before == after


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_is_supervised_and_stops(installed, service):
    with open(installed.root / "etc/conf.d" / service, "a") as confd:
        confd.write('rc_ulimit="-n 1234"\n')
    installed.run("rc-service", "--nodeps", service, "start")
    pid = eventually(lambda: child(installed, service), 60, message=f"{service} does not run")
    assert "started" in status(installed, service)
    assert stat(installed, "/run/chatmail") == "vmail vmail 750"
    installed.run("kill", "-KILL", str(pid))
    again = eventually(
        lambda: child(installed, service) not in (None, pid) and child(installed, service),
        60,
        message=f"{service} is not started again",
    )
    if service in ("chatmail-milter", "chatmail-notifyd"):
        installed.run("rc-service", "--nodeps", service, "reload")
    text = installed.run("cat", f"/proc/{again}/status").stdout
    assert re.search(r"^NoNewPrivs:\s1$", text, re.M)
    assert re.search(r"^CapEff:\s0+$", text, re.M)
    assert re.search(r"^Seccomp:\s2$", text, re.M)
    assert re.search(r"^Uid:(\s+%d){4}$" % int(installed.run("id", "-u", "vmail").stdout), text, re.M)
    limits = installed.run("cat", f"/proc/{again}/limits").stdout
    assert re.search(r"^Max open files\s+1234\b", limits, re.M)
    installed.run("rc-service", "--nodeps", service, "stop")
    eventually(lambda: child(installed, service) is None, 60, message=f"{service} keeps running")


def test_the_milter_has_a_key_that_vmail_may_not_read(installed):
    key = "/etc/dkimkeys/opendkim.private"
    assert stat(installed, key) == "root root 600"
    log = installed.root / "tmp/milter.log"
    confd = installed.root / "etc/conf.d/chatmail-milter"
    before = confd.read_text()
    confd.write_text(before + 'error_logger=\nerror_log="/tmp/milter.log"\n')
    installed.run("rc-service", "--nodeps", "chatmail-milter", "start")
    eventually(lambda: log.exists() and "listening on" in log.read_text(), 60)
    assert "DKIM key" not in log.read_text()
    socket = "/var/spool/postfix/chatmail/milter.sock"
    assert stat(installed, socket) == "vmail postfix 660"
    installed.run("rc-service", "--nodeps", "chatmail-milter", "stop")
    confd.write_text(before)


def test_the_milter_waits_for_resolv_conf(installed):
    """libunbound needs the file, and musl works without: it may appear long after the boot."""
    log = installed.root / "tmp/milter-waits.log"
    confd = installed.root / "etc/conf.d/chatmail-milter"
    before = confd.read_text()
    confd.write_text(before + f'error_logger=\nerror_log="/tmp/{log.name}"\nrespawn_delay=1\n')
    resolv_conf = installed.root / "etc/resolv.conf"
    resolv_conf.unlink()
    installed.run("rc-service", "--nodeps", "chatmail-milter", "start")
    missing = "/etc/resolv.conf: cannot be read"
    eventually(lambda: log.exists() and log.read_text().count(missing) >= 12, 120)
    resolv_conf.write_text("nameserver 127.0.0.1\n")
    eventually(lambda: "listening on" in log.read_text(), 60)
    installed.run("rc-service", "--nodeps", "chatmail-milter", "stop")
    confd.write_text(before)


def test_sockets_have_the_groups_of_postfix_and_the_web_server(installed):
    assert stat(installed, "/var/spool/postfix/chatmail") == "vmail postfix 2750"
    assert stat(installed, "/run/chatmail-web") == "vmail nginx 2750"


def test_the_relay_is_one_service(installed):
    """Starting it starts the services that it needs, even if no runlevel contains them."""
    add_servers(installed)
    installed.run("rc-service", "chatmail-relay", "start")
    for service in (*SERVICES, *SERVERS):
        assert "started" in status(installed, service)
    pids = {
        service: eventually(lambda service=service: child(installed, service), 60, message=f"{service} does not run")
        for service in SERVICES
    }
    (installed.root / "tmp/starts").unlink()
    installed.run("rc-service", "chatmail-relay", "restart")
    for service, pid in pids.items():
        eventually(
            lambda service=service, pid=pid: child(installed, service) not in (None, pid),
            60,
            message=f"{service} is not restarted",
        )
        assert "started" in status(installed, service)
    assert sorted((installed.root / "tmp/starts").read_text().split()) == sorted(SERVERS)
    assert "started" in status(installed, "chatmail-relay")
    for service in SERVICES:
        installed.run("rc-service", service, "stop")


def test_an_interrupted_change_is_finished_at_boot(installed):
    """The interrupted change has no files."""
    commit = installed.root / "var/lib/chatmail/config/commit"
    commit.mkdir(parents=True)
    (commit / "list").write_text("")
    installed.run("rc-service", "--nodeps", "chatmail-config", "restart")
    assert not commit.exists()


def test_the_daily_job_runs_expire(installed):
    job = "/etc/periodic/daily/chatmail-expire"
    assert os.access(installed.root / job[1:], os.X_OK)
    assert installed.run(job).stdout == ""


def test_removal_leaves_no_link_in_dovecot_s_directory(installed):
    modules = [installed.root / "usr/lib/dovecot/modules", installed.root / "usr/lib/dovecot/modules/auth"]

    def links():
        return [path for place in modules for path in place.glob("*chatmail*") if path.is_symlink()]

    assert len(links()) == 3
    installed.run("busybox", "ash", APORT / "chatmail-dovecot.pre-deinstall")
    assert links() == []
