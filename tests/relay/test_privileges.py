"""The manual's table of the servers' processes: their users, and what these can reach."""

import contextlib
import os
import re
from pathlib import Path

import pytest

from support.messages import encrypted
from support.tree import SOURCE


def table():
    """{user: names of its processes}"""
    section = (SOURCE / "docs/manual.md").read_text().split("## What a broken-in program can reach")[1]
    rows = section.split("| process | user |")[1].split("\n\n")[0].splitlines()[2:]
    found = {}
    for row in rows:
        names, users = (re.findall(r"`([^`]+)`", cell) for cell in row.split("|")[1:3])
        # "dovecot/auth -w", "nginx: worker process"
        words = {name.split("/")[-1].split()[0].rstrip(":") for name in names}
        found.setdefault(users[0], set()).update(words)
    return found


def processes(relay):
    """[(user, name, effective and permitted capabilities)] of the servers in the relay's namespaces"""
    wanted = os.readlink(f"/proc/{(relay.home / 'pid').read_text().strip()}/ns/pid")
    users = relay.inside("getent", "passwd").stdout.splitlines()
    names = {int(line.split(":")[2]): line.split(":")[0] for line in users}
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.readlink(process / "ns" / "pid") == wanted:
                fields = dict(re.findall(r"^(\w+):\t(.*)$", (process / "status").read_text(), re.M))
                capabilities = int(fields["CapEff"], 16) | int(fields["CapPrm"], 16)
                found.append((names[int(fields["Uid"].split()[0])], fields["Name"], capabilities))
    return found


@pytest.fixture(scope="module")
def busy(make_relay):
    relay = make_relay(ini={"dkim_signing": "opendkim"})
    alice, bob = relay.registered(), relay.registered()
    message = encrypted(alice.address, bob.address)
    relay.send(alice, [bob.address, "nobody@peer.test"], message)
    with relay.imap(bob, select=True):
        relay.messages(bob)
        yield relay, bob


def test_users_of_the_processes(busy):
    relay, _ = busy
    launcher = {"private-relay", "sleep", "postfix-script", "unshare"}
    ours = {"chatmail-milter", "chatmail-notify", "chatmail-httpd", "chatmail-transp"}
    documented, seen = table(), set()
    for user, name, capabilities in processes(relay):
        if name not in launcher | ours:
            assert name in documented[user], f"{name} runs as {user}"
            seen.add(user)
        assert user == "root" or capabilities == 0, f"{name} of {user} has capabilities"
        assert name not in ours or user == "vmail"
    assert seen == set(documented) - {"turnserver"}


def can(relay, user, *command):
    return (
        relay.inside(
            "setpriv", "--reuid", user, "--regid", user, "--init-groups", *command, check=False
        ).returncode
        == 0
    )


@pytest.mark.parametrize("user", ["postfix", "dovenull", "dovecot", "www-data", "opendkim"])
def test_reach_of_a_user(busy, user):
    relay, bob = busy
    mailbox = f"/home/vmail/mail/{relay.domain}/{bob.address}"
    assert can(relay, "vmail", "cat", f"{mailbox}/password")
    for secret in (f"{mailbox}/password", "/etc/dkimkeys/opendkim.private"):
        allowed = user == "opendkim" and "dkimkeys" in secret
        assert can(relay, user, "cat", secret) == allowed, secret
    assert can(relay, user, "ls", "/var/spool/postfix/deferred") == (user == "postfix")
    assert not can(relay, user, "ls", mailbox)
    for place in ("/etc", "/etc/postfix", "/etc/dovecot", "/etc/dkimkeys"):
        if (user, place) != ("opendkim", "/etc/dkimkeys"):
            assert not can(relay, user, "touch", f"{place}/intruder")
