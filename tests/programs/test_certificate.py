"""chatmailctl certificate: is the pair valid, and do the servers read it again?"""

import json
import os
import subprocess
from datetime import datetime, timedelta, timezone

import pytest
from support.web import CTL


class Pair:
    """A certificate and a key in a directory, and a chatmail.ini with their paths."""

    def __init__(self, directory):
        self.directory = directory
        self.certificate, self.key = directory / "cert.pem", directory / "key.pem"
        self.ini = directory / "chatmail.ini"
        self.configure("relay.test")

    def configure(self, domain):
        self.ini.write_text(
            f"[params]\nmail_domain = {domain}\nrun_dir = {self.directory}\n"
            f"tls_external_cert_and_key = {self.certificate} {self.key}\n"
        )

    def make(self, name="DNS:relay.test", days=90, key=None):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", str(days), "-subj", "/CN=x", "-addext", f"subjectAltName={name}",
             "-keyout", key or self.key, "-out", self.certificate],
            check=True, capture_output=True,
        )  # fmt: skip

    def make_between(self, begin, end):
        """A certificate that is valid between two days, counted from now."""

        def date(days):
            moment = datetime.now(timezone.utc) + timedelta(days=days)
            return moment.strftime("%y%m%d%H%M%SZ")

        def openssl(*arguments):
            subprocess.run(["openssl", *arguments], check=True, capture_output=True)

        request, ca = self.directory / "request.pem", self.directory / "ca.cnf"
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-subj", "/CN=relay.test", "-keyout", self.key, "-out", request)  # fmt: skip
        (self.directory / "index").write_text("")
        ca.write_text(
            f"[ca]\ndefault_ca = d\n[d]\ndatabase = {self.directory}/index\nnew_certs_dir = {self.directory}\n"
            "default_md = sha256\npolicy = p\nrand_serial = yes\nunique_subject = no\n[p]\ncommonName = supplied\n"
        )
        openssl("ca", "-batch", "-config", ca, "-selfsign", "-keyfile", self.key, "-in", request,
                "-out", self.certificate, "-startdate", date(begin), "-enddate", date(end), "-notext")  # fmt: skip

    def run(self, verb="check", *words, **how):
        return subprocess.run(
            [CTL, "certificate", verb, "-c", self.ini, *words], capture_output=True, text=True, timeout=60, **how
        )

    def status(self):
        output = subprocess.run(
            [CTL, "status", "--quick", "--json", "-c", self.ini], capture_output=True, text=True, timeout=60
        ).stdout
        return json.loads(output)["certificate"]


@pytest.fixture
def pair(tmp_path):
    return Pair(tmp_path)


def test_a_valid_pair_is_accepted(pair):
    pair.make("DNS:relay.test,DNS:*.relay.test")
    done = pair.run()
    assert done.returncode == 0
    assert done.stderr == f"chatmailctl certificate check: warning: {pair.certificate}: self-signed: clients and other relays refuse it\n"
    assert f"{pair.certificate}: valid until 20" in done.stdout


@pytest.mark.parametrize("domain, name", [
    ("192.0.2.1", "IP:192.0.2.1"), ("[2001:db8::25]", "IP:2001:db8::25"), ("a.relay.test", "DNS:*.relay.test"),
])  # fmt: skip
def test_matching_names_are_accepted(pair, domain, name):
    pair.configure(domain.replace("[2001", "2001").rstrip("]"))
    pair.make(name)
    assert pair.run().returncode == 0


@pytest.mark.parametrize("verb", ["check", "deployed"])
@pytest.mark.parametrize("fault, words", [
    ("absent", "cert.pem: No such file"), ("nonsense", "not a certificate in PEM format"), ("other name", "not for relay.test"),
    ("other key", "not the key of"), ("no key", "key.pem: No such file"), ("nonsense key", "not a private key"),
    ("expired", "pem: expired"),
])  # fmt: skip
def test_an_invalid_pair_is_refused(pair, fault, words, verb):
    if fault == "expired":
        pair.make_between(-10, -1)
    elif fault != "absent":
        pair.make("DNS:other.test" if fault == "other name" else "DNS:relay.test")
    if fault == "nonsense":
        pair.certificate.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    elif fault == "other key":
        pair.make(key=pair.directory / "other.pem")
    elif fault == "no key":
        pair.key.unlink()
    elif fault == "nonsense key":
        pair.key.write_text("nonsense")
    done = pair.run(verb)
    assert done.returncode == 2
    assert done.stdout == ""
    assert words in done.stderr


def test_missing_names_are_reported(pair):
    pair.make()
    warnings = pair.run().stderr
    assert "not for mta-sts.relay.test" in warnings and "not for autoconfig.relay.test" in warnings
    pair.configure("_relay.test")
    pair.make("DNS:_relay.test")
    told = json.loads(pair.run("check", "--json").stdout)
    assert told["self_signed"] and told["missing_names"] == ["mta-sts._relay.test", "autoconfig._relay.test"]
    assert pair.run().stderr.count("warning") == 3  # a certificate named by tls_external_cert_and_key is checked like a public one


