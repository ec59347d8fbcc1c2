"""A copy of this machine's files, in a mount, PID and network namespace of its own: what root does there changes
nothing here. No service runs in it."""

import os
import subprocess
import tempfile

from support.command import run_command

# Each argument is a directory that is shown in the copy, because it may be another file system.
SCRIPT = r"""
set -e
here=$1
shift
mount -t tmpfs tmpfs "$here"
show() {
    number=$((number + 1))
    mkdir -p "$here/upper$number" "$here/work$number" "$here/machine$1"
    mount -t overlay overlay "$here/machine$1" \
        -o "lowerdir=$1,upperdir=$here/upper$number,workdir=$here/work$number"
}
show /
mount --rbind /dev "$here/machine/dev"
mount -t proc proc "$here/machine/proc"
mount -t tmpfs tmpfs "$here/machine/run"
mount -t tmpfs -o mode=1777 tmpfs "$here/machine/tmp"
# Last: they may be below /tmp.
for directory; do show "$directory"; done
ip link set lo up
echo ready
exec sleep infinity
"""


class CopiedMachine:
    def __init__(self, *directories):
        self.directory = tempfile.mkdtemp(prefix="chatmail-copy-")
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--net", "--fork", "--kill-child"]
        command += ["sh", "-c", SCRIPT, "sh", self.directory, *map(str, directories)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            self.stop()
            raise RuntimeError("cannot copy this machine")
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(children, encoding="ascii") as file:
            self.pid = int(file.read().split()[0])

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        os.rmdir(self.directory)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stop()

    def shell(self, commands, directory="/", check=True):
        """Runs commands of a shell; fails at the first that fails."""
        done = run_command(
            ["nsenter", "--target", str(self.pid), "--mount", "--root", "--pid", "--net",
             "chroot", f"{self.directory}/machine", "env", "-i",
             "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8",
             "sh", "-e", "-c", f"cd {directory}\n{commands}"],
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{commands}\n{done.stdout}"
        return done
