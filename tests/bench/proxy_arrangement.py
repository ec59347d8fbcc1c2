"""Upstream's arrangement around the same Postfix and Dovecot, for comparison: incoming mail passes
a filter that is an SMTP proxy before the queue, and then a second smtpd; OpenDKIM signs and
verifies there."""

import contextlib
import smtplib
import subprocess
import time

from support.ports import free_ports
from support.wait import eventually

SMTPD = "inet n - n - 100 smtpd"
REINJECTED = {
    "smtpd_tls_security_level": "none",
    "smtpd_client_connection_count_limit": "0",
    "smtpd_relay_restrictions": "permit_mynetworks,reject",
}
VERIFIER = """
Mode v
Socket inet:{port}@127.0.0.1
UserID opendkim
AutoRestart yes
AutoRestartRate 100/1s
On-BadSignature reject
On-KeyNotFound reject
On-NoSignature reject
Nameservers {resolver}
"""

class ProxyArrangement:
    """Changes a running relay with dkim_signing = opendkim.

    filtermail: path of upstream's filter; None: no filter, so that Postfix talks to itself, which
    costs less than any proxy.
    resolver: "address@port", for the verifier."""

    def __init__(self, relay, resolver, filtermail=None):
        self.relay, self.filtermail = relay, filtermail
        self.resolver = resolver
        self.processes = []
        names = ("outgoing", "incoming", "back_out", "back_in", "verifier")
        self.ports = dict(zip(names, free_ports(len(names))))

    def __enter__(self):
        try:
            self.verify()
            self.filter()
            self.connect()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exception):
        self.stop()

    def stop(self):
        for process in self.processes:
            process.terminate()
            process.wait()

    def start(self, *command):
        with open(self.relay.directory / "proxies.log", "ab") as log:
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log))

    def write(self, name, text):
        path = self.relay.directory / name
        path.write_text(text)
        path.chmod(0o644)
        return path

    def verify(self):
        self.relay.directory.chmod(0o755)
        port = self.ports["verifier"]
        config = self.write("verifier.conf", VERIFIER.format(port=port, resolver=self.resolver))
        self.start("/usr/sbin/opendkim", "-f", "-x", config)

    def filter(self):
        if self.filtermail is None:
            self.ports |= {"outgoing": self.ports["back_out"], "incoming": self.ports["back_in"]}
            return
        config = self.write(
            "filtermail.ini",
            "[params]\n"
            f"mail_domain = {self.relay.domain}\n"
            f"mailboxes_dir = {self.relay.path('/home/vmail/mail')}/{self.relay.domain}\n"
            f"filtermail_smtp_port = {self.ports['outgoing']}\n"
            f"filtermail_smtp_port_incoming = {self.ports['incoming']}\n"
            f"postfix_reinject_port = {self.ports['back_out']}\n"
            f"postfix_reinject_port_incoming = {self.ports['back_in']}\n"
            "max_user_send_per_minute = 1000000\n"
            "max_user_send_burst_size = 1000000\n",
        )
        for mode in ("outgoing", "incoming"):
            self.start(self.filtermail, config, mode)

    def connect(self):
        ports = self.relay.ports
        self.proxied(ports["smtps_port"], self.ports["outgoing"])
        self.proxied(ports["smtp_port"], self.ports["incoming"])
        signer = "unix:opendkim/opendkim.sock"
        self.back("back_out", smtpd_milters=signer, milter_macro_daemon_name="ORIGINATING",
                  cleanup_service_name="authclean")  # fmt: skip
        self.back("back_in", smtpd_milters=f"inet:127.0.0.1:{self.ports['verifier']}",
                  cleanup_service_name="inclean")  # fmt: skip
        self.relay.restart_service("postfix")
        eventually(self.listens, message="Postfix does not listen for what comes back")

    def proxied(self, port, to):
        self.relay.inside("postconf", "-P", f"{port}/inet/smtpd_milters=")
        self.relay.inside("postconf", "-P", f"{port}/inet/smtpd_proxy_filter=127.0.0.1:{to}")

    def back(self, name, **settings):
        service = f"127.0.0.1:{self.ports[name]}"
        words = "".join(f" -o {key}={value}" for key, value in {**REINJECTED, **settings}.items())
        self.relay.inside("postconf", "-M", f"{service}/inet={service} {SMTPD}{words}")

    def listens(self):
        with contextlib.suppress(OSError, smtplib.SMTPException):
            for name in ("back_out", "back_in"):
                smtplib.SMTP("127.0.0.1", self.ports[name], timeout=10).quit()
            time.sleep(0.5)  # the verifier and the filters need time to start
            return all(process.poll() is None for process in self.processes)
        return False
