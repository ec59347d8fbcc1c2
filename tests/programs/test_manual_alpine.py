"""The manual's commands for Alpine, as far as a machine without its packages can run them: tests/alpine runs
them with the packages and OpenRC."""

import re
import shlex
import subprocess

import pytest

from support.config import PROGRAM, TEMPLATES
from support.manual import TEXT, five_commands
from support.tree import SOURCE

OPENRC = SOURCE / "packaging/openrc"
APKBUILD = SOURCE / "packaging/alpine/chatmail-relay/APKBUILD"
META = "chatmail-relay"


def apkbuild(shell):
    """The words that a command prints after busybox's shell has read the APKBUILD."""
    command = ["busybox", "ash", "-e", "-c", f". {APKBUILD}; {shell}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def ours():
    """The packages of the APKBUILD."""
    return {META} | {word.split(":")[0] for word in apkbuild("echo $subpackages")}


def stock():
    """The packages of Alpine that ours name."""
    functions = re.findall(r'^\tdepends="(.*?)"', APKBUILD.read_text(), re.MULTILINE | re.DOTALL)
    words = " ".join(functions).split() + apkbuild("echo $depends $makedepends $checkdepends")
    return {re.split("[=<>~]", word)[0] for word in words} - ours()


class Machine:
    """What the commands have installed and started so far."""

    def __init__(self, root):
        self.root, self.packages, self.enabled, self.started = root, set(), [], []

    def run(self, command):
        words = shlex.split(command)
        return {
            "apk": self.apk, "chatmailctl": self.chatmailctl, "rc-update": self.rc_update, "rc-service": self.rc_service
        }[words[0]](*words[1:])  # fmt: skip

    def apk(self, verb, *names):
        assert verb == "add" and set(names) <= ours() | stock()
        self.packages |= set(names)
        if META in names:
            self.packages |= {word.split("=")[0] for word in apkbuild("echo $depends")}

    def chatmailctl(self, *words):
        assert "chatmailctl" in self.packages
        command = [PROGRAM, *words, "--root", self.root, "--templates", TEMPLATES]
        if words[0] == "config":
            command += ["--dovecot", "2.4"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        # Like diff(1), it exits with 1 if there are differences.
        assert done.returncode == (1 if words[:2] == ("config", "diff") else 0), done.stdout + done.stderr

    def rc_update(self, verb, service):
        assert verb == "add"
        self.enabled.append(self.installed(service))

    def rc_service(self, service, verb):
        assert verb == "start" and (self.root / "etc/postfix/main.cf").exists()
        self.started.append(self.installed(service))

    def installed(self, service):
        """The package has the service, with all that it needs."""
        assert META in self.packages
        assert service in re.search(r"for service in (.*?); do", APKBUILD.read_text(), re.DOTALL).group(1).split()
        needed = re.search(r"^\tneed (.*)$", (OPENRC / f"{service}.initd").read_text(), re.MULTILINE)
        for other in needed.group(1).split() if needed else []:
            assert (OPENRC / f"{other}.initd").exists() or other in stock(), other
        return service


def test_five_commands_set_up_a_relay(tmp_path):
    machine = Machine(tmp_path)
    for line in five_commands("Alpine packages"):
        for command in line.split(" && "):
            machine.run(command.replace("relay.example", "relay.test"))
    assert machine.enabled == machine.started == [META]
    assert "mydestination = relay.test\n" in (tmp_path / "etc/postfix/main.cf").read_text()


@pytest.mark.parametrize("service", sorted(set(re.findall(r"\brc-service (?!`)([\w-]+)", TEXT))))
def test_services_for_openrc_exist(service):
    """turnserver is Alpine's service of coturn."""
    assert (OPENRC / f"{service}.initd").exists() or service == "turnserver" and "apk add coturn" in TEXT
