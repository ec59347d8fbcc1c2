"""A private relay (packaging/private-relay) and clients that talk to it."""

import contextlib
import imaplib
import json
import os
import re
import secrets
import shutil
import smtplib
import ssl
import string
import subprocess
import tempfile
from pathlib import Path

from support.ports import free_ports
from support.tree import BUILD, SOURCE
from support.wait import eventually

LAUNCHER = SOURCE / "packaging" / "private-relay"
PORTS = (
    "smtp_port",
    "submission_port",
    "smtps_port",
    "imap_port",
    "imaps_port",
    "http_port",
    "https_port",
    "https_proxy_port",
    "imaps_proxy_port",
    "smtps_proxy_port",
    "smtp_proxy_port",
    "submission_proxy_port",
    "imap_proxy_port",
)

# Settings that must not depend on the machine of the tests; no mail leaves it.
QUIET_LIMITS = {
    "notify_url": "https://127.0.0.1:9/notify",
    "max_load_1m": "10000",
    "min_available_memory": "1M",
    "min_free_disk_space": "1M",
    "max_new_accounts_per_ip_per_hour": "0",
    "max_new_accounts_per_minute": "0",
    "max_user_send_per_minute": "6000",
    "max_user_send_burst_size": "1000",
    "max_imap_connections": "2000",
    "outbound_private": "true",
}


def installed_dovecot():
    """The version of the machine's Dovecot, without the point release."""
    command = ["dovecot", "--version"]
    path = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin"
    version = subprocess.check_output(command, env={**os.environ, "PATH": path}, text=True)
    return ".".join(version.split(".")[:2])


class Dovecot:
    """The Dovecot that a relay runs: the machine's, or another version in its own root directory,
    made by tests/run and tests/dovecot-root.

    series: its version without the point release, which is in the names of the templates."""

    def __init__(self, version=None):
        installed = installed_dovecot()
        self.version = version or installed
        self.series = self.version.partition("-")[0]
        self.build = BUILD
        self.root = None
        self.plugin_build = BUILD
        if self.version != installed:
            self.root = BUILD.parent / f"dovecot-{self.version}-root"
            self.plugin_build = BUILD.parent / f"dovecot-{self.version}"
            for path in (self.root, self.plugin_build):
                if not path.exists():
                    raise RuntimeError(f"{path} is missing: tests/run makes it")


