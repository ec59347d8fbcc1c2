"""chatmail-notifyd with its own push queue and configuration."""

import itertools
import os
import re
import signal
import subprocess
import time
from pathlib import Path

from support.tree import BUILD, UNIX_USER
from support.wait import eventually

PROGRAM = BUILD / "services" / "notifyd" / "chatmail-notifyd"

# The modification time of an entry contains its retries: see services/notifyd/schedule.h.
FAILURES_MAX = 16

# As root the program does not become vmail, because the machine need not have this user.


class Notifyd:
    def __init__(self, directory, url, ca=None, domain="relay.test", prefix=(), environment=None):
        self.directory = Path(directory)
        self.domain = domain
        self.url = url
        self.mailboxes = self.directory / "mail"
        self.queue = self.mailboxes / "pending_notifications"
        self.ini = self.directory / "chatmail.ini"
        self.log_path = self.directory / "notifyd.log"
        self.prefix = prefix
        self.environment = {
            name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
        }
        if ca is not None:
            self.environment["SSL_CERT_FILE"] = str(ca)
        self.environment.update(environment or {})
        self.process = None
        self.names = itertools.count()
        (self.directory / "run").mkdir(parents=True, exist_ok=True)
        self.queue.mkdir(parents=True, exist_ok=True)
        self.configure()

    def configure(self, **keys):
        values = {
            "mail_domain": self.domain,
            "mailboxes_dir": self.mailboxes,
            "notify_url": self.url,
            "run_dir": self.directory / "run",
            **keys,
        }
        text = "[params]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())
        self.ini.write_text(text)

    def start(self, user=UNIX_USER):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, PROGRAM, "-f", "-c", self.ini, "-u", user],
                stdin=subprocess.DEVNULL,
                stderr=log,
                env=self.environment,
            )
        return self

    def stop(self, number=signal.SIGTERM):
        """Ends the program; returns the exit status."""
        if self.process is None:
            return None
        self.process.send_signal(number)
        status = self.process.wait()
        self.process = None
        return status

    def kill(self):
        return self.stop(signal.SIGKILL)

    def hangup(self):
        """Sends SIGHUP, and waits until the program has handled it."""
        before = self.log().count("configuration")
        self.process.send_signal(signal.SIGHUP)
        eventually(lambda: self.log().count("configuration") > before)

    def log(self):
        return self.log_path.read_text() if self.log_path.exists() else ""

    # --- The queue

    def add(self, token, address=None, arrival=None, failures=0, due=None, name=None):
        """Queues a notification as the mail plugin does: temporary file, then rename. With
        failures it looks as if that many attempts had failed."""
        name = name or f"{next(self.names):032x}"
        address = address or f"someone@{self.domain}"
        arrival = int(time.time() if arrival is None else arrival)
        temporary = self.queue / f".tmp.{name}"
        temporary.write_text(f"{address}\n{arrival}\n{token}")
        if failures:
            stamp = int(due) * 10**9 + failures
            os.utime(temporary, ns=(stamp, stamp))
        temporary.rename(self.queue / name)
        return self.queue / name

    def entries(self):
        return [path for path in self.queue.iterdir() if not path.name.startswith(".")]

    def wait_until_empty(self, timeout=60):
        eventually(lambda: not self.entries(), timeout, message="the queue did not become empty")

    def counted(self):
        """The sums of all counts that the program logs when it ends."""
        sums = {}
        for line in self.log().splitlines():
            if "failed attempts" not in line:
                continue
            for name, value in re.findall(r"([a-z ]+?) (\d+)(?:,|$)", line.split(": ", 1)[1]):
                sums[name.strip()] = sums.get(name.strip(), 0) + int(value)
        return sums


def retry_state(path):
    """(failures, due) of an entry's file; (0, None) if it never failed."""
    stamp = path.stat().st_mtime_ns
    if 1 <= stamp % 10**9 <= FAILURES_MAX:
        return stamp % 10**9, stamp // 10**9
    return 0, None


def tokens(count, label="token"):
    return [f"openpgp:{label}{number:06}" for number in range(count)]


def add_all(notifyd, which):
    for token in which:
        notifyd.add(token)


def untried(paths):
    return [path for path in paths if retry_state(path)[0] == 0]
