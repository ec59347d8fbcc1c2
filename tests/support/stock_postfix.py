"""Other mail servers: a stock Postfix, with and without TLS, with and without OpenDKIM.

It accepts mail for any name in its domain."""

import re
import shutil
import subprocess
import time
from pathlib import Path

from support.wait import eventually

MAIN = """\
compatibility_level = 3.6
maillog_file = /var/log/mail.log
maillog_file_prefixes = /var
myhostname = {domain}
mydestination =
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = static:all/
virtual_mailbox_base = /var/mail/world
virtual_minimum_uid = 1
virtual_uid_maps = static:8
virtual_gid_maps = static:8
smtpd_tls_cert_file = /etc/ssl/world/cert.pem
smtpd_tls_key_file = /etc/ssl/world/key.pem
smtpd_tls_security_level = may
smtpd_tls_received_header = yes
smtp_tls_security_level = may
smtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt
authorized_submit_users = root
inet_protocols = all
smtp_address_preference = ipv4
mynetworks = 127.0.0.0/8 {mynetworks}
queue_run_delay = 5s
minimal_backoff_time = 5s
"""
OPENDKIM = """\
Mode s
Domain {domain}
Selector stock
KeyFile /etc/ssl/world/dkim.private
Socket inet:8891@127.0.0.1
UserID root
RequireSafeKeys no
OversignHeaders From
"""
# Separate namespaces contain the mounts and end all processes together with the shell, which
# stays, because Postfix would lose the signal that --kill-child requests.
START = """\
set -e
for place in etc var/spool/postfix var/lib/postfix var/log var/mail; do
	mount --bind "$0/$place" "/$place"
done
mount -t proc proc /proc
opendkim -x /etc/opendkim-world.conf
postfix check
postfix start-fg &
wait
"""


class StockPostfix:
    """Runs on a host of the internet. etc: a directory whose files are copied over its /etc, with
    resolv.conf and authorities; a pair of certificate and key."""

    def __init__(self, directory, host, domain, etc, pair):
        self.directory = Path(directory)
        self.host = host
        self.domain = domain
        for place in ("var/spool/postfix", "var/lib/postfix", "var/log", "var/mail/world"):
            (self.directory / place).mkdir(parents=True)
        shutil.chown(self.directory / "var/lib/postfix", "postfix")
        shutil.chown(self.directory / "var/mail/world", 8, 8)
        subprocess.run(["cp", "-a", "/etc", self.directory / "etc"], check=True)
        subprocess.run(["rm", "-f", self.directory / "etc/resolv.conf"], check=True)
        subprocess.run(["cp", "-a", f"{etc}/.", self.directory / "etc"], check=True)
        self.write("ssl/world/cert.pem", Path(pair[0]).read_text())
        self.write("ssl/world/key.pem", Path(pair[1]).read_text())
        main = MAIN.format(domain=domain, mynetworks=f"{host.ipv4}/32 [{host.ipv6}]/128")
        self.write("postfix/main.cf", main)
        # Debian's own master.cf runs smtp(8) in a chroot without resolv.conf.
        master = (self.directory / "etc/postfix/master.cf").read_text()
        self.write("postfix/master.cf", re.sub(r"(?m)^(\S+ +\w+ +\S+ +\S+ +)y", r"\1n", master))
        self.write("opendkim-world.conf", OPENDKIM.format(domain=domain))
        key = self.directory / "etc/ssl/world/dkim.private"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        self.public = subprocess.run(
            ["openssl", "rsa", "-in", key, "-pubout"], check=True, capture_output=True, text=True
        ).stdout
        self.process = None

    def write(self, path, text):
        path = self.directory / "etc" / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    @property
    def zone(self):
        key = "".join(line for line in self.public.splitlines() if not line.startswith("-"))
        return [
            f"@ IN A {self.host.ipv4}",
            f"@ IN AAAA {self.host.ipv6}",
            f"@ IN MX 10 {self.domain}.",
            f'stock._domainkey IN TXT "v=DKIM1; k=rsa; p={key[:200]}" "{key[200:]}"',
        ]

    def start(self):
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", START]
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *self.host.command(*command, self.directory)],
            stdin=subprocess.DEVNULL,
        )
        eventually(self.listens, 120, message="the stock Postfix does not start")
        return self

    def listens(self):
        assert self.process.poll() is None, self.log()
        listening = self.host.command("cat", "/proc/net/tcp")
        return ":0019 00000000" in subprocess.check_output(listening, text=True)

    def run(self, *command, **options):
        """Runs a command in its namespaces."""
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        inside = ["nsenter", "-t", Path(children).read_text().split()[0], "-m", "-p", "-n"]
        return subprocess.run(
            [*inside, *map(str, command)], check=True, capture_output=True, text=True, **options
        ).stdout

    def set(self, **parameters):
        """Changes main.cf; dkim=True or False sets the milters."""
        if "dkim" in parameters:
            milter = "inet:127.0.0.1:8891" if parameters.pop("dkim") else ""
            parameters.update(smtpd_milters=milter, non_smtpd_milters=milter)
        self.run("postconf", "-e", *(f"{name}={value}" for name, value in parameters.items()))
        self.run("postfix", "reload")
        # The master process does not report when it uses the new configuration.
        time.sleep(1)

    def send(self, sender, recipients, message):
        """Queues a message as one of its users; Postfix signs it if configured."""
        self.run("sendmail", "-i", "-f", sender, "--", *recipients, input=message)

    def mail(self, name):
        """The messages that arrived for a name."""
        mailbox = self.directory / "var/mail/world/all/new"
        messages = [path.read_text(errors="replace") for path in sorted(mailbox.glob("*"))]
        return [message for message in messages if f"X-Original-To: {name}@" in message]

    def log(self):
        log = self.directory / "var/log/mail.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
