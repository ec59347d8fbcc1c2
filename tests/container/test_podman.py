"""The manual's commands for podman, in a network of their own."""

import ctypes
import os
import re
import resource
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from support.command import run_command
from support.manual import TEXT, block
from support.real_ports import a_message_arrives, can_connect, login, messages
from support.relay import Account
from support.wait import eventually

IMAGE = "localhost/chatmail-relay:debian-12"
CLONE_NEWNET = 0x40000000
PORTS = (25, 80, 143, 443, 465, 587, 993)
SYSCTL, RUN, *OTHERS = block("sysctl -w net.ipv4.ip_unprivileged_port_start").replace("\\\n", "").splitlines()
DOMAIN = re.search(r"CHATMAIL_DOMAIN=(\S+)", RUN).group(1)
ALICE, BOB = Account(DOMAIN), Account(DOMAIN)

# This machine need not have systemd, or cgroups that root may change; its hard limits may be lower than podman's.
CONTAINERS = """
[containers]
cgroups = "disabled"
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
"""
STORAGE = """
[storage]
driver = "vfs"
graphroot = "{storage}"
runroot = "{directory}/run"
"""


USER, FIRST_ID, IDS = 299999, 300000, 65536


def add_user(directory):
    """A user who may run containers: in copies of the files, which this mount namespace sees instead."""
    for name, line in (
        ("passwd", f"podman:x:{USER}:{USER}::{directory}:/bin/sh\n"),
        ("group", f"podman:x:{USER}:\n"),
        ("subuid", f"podman:{FIRST_ID}:{IDS}\n"),
        ("subgid", f"podman:{FIRST_ID}:{IDS}\n"),
    ):
        copy = directory / name
        copy.write_text(Path(f"/etc/{name}").read_text() + line)
        subprocess.run(["mount", "--bind", copy, f"/etc/{name}"], check=True)


class Podman:
    """Runs commands of the manual."""

    def __init__(self, directory, storage, user=()):
        self.directory, self.user = directory, user
        limits = (resource.getrlimit(limit)[1] for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC))
        files, processes = (limit if 0 < limit < 32768 else 32768 for limit in limits)
        (directory / "containers.conf").write_text(CONTAINERS.format(files=files, processes=processes))
        (directory / "storage.conf").write_text(STORAGE.format(storage=storage, directory=directory))
        self.environment = {
            "CONTAINERS_CONF": str(directory / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(directory / "storage.conf"),
            "HOME": str(directory),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "XDG_RUNTIME_DIR": str(directory),
        }

    def __call__(self, command, check=True):
        done = run_command([*self.user, *shlex.split(command)], cwd=self.directory, env=self.environment)
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}"
        return done

    def clean(self):
        self("podman rm --force --ignore relay", check=False)
        self("podman volume rm --force relay", check=False)
        # Ends the process that keeps a user's namespaces.
        self("podman system migrate", check=False)


def podman_of_root(directory):
    return Podman(directory, os.environ["CHATMAIL_STORAGE"])


def podman_of_a_user(directory):
    """Has the image from root."""
    image = directory / "image.tar"
    podman_of_root(directory)(f"podman save --quiet --output {image} {IMAGE}")
    home = directory / "home"
    home.mkdir()
    add_user(home)
    user = Podman(home, home / "storage", ["setpriv", "--reuid=podman", "--regid=podman", "--init-groups"])
    for path in (image, home, *home.iterdir()):
        os.chown(path, USER, USER)
    user(f"podman load --quiet --input {image}")
    image.unlink()
    return user


@pytest.fixture(scope="module", params=[podman_of_root, podman_of_a_user])
def podman(request):
    """In a network namespace of its own."""
    # Others may enter it, unlike pytest's directories.
    directory = Path(tempfile.mkdtemp(prefix="chatmail-podman-"))
    directory.chmod(0o755)
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as before:
        assert libc.unshare(CLONE_NEWNET) == 0
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        try:
            instance = request.param(directory)
            instance(f"podman tag {IMAGE} chatmail-relay")
            attempt = instance("podman run --rm --network host --entrypoint /bin/true chatmail-relay", check=False)
            if attempt.returncode != 0:
                pytest.skip(f"podman cannot run a container here: {attempt.stdout}")
            instance.clean()
            yield instance
            instance.clean()
        finally:
            libc.setns(before.fileno(), CLONE_NEWNET)
            shutil.rmtree(directory)


def everything_listens():
    for port in PORTS:
        eventually(lambda port=port: can_connect(port), 180, message=f"port {port} is closed")


def test_commands_of_the_manual(podman):
    # The other sysctl is not the network's but the machine's, which has other users.
    words = [word for word in SYSCTL.split() if not word.startswith("fs.")]
    assert len(words) == 3
    subprocess.run(words, check=True)
    podman(RUN)
    everything_listens()
    outputs = [podman(command, check=False).stdout for command in OTHERS]
    assert "_domainkey" in outputs[0]
    assert re.search(r"ok +milter +answers", outputs[1])
    # The machine may be busy.
    podman("podman exec relay sh -c 'echo max_load_1m = 10000 >>/etc/chatmail.ini'")
    podman("podman restart relay")
    everything_listens()
    login(ALICE).logout()
    login(BOB).logout()
    a_message_arrives(ALICE, BOB)
    healthy = podman("podman exec relay /usr/lib/chatmail/container/healthcheck")
    assert "relay" in healthy.stdout


def test_update(podman):
    """A new container has the volume of the old one."""
    [command] = re.findall(r"`(podman rm [^`]+)`", re.sub(r"\n *", " ", TEXT))
    before = len(messages(BOB))
    podman(command)
    assert not can_connect(993)
    podman(RUN)
    everything_listens()
    assert len(messages(BOB)) == before > 0
    a_message_arrives(ALICE, BOB)
