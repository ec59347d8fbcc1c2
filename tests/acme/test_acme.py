"""Certificates by ACME clients: the webroot on port 80, the deploy hook, and strict TLS with the
result."""

import shlex
import socket
import ssl

import pytest
from support.pebble import CERTBOT, Pebble
from support.wait import eventually

DOMAIN = "relay.test"
NAMES = (DOMAIN, f"www.{DOMAIN}", f"mta-sts.{DOMAIN}", f"autoconfig.{DOMAIN}")
WEBROOT = "/var/lib/chatmail/acme"
OTHERS = ["milter", "notifyd", "opendkim", "transport", "httpd"]
DEPLOYED = "chatmailctl certificate deployed"


class Site:
    """A relay and the authority that certifies it; the relay's machine trusts the authority."""

    def __init__(self, relay, pebble, host):
        self.relay, self.pebble, self.host = relay, pebble, host
        bundle = relay.path("/etc/ssl/certs/ca-certificates.crt")
        bundle.write_text(bundle.read_text() + pebble.authority.certificate.read_text())
        self.strict = ssl.create_default_context(cadata=pebble.root())

    def run(self, command, **environment):
        words = [f"{name}={value}" for name, value in environment.items()]
        done = self.relay.inside("env", *words, *shlex.split(command), check=False)
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


def test_certbot_gets_a_certificate(site):
    certbot = f"certbot --server {site.pebble.directory_url} --work-dir /run/certbot --non-interactive"
    names = " ".join(f"-d {name}" for name in NAMES)
    hook = f"--deploy-hook '{DEPLOYED} $RENEWED_LINEAGE/fullchain.pem $RENEWED_LINEAGE/privkey.pem'"

    def run(arguments):
        return site.run(f"{certbot} {arguments}", REQUESTS_CA_BUNDLE="/etc/ssl/certs/ca-certificates.crt")

    issued(
        site,
        lambda: run(f"certonly --webroot -w {WEBROOT} {names} --register-unsafely-without-email --agree-tos {hook}"),
        lambda: run("renew --force-renewal --no-random-sleep-on-renew"),
    )
    # The servers may read certbot's own files: the hook copies nothing then.
    live = f"/etc/letsencrypt/live/{DOMAIN}"
    site.relay.ini["tls_external_cert_and_key"] = f"{live}/fullchain.pem {live}/privkey.pem"
    site.relay.write_ini()
    assert "reloaded nginx" in site.run(f"{DEPLOYED} {live}/fullchain.pem {live}/privkey.pem")
    assert site.relay.path(f"{live}/privkey.pem").is_symlink()


def test_lego_gets_a_certificate(site):
    names = " ".join(f"--domains {name}" for name in NAMES)
    lego = f"lego --server {site.pebble.directory_url} --path /etc/lego --email admin@{DOMAIN} --accept-tos"
    lego += f" --http --http.webroot {WEBROOT} {names}"
    hook = f"hook='{DEPLOYED} /etc/lego/certificates/{DOMAIN}.crt /etc/lego/certificates/{DOMAIN}.key'"
    issued(
        site,
        lambda: site.run(f"{lego} run --run-{hook}"),
        lambda: site.run(f"{lego} renew --days 1000 --no-random-sleep --renew-{hook}"),
    )


def issue_by_uacme(site, *names, more=""):
    uacme = f"uacme --acme-url {site.pebble.directory_url} --confdir /etc/uacme --hook /usr/share/uacme/uacme.sh"
    if not site.relay.path("/etc/uacme").exists():
        site.run(f"{uacme} --yes new")
    site.run(f"{uacme} {more} issue {' '.join(names)}", UACME_CHALLENGE_PATH=f"{WEBROOT}/.well-known/acme-challenge")
    return site.run(f"{DEPLOYED} /etc/uacme/{names[0]}/cert.pem /etc/uacme/private/{names[0]}/key.pem")


def test_uacme_gets_a_certificate(site):
    issued(site, lambda: issue_by_uacme(site, *NAMES), lambda: issue_by_uacme(site, *NAMES, more="--force"))


def certbot_for_address(site):
    hook = f"--deploy-hook '{DEPLOYED} $RENEWED_LINEAGE/fullchain.pem $RENEWED_LINEAGE/privkey.pem'"
    site.run(
        f"{CERTBOT} --server {site.pebble.directory_url} --work-dir /run/certbot --non-interactive"
        f" certonly --webroot -w {WEBROOT} --ip-address {site.host} --preferred-profile shortlived"
        f" --register-unsafely-without-email --agree-tos {hook}",
        REQUESTS_CA_BUNDLE="/etc/ssl/certs/ca-certificates.crt",
    )


def uacme_for_address(site):
    issue_by_uacme(site, site.host)


@pytest.mark.parametrize("client, days", [(certbot_for_address, {6}), (uacme_for_address, {6, 90})])
def test_an_ip_address_gets_a_certificate(make_site, client, days):
    """A relay without a name has a certificate that strict clients accept. uacme requests no
    profile, so Pebble chooses one."""
    site = make_site("127.0.0.1", ())
    client(site)
    site.everywhere_new(None)
    assert site.days() in days
    assert "warning" not in site.run("chatmailctl certificate check")
