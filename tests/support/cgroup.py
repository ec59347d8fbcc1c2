"""A memory control group for processes, of version 1 or 2."""

from pathlib import Path

from support.wait import eventually

TOP = Path("/sys/fs/cgroup")
MEGABYTE = 1 << 20


class MemoryGroup:
    """A group with a limit of this many MB. wrapper: the words before a command that is to run in
    it."""

    def __init__(self, name, megabytes):
        self.version = 1 if (TOP / "memory").is_dir() else 2
        self.path = (TOP / "memory" if self.version == 1 else TOP) / name
        self.megabytes = megabytes
        self.wrapper = ["sh", "-c", f'echo $$ >{self.path}/cgroup.procs && exec "$@"', "sh"]

    def __enter__(self):
        if self.version == 2:
            (TOP / "cgroup.subtree_control").write_text("+memory")
        self.path.mkdir()
        limit = "memory.limit_in_bytes" if self.version == 1 else "memory.max"
        (self.path / limit).write_text(f"{self.megabytes}M")
        if self.version == 2:
            (self.path / "memory.swap.max").write_text("0")
        return self

    def __exit__(self, *exception):
        eventually(lambda: not (self.path / "cgroup.procs").read_text(), timeout=60)
        self.path.rmdir()

    def number(self, one, two):
        return int((self.path / (one if self.version == 1 else two)).read_text()) // MEGABYTE

    def used(self):
        return self.number("memory.usage_in_bytes", "memory.current")

    def most(self):
        return self.number("memory.max_usage_in_bytes", "memory.peak")

    def killed(self):
        """The number of processes that the kernel has killed."""
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        words = (self.path / name).read_text().split()
        return int(words[words.index("oom_kill") + 1])
