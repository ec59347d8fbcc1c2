"""chatmail-milter as a real process, in a private directory."""

import signal
import subprocess
from pathlib import Path

from support import messages
from support.milter import Connection, Reply, split_header
from support.tree import BUILD, UNIX_USER
from support.wait import eventually

PROGRAM = BUILD / "milter/chatmail-milter"


class MilterDaemon:
    def __init__(self, directory, **ini):
        self.directory = Path(directory)
        self.ini = self.directory / "chatmail.ini"
        self.socket = self.directory / "milter.sock"
        self.log_file = self.directory / "log"
        self.mailboxes = self.directory / "mail"
        self.log_file.touch()
        self.mailboxes.mkdir(exist_ok=True)
        self.process = None
        self.configure(**ini)

    def __enter__(self):
        return self.start()

    def __exit__(self, *unused):
        self.stop()

    def configure(self, **ini):
        values = {
            "mail_domain": "relay.test",
            "mailboxes_dir": self.mailboxes,
            "run_dir": self.directory,
            # Signing has its own tests.
            "dkim_signing": "opendkim",
            **ini,
        }
        lines = [f"{name} = {value}" for name, value in values.items()]
        self.ini.write_text("\n".join(["[params]", *lines, ""]))

    def account(self, address):
        """An account that refuses cleartext."""
        mailbox = self.mailboxes / address
        mailbox.mkdir(parents=True)
        (mailbox / "password").write_text("{PLAIN}x")
        (mailbox / "enforceE2EEincoming").write_text("")

    def command(self, *options):
        return [PROGRAM, "-f", "-c", self.ini, "-s", self.socket, "-u", UNIX_USER, *options]

    def start(self, *options, wrapper=()):
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*wrapper, *self.command(*options)], stderr=log, stdout=log
            )
        eventually(lambda: self.process.poll() is not None or self.listens(), message="no start")
        assert self.process.poll() is None, self.log()
        return self

    def listens(self):
        try:
            Connection(self.socket).close()
        except OSError:
            return False
        return True

    def log(self):
        return self.log_file.read_text()

    def stop(self, number=signal.SIGTERM):
        """Ends the daemon and returns its exit status."""
        if self.process is None:
            return None
        self.process.send_signal(number)
        status = self.process.wait(timeout=60)
        self.process = None
        return status

    def judge(self, message, sender="alice@peer.test", recipients=("bob@relay.test",), login=None):
        """(reply code or 250, reply text, lines that were logged about it)."""
        before = len(self.log())
        with Connection(self.socket) as connection:
            try:
                connection.message(message, sender, recipients, login)
                code, text = 250, ""
            except Reply as reply:
                code, text = reply.code, reply.text
        return code, text, self.log()[before:]


USER, PEER = "bob1@relay.test", "alice@peer.test"


def new_daemon(directory, **ini):
    """A daemon that limits no sender's rate and queries no DNS server for keys."""
    ini = {"max_user_send_burst_size": 5000, "resolver": "127.0.0.1@9", **ini}
    return MilterDaemon(directory, **ini)


def encrypted(size=500):
    return messages.encrypted(USER, PEER, size)


def send(daemon, message=None):
    return daemon.judge(message or encrypted(), USER, [PEER], USER)


def begin(connection, message):
    """Sends a message up to the middle of its body; returns the rest."""
    body = split_header(message)[1]
    connection.mail(f"<{USER}>", USER)
    connection.recipient(f"<{PEER}>")
    connection.headers(message)
    connection.body(body[: len(body) // 2])
    return body[len(body) // 2 :]


def finish(connection, rest):
    connection.body(rest)
    connection.end_of_message()
