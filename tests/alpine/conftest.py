"""The packages of the APKBUILD, and a box: a copy of this machine in its own namespaces, with
Debian's OpenRC, and with busybox's ash as /bin/sh, which runs the packages' scripts."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from support.tree import SOURCE
from support.wait import eventually

APORT = SOURCE / "packaging" / "alpine" / "chatmail-relay"


@pytest.fixture(scope="session")
def packages():
    """WORK/pkg of tests/alpine/abuild, which tests/packages made before: a directory for each
    package."""
    return Path(os.environ["CHATMAIL_APK"])


class Box:
    def __init__(self, openrc):
        self.directory = Path(tempfile.mkdtemp(prefix="chatmail-box-"))
        self.root = self.directory / "root"
        self.mount("-t", "tmpfs", "tmpfs", self.directory)
        for name in ("root", "upper", "work"):
            (self.directory / name).mkdir()
        options = f"lowerdir=/,upperdir={self.directory}/upper,workdir={self.directory}/work"
        self.mount("-t", "overlay", "overlay", "-o", options, self.root)
        subprocess.run(
            f"tar -C {openrc} -c . | tar -C {self.root} -x --keep-directory-symlink",
            shell=True,
            check=True,
        )
        self.mount("-t", "tmpfs", "tmpfs", self.root / "run")
        self.mount("-t", "tmpfs", "tmpfs", self.root / "tmp")
        self.mount("--rbind", "/dev", self.root / "dev")
        self.process = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child", "setpriv", "--pdeathsig", "KILL",
             "bash", "-c", "while :; do sleep 1; done"]
        )  # fmt: skip
        eventually(lambda: self.leader() is not None, 30, message="no process 1")
        self.namespace("mount", "-t", "proc", "proc", self.root / "proc")
        self.furnish()

    @staticmethod
    def mount(*arguments):
        subprocess.run(["mount", *arguments], check=True)

    def leader(self):
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        found = children.read_text().split()
        return found[0] if found else None

    def namespace(self, *command, **options):
        return subprocess.run(
            ["nsenter", "-t", self.leader(), "-p", *command], check=True, **options
        )

    def furnish(self):
        """What Alpine has and Debian lacks: busybox as the shell, its commands for users, and a
        softlevel, which says that OpenRC booted the machine."""
        (self.root / "bin/sh").unlink()
        (self.root / "bin/sh").symlink_to(shutil.which("busybox"))
        local = self.root / "usr/local/bin"
        (local / "addgroup").write_text('#!/bin/bash\n[ "$1" = -S ] && exec groupadd -r "$2"\n')
        (local / "adduser").write_text(
            "#!/bin/bash\n"
            'while getopts SDHh:s:G:g:u: option; do case $option in\n'
            'h) home=$OPTARG ;; s) shell=$OPTARG ;; G) group=$OPTARG ;; u) uid=$OPTARG ;; esac; done\n'
            'exec useradd -r -M -d "$home" -s "$shell" -g "$group" ${uid:+-u "$uid"} "${@:OPTIND:1}"\n'
        )
        (local / "deluser").write_text('#!/bin/bash\nexec userdel "$1"\n')
        for name in ("addgroup", "adduser", "deluser"):
            (local / name).chmod(0o755)
        for state in ("daemons", "exclusive", "failed", "hotplugged", "inactive", "options",
                      "scheduled", "snapshot", "started", "starting", "stopped", "stopping",
                      "wasinactive"):  # fmt: skip
            (self.root / "run/openrc" / state).mkdir(parents=True)
        (self.root / "run/openrc/softlevel").write_text("default\n")
        for line in ("userdel vmail", "groupdel vmail"):
            self.run(*line.split(), check=False)

    def install(self, packages, *names):
        """Installs files of packages and runs their scripts in the package manager's order."""
        for name in names:
            self.script(f"{name}.pre-install")
            subprocess.run(["cp", "-a", f"{packages / name}/.", self.root], check=True)
            self.script(f"{name}.post-install")

    def script(self, name):
        path = APORT / name
        if path.exists():
            self.run("busybox", "ash", path)

    def run(self, *command, check=True):
        # Not a pipe: a service that the script starts would keep it open.
        with tempfile.TemporaryFile("w+") as output:
            status = self.execute(command, output)
            output.seek(0)
            result = subprocess.CompletedProcess(command, status, output.read())
        if check and result.returncode != 0:
            raise AssertionError(f"{command}: exit status {result.returncode}\n{result.stdout}")
        return result

    def execute(self, command, output):
        return subprocess.run(
            ["nsenter", "-t", self.leader(), "-p", "chroot", self.root, "env", "-i",
             "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
             *(str(word) for word in command)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=300,
        ).returncode  # fmt: skip

    def remove(self):
        self.process.kill()
        self.process.wait()
        subprocess.run(["umount", "--recursive", "--lazy", self.directory], check=True)
        self.directory.rmdir()


@pytest.fixture(scope="module")
def box():
    instance = Box(os.environ["CHATMAIL_OPENRC"])
    try:
        yield instance
    finally:
        instance.remove()
