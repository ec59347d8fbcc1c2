"""A container without an engine: an image unpacked by umoci, run by crun in a user namespace, as a rootless engine
does. Its network namespace is its own, and the test enters it."""

import json
import os
import shutil
import subprocess

from support import network
from support.wait import eventually

# The numbers of the container's users on this machine.
FIRST_ID, IDS = 300000, 65536

# What podman grants.
CAPABILITIES = [
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
]  # fmt: skip


class Container:
    """The files are below directory; what lasts is in volume."""

    def __init__(self, bundle, directory, volume):
        """bundle: of unpack(); its root is shared, and not changed."""
        self.name = f"chatmail-test-{os.getpid()}-{directory.name}"
        self.directory = directory
        self.volume = volume
        self.log = directory / "log"
        self.process = None
        for name in ("rootfs", "upper", "work"):
            (directory / name).mkdir()
        os.chown(directory / "upper", FIRST_ID, FIRST_ID)
        shutil.copy(bundle / "config.json", directory)
        options = f"lowerdir={bundle}/rootfs,upperdir={directory}/upper,workdir={directory}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, directory / "rootfs"], check=True)
        if not volume.exists():
            volume.mkdir()
            os.chown(volume, FIRST_ID, FIRST_ID)

    def configure(self, environment):
        path = self.directory / "config.json"
        config = json.loads(path.read_text())
        process = config["process"]
        process["terminal"] = False
        process["noNewPrivileges"] = False
        process["env"] += [f"{name}={value}" for name, value in environment.items()]
        process["capabilities"] = dict.fromkeys(
            ("bounding", "effective", "permitted"), CAPABILITIES
        )
        process["rlimits"] = []
        config["mounts"] = [m for m in config["mounts"] if m["destination"] not in ("/data", "/run", "/sys/fs/cgroup")]
        config["mounts"] += [
            {"destination": "/run", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=755"]},
            {"destination": "/data", "type": "bind", "source": str(self.volume), "options": ["rbind", "rw"]},
        ]
        path.write_text(json.dumps(config))

    def start(self, **environment):
        self.configure(environment)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.crun("run", "--bundle", self.directory, self.name)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def enter_network(self):
        """From now on, this thread's connections are made in the container."""
        pid = eventually(self.pid, 60, message="the container does not run")
        with open(f"/proc/{pid}/ns/net") as namespace:
            network.enter(namespace)

    def pid(self):
        """Of its process 1, outside; 0 before it exists."""
        assert self.process.poll() is None, self.output()
        state = subprocess.run(self.crun("state", self.name), capture_output=True, text=True)
        return json.loads(state.stdout)["pid"] if state.returncode == 0 else 0

    def stop(self):
        """As an engine's stop does it; returns the exit status."""
        subprocess.run(self.crun("kill", self.name, "TERM"), check=True)
        return self.process.wait(120)

    def remove(self):
        if self.process is not None and self.process.poll() is None:
            subprocess.run(self.crun("kill", self.name, "KILL"), capture_output=True)
            self.process.wait(60)
        subprocess.run(self.crun("delete", "--force", self.name), capture_output=True)
        subprocess.run(["umount", self.directory / "rootfs"], check=True)
        shutil.rmtree(self.directory)

    @staticmethod
    def crun(*words):
        # The machine may have cgroups that crun cannot manage.
        return ["crun", "--cgroup-manager=disabled", *(str(word) for word in words)]

    def run(self, *command, check=True):
        result = subprocess.run(self.crun("exec", self.name, *command), capture_output=True, text=True)
        if check and result.returncode != 0:
            raise AssertionError(f"{command}: {result.returncode}\n{result.stdout}{result.stderr}")
        return result

    def path(self, path):
        return self.directory / "rootfs" / str(path).lstrip("/")

    def output(self):
        return self.log.read_text(errors="replace")


def unpack(image, bundle):
    """Unpacks an OCI image for the container's users."""
    ids = f"0:{FIRST_ID}:{IDS}"
    subprocess.run(
        ["umoci", "unpack", "--image", image, "--uid-map", ids, "--gid-map", ids, bundle],
        check=True, capture_output=True,
    )  # fmt: skip
    os.chmod(bundle, 0o755)
    return bundle
