"""A Debian machine that boots in its own namespaces: systemd as process 1, on a copy of a root
directory. Its network is the caller's, so the caller creates a private one first
(tests/packages)."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from support.wait import eventually

# systemd's own numbers: SIGRTMIN+4 powers off.
POWER_OFF = signal.SIGRTMIN + 4


class Machine:
    """The machine's files are below root, also while it is off."""

    def __init__(self, base):
        self.directory = Path(tempfile.mkdtemp(prefix="chatmail-machine-"))
        self.root = self.directory / "root"
        for name in ("root", "upper", "work"):
            (self.directory / name).mkdir()
        options = f"lowerdir={base},upperdir={self.directory}/upper,workdir={self.directory}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, self.root], check=True)
        self.process = None

    def remove(self):
        self.power_off()
        subprocess.run(["umount", "--recursive", self.root], check=True)
        shutil.rmtree(self.directory)

    # --- Start and end

    def boot(self):
        command = ["setpriv", "--pdeathsig", "KILL", "systemd-nspawn", "--quiet", "--boot"]
        command += ["--directory", self.root, "--register=no", "--keep-unit", "--console=pipe"]
        command += ["--resolv-conf=off", "--timezone=off", "--machine=relay"]
        # Its list of system calls is older than Landlock.
        command += ["--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self"]
        with open(self.directory / "console.log", "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        eventually(self.is_up, 120, message="the machine does not boot")

    def power_off(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            os.kill(self.leader(), POWER_OFF)
            try:
                self.process.wait(120)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def reboot(self):
        self.power_off()
        self.boot()

    def leader(self):
        """The PID of the machine's process 1 outside; None before it exists."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        for child in children.split():
            if Path(f"/proc/{child}/status").read_text().rstrip().find(f"NSpid:\t{child}\t1\n") >= 0:
                return int(child)
        return None

    def is_up(self):
        assert self.process.poll() is None, (self.directory / "console.log").read_text()
        if self.leader() is None:
            return False
        state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
        return state in ("running", "degraded")

    # --- Commands

    def run(self, *command, check=True, input=None, env=()):
        """Runs a command as root of the machine; check: fail if it fails."""
        prefix = ["nsenter", "-t", str(self.leader()), "-m", "-u", "-i", "-p", "-r", "-w", "env", "-i"]
        prefix += ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"]
        prefix += ["LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", *env]
        result = subprocess.run(
            [*prefix, *(str(word) for word in command)],
            input=input,
            capture_output=True,
            text=True,
        )
        if check and result.returncode != 0:
            raise AssertionError(
                f"{command}: exit status {result.returncode}\n{result.stdout}{result.stderr}"
            )
        return result

    def output(self, *command):
        return self.run(*command).stdout.strip()

    def apt(self, *arguments):
        """apt-get without network: from the cache and from the repositories on disk."""
        return self.run("apt-get", "-q", "-y", "--no-install-recommends", *arguments)

    def journal(self, unit=None):
        return self.output("journalctl", "--no-pager", "-o", "cat", *(["-u", unit] if unit else []))

    def is_active(self, unit):
        return self.run("systemctl", "is-active", unit, check=False).stdout.strip() == "active"

    def main_pid(self, unit):
        return int(self.output("systemctl", "show", "-P", "MainPID", unit))

    def path(self, path):
        """The path of the machine's file outside."""
        return self.root / str(path).lstrip("/")

    def stat(self, path):
        """Owner, group and mode."""
        return self.output("stat", "-c", "%U %G %a", path)
