"""Certificates by ACME clients: the webroot on port 80, the deploy hook, and strict TLS with the
result."""

import re
import socket
import ssl

import pytest
from support.manual import TEXT, block
from support.pebble import CERTBOT, Pebble
from support.wait import eventually

DOMAIN = "relay.test"
NAMES = (DOMAIN, f"www.{DOMAIN}", f"mta-sts.{DOMAIN}", f"autoconfig.{DOMAIN}")
OTHERS = ["milter", "notifyd", "opendkim", "transport", "httpd"]


class Site:
    """A relay and the authority that certifies it; the relay's machine trusts the authority."""

    def __init__(self, relay, pebble, host):
        self.relay, self.pebble, self.host = relay, pebble, host
        bundle = relay.path("/etc/ssl/certs/ca-certificates.crt")
        bundle.write_text(bundle.read_text() + pebble.authority.certificate.read_text())
        self.strict = ssl.create_default_context(cadata=pebble.root())

    def run(self, command):
        done = self.relay.inside(*command.split(), check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def certificate(self, alpn=None, name=None, context=None):
        """The certificate that a strict client gets on port 443."""
        context = context or self.strict
        if alpn:
            context.set_alpn_protocols([alpn])
        with socket.create_connection(("127.0.0.1", self.relay.ports["https_port"]), timeout=60) as raw:
            with context.wrap_socket(raw, server_hostname=name or self.host) as connection:
                return connection.getpeercert()

    def serial(self, alpn=None):
        try:
            return self.certificate(alpn)["serialNumber"]
        except ssl.SSLCertVerificationError:
            return None  # the self-signed certificate

    def everywhere_new(self, before):
        """Waits for a new certificate; returns the serial number, which is the same on all
        servers."""
        for alpn in ("imap", "smtp", "http/1.1"):
            eventually(lambda: self.serial(alpn) not in (None, before), 120)
        return self.serial()

    def days(self):
        certificate = self.certificate()
        ends, begins = (ssl.cert_time_to_seconds(certificate[when]) for when in ("notAfter", "notBefore"))
        return round((ends - begins) / 86400)


@pytest.fixture
def make_site(make_relay, tmp_path):
    running = []

    def make(host=DOMAIN, names=NAMES):
        relay = make_relay(ini={"mail_domain": host}, settings={"web_url": f"https://{host}"}, without=OTHERS)
        pebble = Pebble(tmp_path, relay.ports["http_port"], names)
        running.append(pebble.__enter__())
        site = Site(relay, pebble, host)
        assert site.serial() is None
        return site

    yield make
    for pebble in running:
        pebble.__exit__()


@pytest.fixture
def site(make_site):
    return make_site()


def issued(site, first, again):
    """Both commands get a certificate that strict clients accept for every name."""
    serial = None
    for command in (first, again):
        output = command()
        for server in ("nginx", "Dovecot", "Postfix"):
            assert f"reloaded {server}\n" in output
        serial = site.everywhere_new(serial)
    for name in NAMES:
        assert site.certificate(name=name)
    assert "valid until" in site.run("chatmailctl certificate check")
    assert "warning" not in site.run("chatmailctl certificate check")


# The manual's commands, unchanged: these functions add what names the test authority, and answer the
# questions that certbot asks. MORE has further options.
FUNCTIONS = """
certbot() {{
    env REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt {certbot} $MORE "$@" --server {url} \\
        --work-dir /run/certbot --non-interactive --register-unsafely-without-email --agree-tos
}}
lego() {{ command lego --server {url} "$@"; }}
uacme() {{ command uacme --acme-url {url} $MORE "$@"; }}
"""
CLIENTS = dict(zip(("certbot", "lego", "uacme"), block("certbot certonly ").split("\n\n")))


def run(site, commands, certbot="certbot", more=""):
    """Runs commands of the manual with the names of the test."""
    functions = FUNCTIONS.format(url=site.pebble.directory_url, certbot=certbot)
    commands = commands.replace("relay.example", DOMAIN).replace("192.0.2.1", site.host)
    done = site.relay.inside("env", f"MORE={more}", "sh", "-e", "-c", functions + commands, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_certbot_gets_a_certificate(site):
    renew = "command certbot renew --work-dir /run/certbot --force-renewal --no-random-sleep-on-renew"
    trust = "REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt"
    issued(site, lambda: run(site, CLIENTS["certbot"]), lambda: run(site, f"export {trust}; {renew}"))
    # The servers may read certbot's own files: the hook copies nothing then.
    live = f"/etc/letsencrypt/live/{DOMAIN}"
    site.relay.ini["tls_external_cert_and_key"] = f"{live}/fullchain.pem {live}/privkey.pem"
    site.relay.write_ini()
    assert "reloaded nginx" in site.run(f"chatmailctl certificate deployed {live}/fullchain.pem {live}/privkey.pem")
    assert site.relay.path(f"{live}/privkey.pem").is_symlink()


def test_lego_gets_a_certificate(site):
    """The manual says how the last command becomes that of the renewal."""
    [(before, after)] = re.findall(r"for lego replace\s`(run [^`]+)` by `(renew [^`]+)`", TEXT)
    renew = CLIENTS["lego"].replace(before, after.replace("renew ", "renew --days 1000 --no-random-sleep "))
    assert "renew --days" in renew
    issued(site, lambda: run(site, CLIENTS["lego"]), lambda: run(site, renew))


def test_uacme_gets_a_certificate(site):
    """Its last command is also that of the renewal."""
    export, _, last = re.split(r"\n(?=\w)", CLIENTS["uacme"])
    issued(
        site,
        lambda: run(site, CLIENTS["uacme"]),
        lambda: run(site, f"{export}\n{last}", more="--force"),
    )


def certbot_for_address(site):
    command = block("tls_external_cert_and_key = ").partition("\n\n")[2]
    assert command.startswith("certbot ")
    run(site, command, certbot=CERTBOT)


def uacme_for_address(site):
    run(site, re.sub(r"(?<=issue )relay\.example [^&]*", f"{site.host} ", CLIENTS["uacme"]).replace(
        "/relay.example/", f"/{site.host}/"
    ))  # fmt: skip


@pytest.mark.parametrize("client, days", [(certbot_for_address, {6}), (uacme_for_address, {6, 90})])
def test_an_ip_address_gets_a_certificate(make_site, client, days):
    """A relay without a name has a certificate that strict clients accept. uacme requests no
    profile, so Pebble chooses one."""
    site = make_site("127.0.0.1", ())
    client(site)
    site.everywhere_new(None)
    assert site.days() in days
    assert "warning" not in site.run("chatmailctl certificate check")
