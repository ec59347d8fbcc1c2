"""Mailboxes for chatmail-expire, of any age."""

import itertools
import json
import os
import subprocess
from pathlib import Path

from support.tree import BUILD

EXPIRE = BUILD / "services/expire/chatmail-expire"
CHATMAILCTL = BUILD / "ctl/chatmailctl"

NOW = 1_800_000_000
HOUR = 3600
DAY = 86400
LARGE = 200_000  # bytes; larger messages count as large
MIB = 1 << 20

counter = itertools.count(1)


def set_age(path, seconds, now=NOW):
    os.utime(path, (now - seconds, now - seconds), follow_symlinks=False)


class Tree:
    """A relay's mailboxes, with a chatmail.ini."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.mail = self.directory / "mail"
        self.run_dir = self.directory / "run"
        self.ini = self.directory / "chatmail.ini"
        self.mail.mkdir()
        self.run_dir.mkdir()
        self.configure()

    def configure(self, *lines):
        self.ini.write_text(
            "\n".join(
                [
                    "[params]",
                    "mail_domain = relay.test",
                    f"mailboxes_dir = {self.mail}",
                    f"run_dir = {self.run_dir}",
                    *lines,
                    "",
                ]
            )
        )

    def account(self, name, seen=0, now=NOW):
        """Last seen that many seconds ago; None: without a password."""
        mailbox = self.mail / f"{name}@relay.test"
        for part in ("cur", "new", "tmp"):
            (mailbox / part).mkdir(parents=True)
        if seen is not None:
            (mailbox / "password").write_text("{PLAIN}x")
            set_age(mailbox / "password", seen, now)
        return mailbox

    def command(self, *options):
        return [EXPIRE, "-c", self.ini, *map(str, options)]

    def run(self, *options, status=0, now=NOW):
        result = subprocess.run(
            self.command("--now", now, *options), capture_output=True, text=True, timeout=300
        )
        assert result.returncode == status, (result.stdout, result.stderr)
        return result

    def summary(self, *options, status=0):
        return json.loads(self.run("--json", *options, status=status).stdout.splitlines()[-1])

    def files(self):
        """All files below mailboxes_dir: relative path → the properties that must not change
        silently."""
        found = {}
        for path in sorted(self.mail.rglob("*")):
            st = path.lstat()
            found[str(path.relative_to(self.mail))] = (st.st_ino, st.st_mode, st.st_mtime_ns)
        return found


def message(folder, age, size=100, name=None, now=NOW):
    """A file in a mailbox; size is on disk, sparse. The name contains no size, because the test
    does not concern the quota."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (name or f"{now - int(age)}.M{next(counter)}P1.host")
    with path.open("wb") as file:
        file.truncate(size)
    set_age(path, age, now)
    return path


def sized_message(folder, age, size, now=NOW):
    """A file with Dovecot's kind of name: quota counts the size in the name, not that on disk."""
    name = f"{int(now - age)}.M{next(counter)}P1.host,S={size},W={size}:2,S"
    return message(folder, age, 1, name, now)


def make_old(mailbox, age):
    for path in [*mailbox.rglob("*"), mailbox]:
        set_age(path, age)
