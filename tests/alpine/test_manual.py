"""The manual's five commands, run by busybox's ash with the packages and OpenRC."""

import re

import pytest

from alpine.test_apkbuild import information
from alpine.test_openrc import SERVERS, SERVICES, add_servers, child, status
from support.manual import five_commands
from support.wait import eventually

DOMAIN = "relay.test"


def with_dependencies(packages, names):
    """Packages of the APKBUILD with those that they need, in the order of installation, and those that apk adds
    on a machine with OpenRC."""
    found = []
    for name in names:
        if (packages / f"{name}.info").exists():
            depends = [re.split("[=<>~]", word)[0] for word in information(packages, name)["depends"].split()]
            found += [*with_dependencies(packages, depends), name]
    return list(dict.fromkeys(found))


def test_five_commands_set_up_a_relay(box, packages):
    install, *others = [command.replace("relay.example", DOMAIN) for command in five_commands("Alpine packages")]
    apk, verb, *names = install.split()
    assert (apk, verb) == ("apk", "add")
    assert names and all((packages / f"{name}.info").exists() for name in names)
    wanted = with_dependencies(packages, names)
    if "chatmail-common" in information(packages, "chatmail-relay-openrc")["install_if"]:
        wanted.append("chatmail-relay-openrc")
    box.install(packages, *(name for name in wanted if (packages / name).is_dir()))  # one has no files
    add_servers(box)
    box.run("groupadd", "-f", "-r", "nginx")
    for path in ("etc/chatmail.ini", "etc/runlevels/default/chatmail-relay"):
        assert not (box.root / path).exists()
    for command in others:
        done = box.run("busybox", "ash", "-c", command, check=False)
        # Like diff(1), it exits with 1 if there are differences.
        assert done.returncode == (1 if command.startswith("chatmailctl config diff") else 0), done.stdout
    assert f"mail_domain = {DOMAIN}\n" in (box.root / "etc/chatmail.ini").read_text()
    assert f"mydestination = {DOMAIN}\n" in (box.root / "etc/postfix/main.cf").read_text()
    assert (box.root / "etc/runlevels/default/chatmail-relay").is_symlink()
    for service in ("chatmail-relay", *SERVICES, *SERVERS):
        assert "started" in status(box, service), service
    for service in SERVICES:
        eventually(lambda: child(box, service), 60, message=f"{service} does not run")


@pytest.fixture(autouse=True, scope="module")
def stopped(box):
    yield
    for service in SERVICES:
        box.run("rc-service", service, "stop", check=False)