@pytest.fixture
def delivered(pair, tmp_path):
    """Another pair in another place, behind symbolic links, as an ACME client writes it."""
    archive = tmp_path / "archive"
    archive.mkdir()
    other = Pair(archive)
    other.configure("relay.test")
    other.make()
    live = tmp_path / "live"
    live.mkdir()
    for name in ("cert.pem", "key.pem"):
        (live / name).symlink_to(archive / name)
    return other, live / "cert.pem", live / "key.pem"


@pytest.mark.parametrize("there", [True, False])
def test_a_pair_is_put_in_place(pair, delivered, there):
    other, certificate, key = delivered
    if there:
        pair.make()
    else:
        pair.certificate = pair.directory / "deep/er/cert.pem"
        pair.key = pair.directory / "deep/key.pem"
        pair.configure("relay.test")
    done = pair.run("deployed", "--json", certificate, key)
    assert done.returncode == 0, done.stderr
    installed = json.loads(done.stdout)
    assert installed["certificate"] == str(certificate) and installed["reloaded"] == []
    assert datetime.now().timestamp() < installed["not_after"]
    assert pair.certificate.read_bytes() == other.certificate.read_bytes()
    assert pair.key.read_bytes() == other.key.read_bytes()
    assert pair.key.stat().st_mode & 0o777 == 0o600
    assert pair.certificate.stat().st_mode & 0o777 == 0o644
    assert not list(pair.directory.rglob(".chatmailctl-*"))


def test_a_full_disk_leaves_the_old_pair(pair, delivered):
    """Not the new key beside the old certificate, with which no server would start."""
    if os.getuid() != 0:
        pytest.skip("mounting needs root")
    other, certificate, key = delivered
    other.certificate.write_text(other.certificate.read_text() + "# a long chain\n" * 20_000)
    pair.make()
    place = pair.directory / "place"
    place.mkdir()
    old = pair.certificate, pair.key
    pair.certificate, pair.key = place / "cert.pem", place / "key.pem"
    pair.configure("relay.test")
    script = """mount -t tmpfs -o size=64k none "$1" && cp "$2" "$3" "$1" || exit 9
        place=$1 certificate=$2 key=$3; shift 3
        "$@"; status=$?
        cmp "$certificate" "$place/cert.pem" && cmp "$key" "$place/key.pem" || exit 8
        [ "$(ls -A "$place" | wc -l)" = 2 ] || exit 7
        exit $status"""
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", place, *old]
        + [CTL, "certificate", "deployed", "-c", pair.ini, certificate, key],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2 and "No space left on device" in done.stderr, done.stderr


def test_a_hook_may_have_any_umask(pair, delivered):
    done = pair.run("deployed", *delivered[1:], umask=0o077)
    assert done.returncode == 0, done.stderr
    assert pair.certificate.stat().st_mode & 0o777 == 0o644


def test_cron_has_a_short_path():
    """Postfix's programs are in /usr/sbin, which is not in the PATH of cron and of hooks."""
    done = subprocess.run(
        [CTL, "queue", "list"], capture_output=True, text=True, check=False, env={**os.environ, "PATH": "/usr/bin:/bin"}
    )
    assert "not found" not in done.stderr


def test_files_in_place_are_not_copied(pair, delivered):
    other, pair.certificate, pair.key = delivered
    pair.configure("relay.test")
    assert pair.run("deployed", other.certificate, other.key).returncode == 0
    assert pair.certificate.is_symlink() and pair.key.is_symlink()


@pytest.mark.parametrize("fault", ["key", "name", "certificate"])
def test_an_invalid_pair_is_not_put_in_place(pair, delivered, fault):
    other, certificate, key = delivered
    pair.make()
    before = pair.certificate.read_bytes(), pair.key.read_bytes()
    if fault == "name":
        other.make("DNS:other.test")
    else:
        (other.key if fault == "key" else other.certificate).write_text("nonsense")
    done = pair.run("deployed", certificate, key)
    assert done.returncode == 2 and done.stdout == ""
    assert (pair.certificate.read_bytes(), pair.key.read_bytes()) == before


def test_a_certificate_without_its_key_is_refused(pair):
    done = pair.run("deployed", "cert.pem")
    assert done.returncode == 2 and "the key is missing" in done.stderr


@pytest.mark.parametrize("days, soon", [(90, False), (22, False), (6, False), (365, False)])
def test_status_checks_the_certificate(pair, days, soon):
    pair.make(days=days)
    status = pair.status()
    assert (days - 1) * 86400 < status["seconds_left"] <= days * 86400
    assert status["ends_soon"] is soon


def test_status_warns_in_time(pair):
    """In the last 21 days of a certificate for 90 days, and in the last day and a half of one for
    six days."""
    for life, left in ((90, 20), (6, 1)):
        pair.make_between(left - life, left)
        assert pair.status()["ends_soon"] is True


def test_status_without_a_certificate(pair):
    assert pair.status() == {"seconds_left": None, "ends_soon": False}
