"""A relay without faults, in its own network: its certificate comes from an authority that is
trusted there, its names are in a real name server, and it has a push service."""

import json
import os
import shutil
import subprocess

from support.certificates import Authority
from support.namespace import Network, OwnRelay
from support.nsd import Nsd
from support.wait import eventually

ADDRESS = "198.51.100.5"
REVERSE = "100.51.198.in-addr.arpa"
DOMAIN = "relay.test"
PUSH_PORT = 8444


def replace(place, data):
    """Writes a file atomically: a server that was reloaded may be reading it now, and Postfix ends
    at half a master.cf."""
    new = place.with_name(place.name + ".new")
    new.write_bytes(data)
    if place.exists():
        shutil.copymode(place, new)
        os.chown(new, place.stat().st_uid, place.stat().st_gid)
    new.replace(place)


class DoctorRelay(OwnRelay):
    """A machine with the public address ADDRESS."""

    def __init__(self, stages, network, directory, ini):
        super().__init__(stages, network, DOMAIN, ini)
        self.settings["listen"] = ""
        self.authority = Authority(directory / "ca")
        self.arguments = []

    def certify(self, label, **options):
        """Gives the relay a certificate; the servers keep using the old one."""
        names = options.pop("names", f"DNS:{DOMAIN}")
        for source, name in zip(
            self.authority.issue(label, names=names, **options), ("cert.pem", "key.pem")
        ):
            place = self.path(f"/etc/ssl/relay/{name}")
            place.parent.mkdir(parents=True, exist_ok=True)
            replace(place, source.read_bytes())

    def read_certificate(self):
        """Makes the servers read the certificate again."""
        self.inside("chatmailctl", "certificate", "deployed")
        self.inside("nginx", "-s", "reload", check=False)

    def start(self):
        super().start()
        self.certify("first")
        self.read_certificate()
        with open(self.path("/etc/hosts"), "a") as hosts:
            hosts.write(f"{ADDRESS} {DOMAIN}\n")
        logs = {
            "dovecot_log": "/var/log/dovecot.log",
            "postfix_log": "/var/log/mail.log",
            "nginx_error_log": "/var/log/nginx.log",
            "nginx_access_log": "/var/log/nginx-access.log",
        }
        for name, value in {**self.settings, **logs}.items():
            self.arguments += ["--set", f"{name}={value}"]
        self.arguments += ["--dovecot", self.stages.dovecot.series, "--address", ADDRESS]
        return self

    def status(self, *options):
        """(exit status, {check: finding}) of `chatmailctl status`."""
        done = self.run_status("--json", *options)
        assert done.returncode in (0, 1), (done.returncode, done.stderr)
        checks = {}
        for check in json.loads(done.stdout)["checks"]:
            checks.setdefault(check["check"], check)
        return done.returncode, checks

    def run_status(self, *options):
        return self.inside(
            "chatmailctl", "status", *self.arguments, *options, check=False,
            env={**os.environ, "SSL_CERT_FILE": str(self.authority.certificate)},
        )  # fmt: skip


class DoctorWorld:
    """The relay and its surroundings, each of which can be stopped and started."""

    def __init__(self, stages, directory):
        self.directory = directory
        self.network = Network()
        command = self.network.command("ip", "addr", "add", f"{ADDRESS}/32", "dev", "lo")
        subprocess.run(command, check=True)
        self.processes = {}
        self.names = 0
        self.labels = 0
        self.nsd = None
        ini = {
            "tls_external_cert_and_key": "/etc/ssl/relay/cert.pem /etc/ssl/relay/key.pem",
            "resolver": "127.0.0.1",
            "notify_url": f"https://127.0.0.1:{PUSH_PORT}/notify",
            "iroh_relay": "",
            "max_new_accounts_per_minute": "600",
        }
        self.relay = DoctorRelay(stages, self.network, directory, ini)
        self.relay.start()
        self.relay.limit_inotify(65535)
        self.zone = self.good_zone()
        self.serve_names(self.zone)
        self.start_push()

    def stop(self):
        self.relay.stop()
        for name in list(self.processes):
            self.end(name)
        self.nsd.stop()
        self.network.stop()

    # --- Names

    def good_zone(self):
        """The records that chatmailctl prints for the operator."""
        done = self.relay.inside("chatmailctl", "dns", "--address", ADDRESS)
        return [line for line in done.stdout.splitlines() if "_mta-sts" not in line]

    def serve_names(self, zone, reverse=f"5 IN PTR {DOMAIN}."):
        """Serves this zone on the port of `resolver`."""
        if self.nsd is not None:
            self.nsd.stop()
        self.names += 1
        zones = {DOMAIN: zone, REVERSE: [reverse] if reverse else []}
        self.nsd = Nsd(
            self.directory / f"nsd{self.names}", zones, port=53, entrance=self.network.command()
        )

    # --- Services

    def begin(self, name, *command):
        log = open(self.directory / f"{name}.log", "wb")
        words = self.network.command("setpriv", "--pdeathsig", "KILL", *command)
        self.processes[name] = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        log.close()

    def end(self, name):
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def start_push(self):
        self.labels += 1
        certificate, key = self.relay.authority.issue(f"push{self.labels}", names="IP:127.0.0.1")
        self.begin(
            "push", "openssl", "s_server", "-accept", str(PUSH_PORT), "-www",
            "-cert", certificate, "-key", key,
        )  # fmt: skip
        self.wait_for_port(PUSH_PORT)

    def wait_until_closed(self, port):
        command = self.network.command("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}")
        eventually(
            lambda: subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode != 0,
            message=f"something listens on port {port}",
        )

    def wait_for_port(self, port, address="127.0.0.1"):
        command = self.network.command("bash", "-c", f"exec 3<>/dev/tcp/{address}/{port}")
        eventually(
            lambda: subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0,
            message=f"nothing listens on port {port}",
        )