def install(build, stage):
    """Runs meson install of a build directory to stage."""
    subprocess.run(
        ["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", stage],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return stage


class Stages:
    """The installed trees that relays of one test run share."""

    def __init__(self, directory, dovecot):
        self.dovecot = dovecot
        self.programs = install(dovecot.build, Path(directory) / "stage")
        self.plugins = self.programs
        if dovecot.root is not None:
            self.plugins = install(dovecot.plugin_build, Path(directory) / "stage-dovecot")


class Account:
    """An address and a password that a client invented."""

    def __init__(self, domain, name=None, password=None):
        alphabet = string.ascii_lowercase + string.digits
        self.name = name or "".join(secrets.choice(alphabet) for _ in range(9))
        self.address = f"{self.name}@{domain}"
        self.password = password or secrets.token_urlsafe(16)


class Relay:
    """One relay. Start it, use it, stop it; stop() removes its directory, unless CHATMAIL_KEEP is
    in the environment.

    ini: keys of chatmail.ini beside those of QUIET_LIMITS; settings: `--set` of the renderer
    beside the ports; without: services that are not started; wrapper: the words before the command
    that starts it."""

    def __init__(self, stages, domain="relay.test", ini=None, settings=None, without=(), wrapper=()):
        self.stages = stages
        self.domain = domain
        self.directory = Path(tempfile.mkdtemp(prefix="chatmail-relay-"))
        self.home = self.directory / "relay"
        self.ports = dict(zip(PORTS, free_ports(len(PORTS))))
        self.settings = {
            "listen": "127.0.0.1",
            "login_failure_delay": "0",
            **self.ports,
            "web_url": f"https://{domain}:{self.ports['https_port']}",
            **(settings or {}),
        }
        self.ini = {
            "mail_domain": domain,
            "mxdeliv_port": free_ports(1)[0],
            "tls_external_cert_and_key": "/etc/ssl/relay/cert.pem /etc/ssl/relay/key.pem",
            **QUIET_LIMITS,
            **(ini or {}),
        }
        self.without = without
        self.wrapper = wrapper
        self.entrance = []  # the words before a command in its network, if that is not ours
        self.address = "127.0.0.1"  # the address for clients
        self.etc = None  # a directory whose files are copied over its /etc
        self.process = None

    # --- Start and end

    def start(self):
        self.write_ini()
        command = [*self.entrance, *self.wrapper, "setpriv", "--pdeathsig", "KILL", LAUNCHER, "run", self.home]
        command += ["--stage", self.stages.programs, "--config", self.directory / "chatmail.ini"]
        for name, value in self.settings.items():
            command += ["--set", f"{name}={value}"]
        if self.etc is not None:
            command += ["--etc", self.etc]
        if self.stages.dovecot.root is not None:
            command += ["--dovecot-root", self.stages.dovecot.root]
            command += ["--dovecot-stage", self.stages.plugins]
        for service in self.without:
            command += ["--without", service]
        with open(self.directory / "launcher.log", "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        ready = self.home / "ready"
        eventually(lambda: ready.exists() or self.process.poll() is not None, timeout=120)
        if not ready.exists():
            why = (self.directory / "launcher.log").read_text()
            self.stop()
            raise RuntimeError("the relay did not start: " + why)
        return self

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            subprocess.run([LAUNCHER, "quit", self.home], check=False)
            self.process.wait()
        if "CHATMAIL_KEEP" in os.environ:
            print(f"kept: {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exception):
        self.stop()

    def write_ini(self):
        """Writes chatmail.ini from self.ini, also for a running relay."""
        text = "[params]\n" + "".join(f"{key} = {value}\n" for key, value in self.ini.items())
        (self.directory / "chatmail.ini").write_text(text)
        if (self.home / "etc").exists():
            (self.home / "etc" / "chatmail.ini").write_text(text)

    def inside(self, *command, dovecot=False, check=True, **options):
        """Runs a command in the relay's namespaces (dovecot: in Dovecot's root directory); returns
        the finished process with its output as text."""
        options.setdefault("text", True)
        where = ["--dovecot"] if dovecot else []
        return subprocess.run(
            [*self.entrance, LAUNCHER, "exec", self.home, *where, *command],
            check=check,
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=options.pop("stderr", subprocess.PIPE),
            **options,
        )

    def stop_service(self, service):
        subprocess.run([*self.entrance, LAUNCHER, "stop", self.home, service], check=True)

    def start_service(self, service):
        subprocess.run([*self.entrance, LAUNCHER, "start", self.home, service], check=True)

    def restart_service(self, service):
        subprocess.run([*self.entrance, LAUNCHER, "restart", self.home, service], check=True)

    def limit_inotify(self, instances):
        """Shows `chatmailctl status` this limit instead of the one of the machine that runs the tests."""
        shown = self.path("/run/inotify")
        if not shown.exists():
            shown.touch()
            self.inside("mount", "--bind", "/run/inotify", "/proc/sys/fs/inotify/max_user_instances")
        shown.write_text(f"{instances}\n")

    # --- Files of the relay

    def path(self, inside):
        """The path outside of an absolute path of the relay below /etc, /run, /home, /var/log or
        /var/spool/postfix."""
        for prefix, place in (
            ("/etc/", "etc"),
            ("/run/", "run"),
            ("/home/", "home"),
            ("/var/log/", "log"),
            ("/var/spool/postfix/", "spool"),
        ):
            if inside.startswith(prefix):
                return self.home / place / inside[len(prefix) :]
        raise ValueError(f"{inside} is not a private path")

    def mailbox(self, account):
        return self.path(f"/home/vmail/mail/{self.domain}/{account.address}")

    def log(self, name):
        """mail (Postfix), dovecot, milter, opendkim, notifyd, httpd, nginx or nginx-access."""
        return self.path(f"/var/log/{name}.log").read_text(errors="replace")

    def queue(self):
        """Postfix's queue: one dict for each message, as postqueue -j prints it. It lists one
        queue after the other, so a message that changes its queue meanwhile may be listed
        twice."""
        lines = self.inside("postqueue", "-j").stdout.splitlines()
        return list({entry["queue_id"]: entry for entry in map(json.loads, lines)}.values())

    def dkim_record(self):
        """The TXT record of the relay's own DKIM key."""
        key = self.path("/etc/dkimkeys/opendkim.private")
        output = subprocess.run(
            ["openssl", "rsa", "-in", key, "-pubout", "-outform", "PEM"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        return "v=DKIM1; k=rsa; p=" + "".join(
            line for line in output.splitlines() if not line.startswith("-")
        )

    # --- Clients

    def account(self, name=None, password=None):
        """An unused address; the first login creates the account."""
        return Account(self.domain, name, password)

    def registered(self, name=None, password=None):
        """An account that exists."""
        account = self.account(name, password)
        self.imap(account).logout()
        return account

    def accept_cleartext(self, account):
        """Makes the account accept cleartext, which new accounts refuse."""
        (self.mailbox(account) / "enforceE2EEincoming").unlink()

    def imap(self, account, password=None, select=False):
        """A client that is logged in. Raises imaplib.IMAP4.error if the login is refused."""
        client = imaplib.IMAP4_SSL(
            self.address, self.ports["imaps_port"], ssl_context=trusting(), timeout=60
        )
        try:
            client.login(account.address, password or account.password)
        except BaseException:
            client.shutdown()
            raise
        if select:
            client.select("INBOX")
        return client

    @contextlib.contextmanager
    def submission(self, account=None, password=None, wrapped=True):
        """A client of port 465, or of port 587 if not wrapped; logged in if account is given."""
        if wrapped:
            client = smtplib.SMTP_SSL(
                self.address, self.ports["smtps_port"], "client.test", context=trusting(), timeout=60
            )
        else:
            client = smtplib.SMTP(
                self.address, self.ports["submission_port"], "client.test", timeout=60
            )
            client.starttls(context=trusting())
        with client:
            if account is not None:
                client.login(account.address, password or account.password)
            yield client

    @contextlib.contextmanager
    def peer(self, source=""):
        """Another relay, connected to port 25 from an address, with TLS."""
        client = smtplib.SMTP(
            self.address,
            self.ports["smtp_port"],
            "peer.test",
            timeout=60,
            source_address=(source, 0),
        )
        client.starttls(context=trusting())
        with client:
            yield client

    def send(self, account, recipients, message, sender=None, **how):
        """Submits a message as account; returns (code, text) of the last reply."""
        with self.submission(account, **how) as client:
            return transact(client, sender or account.address, recipients, message)

    def receive(self, sender, recipients, message, source=""):
        """Sends a message to port 25; returns (code, text) of the last reply."""
        with self.peer(source) as client:
            return transact(client, sender, recipients, message)

    def lmtp(self):
        """A client of Dovecot's LMTP."""
        return smtplib.LMTP(str(self.path("/var/spool/postfix/private/dovecot-lmtp")), timeout=60)

    def deliver(self, sender, recipients, message):
        """Sends a message to Dovecot's LMTP, as Postfix does; returns {recipient: (code, text)} of
        refused recipients."""
        if isinstance(recipients, str):
            recipients = [recipients]
        with self.lmtp() as client:
            client.mail(sender)
            replies = {recipient: client.rcpt(recipient) for recipient in recipients}
            taken = [recipient for recipient in recipients if replies[recipient][0] == 250]
            if taken:
                # There is one reply for each recipient; smtplib reads only the first.
                replies[taken[0]] = client.data(message)
                for recipient in taken[1:]:
                    replies[recipient] = client.getreply()
        return {recipient: reply for recipient, reply in replies.items() if reply[0] != 250}

    def messages(self, account, count=1, timeout=30):
        """The messages in the mailbox as bytes, once there are at least count."""

        def enough():
            found = self.fetch(account)
            return found if len(found) >= count else None

        return eventually(enough, timeout, message=f"{count} messages did not arrive")

    def fetch(self, account):
        """The messages in the mailbox now."""
        client = self.imap(account, select=True)
        try:
            _, [uids] = client.uid("SEARCH", "ALL")
            if not uids:
                return []
            _, data = client.uid("FETCH", uids.replace(b" ", b",").decode(), "(BODY.PEEK[])")
            return [part[1] for part in data if isinstance(part, tuple)]
        finally:
            client.logout()

    def settle(self):
        """Waits until Postfix has delivered all mail except deferred messages."""
        eventually(
            lambda: all(entry["queue_name"] == "deferred" for entry in self.queue()),
            message="Postfix did not become idle",
        )


def transact(client, sender, recipients, message):
    """Runs one mail transaction; returns the first refusal, or the reply to the message."""
    if isinstance(recipients, str):
        recipients = [recipients]
    code, text = client.mail(sender)
    if code != 250:
        client.rset()
        return code, text.decode()
    for recipient in recipients:
        code, text = client.rcpt(recipient)
        if code != 250:
            client.rset()
            return code, text.decode()
    code, text = client.data(message)
    return code, text.decode()


def trusting():
    """TLS that accepts any certificate, like clients with ic=3."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def queue_id(text):
    """The queue ID in Postfix's reply to an accepted message."""
    return re.search(r"queued as (\w+)", text).group(1)
