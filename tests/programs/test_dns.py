"""chatmailctl dns: the records, and the findings of --check in zones of a real name server."""

import json
import os
import re
import subprocess

import pytest
from support.config import PROGRAM, TEMPLATES
from support.nsd import Nsd
from support.ports import free_ports

ADDRESS, ADDRESS6 = "192.0.2.1", "2001:db8::1"


def write_ini(root, domain, **keys):
    keys = {"mail_domain": domain, **keys}
    lines = [f"{key} = {value}" for key, value in keys.items()]
    (root / "etc" / "chatmail.ini").write_text("\n".join(["[params]", *lines, ""]))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A machine with a DKIM key."""
    root = tmp_path_factory.mktemp("machine")
    command = [PROGRAM, "init", "--root", root, "--templates", TEMPLATES, "relay.test"]
    subprocess.run(command, check=True, capture_output=True)
    return root


def dns(root, *arguments, addresses=(ADDRESS, ADDRESS6)):
    command = [PROGRAM, "dns", "--root", root, "--templates", TEMPLATES, *arguments]
    for address in addresses:
        command += ["--address", address]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def zone_of(root, domain, *arguments):
    """The records that chatmailctl prints for the operator."""
    write_ini(root, domain)
    done = dns(root, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def without(pattern):
    return lambda lines: [line for line in lines if not re.search(pattern, line)]


def change(pattern, new):
    def changed(lines):
        result = [re.sub(pattern, new, line) for line in lines]
        assert result != lines
        return result

    return changed


def extra(line):
    return lambda lines: [*lines, line]


# A change to a valid zone, and the finding: state, type, name before the domain, needed, remedy.
CASES = {
    "no-a": (without(r" IN A "), "missing", "A", "", True, "add: .* IN A "),
    "wrong-a": (change(r"192\.0\.2\.1", "192.0.2.9"), "wrong", "A", "", True, "another machine"),
    "second-a": (extra("@ IN A 192.0.2.9"), "wrong", "A", "", True, "another machine"),
    "no-aaaa": (without(r" IN AAAA "), "missing", "AAAA", "", True, "add: .* AAAA +2001:db8::1"),
    "no-mx": (without(r" IN MX "), "missing", "MX", "", True, r"add: .* MX +10 "),
    "wrong-mx": (change(r"10 wrong-mx", "10 other"), "wrong", "MX", "", True, "another host"),
    "second-mx": (extra("@ IN MX 20 mail.other."), "wrong", "MX", "", True, "another host too"),
    "null-mx": (change(r"MX +10 .*", "MX 0 ."), "wrong", "MX", "", True, "or nowhere"),
    "no-dkim": (without("p=MII"), "missing", "TXT", "opendkim._domainkey.", True, "add: .*p=MII"),
    "other-dkim": (
        change("p=MIIBIj", "p=MIIBIk"), "wrong", "TXT", "opendkim._domainkey.", True, "another key",
    ),
    "revoked-dkim": (
        change('"v=DKIM1; .*', '"v=DKIM1; k=rsa; p="'),
        "wrong", "TXT", "opendkim._domainkey.", True, "revoked",
    ),
    "two-dkim": (
        extra('opendkim._domainkey IN TXT "v=DKIM1; p=abcd"'),
        "wrong", "TXT", "opendkim._domainkey.", True, "several records",
    ),
    "cut-dkim": (
        change(r'" "[^"]*"$', '"'), "wrong", "TXT", "opendkim._domainkey.", True, "another key",
    ),
    "twice-dkim": (
        change(r"^(opendkim._domainkey\.twice-dkim\.test)\.", r"\1.twice-dkim.test."),
        "missing", "TXT", "opendkim._domainkey.", True, "remove the domain from",
    ),
    "no-spf": (without("v=spf1"), "missing", "TXT", "", True, "add: .*v=spf1"),
    "other-spf": (change("v=spf1 a ", "v=spf1 ip4:192.0.2.9 "), "wrong", "TXT", "", True, "may not"),
    "open-spf": (change("~all", "+all"), "wrong", "TXT", "", True, "everybody"),
    "two-spf": (extra('@ IN TXT "v=spf1 mx -all"'), "wrong", "TXT", "", True, "several records"),
    "no-dmarc": (without("v=DMARC1"), "missing", "TXT", "_dmarc.", True, "add: .*v=DMARC1"),
    "no-policy": (change("p=reject", "q=reject"), "wrong", "TXT", "_dmarc.", True, "no policy"),
    "none-dmarc": (change("p=reject", "p=none"), "wrong", "TXT", "_dmarc.", True, "does not ask receivers"),
    "old-mta-sts": (change("id=[0-9a-f]+", "id=1"), "wrong", "TXT", "_mta-sts.", False, "another policy|of another policy"),
    "no-mta-sts": (without("v=STSv1"), "missing", "TXT", "_mta-sts.", False, "add: .*STSv1"),
    "no-autoconfig": (without("^autoconfig"), "missing", "CNAME", "autoconfig.", False, "CNAME"),
    "other-www": (change("^(www.*CNAME).*", r"\1 www.other."), "wrong", "CNAME", "www.", False, "another machine"),
    "wrong-srv": (change("993", "994"), "wrong", "SRV", "_imaps._tcp.", False, "host or port"),
    "no-authority": (change('"letsencrypt.org"', '";"'), "wrong", "CAA", "", False, "no authority"),
}

# Valid as well, though not as printed.
FINE = {
    "fine": lambda lines: lines,
    "by-mx": change("v=spf1 a ~all", "v=spf1 mx -all"),
    "by-ip": change("v=spf1 a ~all", "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all"),
    "other-txt": extra('@ IN TXT "some-verification=1"'),
    "quarantine": change("p=reject", "p=quarantine"),
    "cased": change("10 cased.test", "10 CASED.test"),
    "address": change(r"^(www.*)CNAME.*", r"\1 A 192.0.2.1"),
    "weight": change("0 1 993", "5 7 993"),
    "mine": change("letsencrypt.org", "zerossl.com"),
}


@pytest.fixture(scope="module")
def server(root, tmp_path_factory):
    zones = {}
    for name, change_zone in [(name, case[0]) for name, case in CASES.items()] + list(FINE.items()):
        zones[f"{name}.test"] = change_zone(zone_of(root, f"{name}.test"))
    server = Nsd(tmp_path_factory.mktemp("nsd") / "zones", zones)
    yield server
    server.stop()


def check(root, server, domain, *arguments, resolver=None, **how):
    write_ini(root, domain, resolver=resolver or server.address)
    done = dns(root, "--check", "--json", "--server", server.address, *arguments, **how)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("name", CASES)
def test_fault_in_a_zone_is_reported(root, server, name):
    _, state, kind, prefix, needed, remedy = CASES[name]
    status, findings = check(root, server, f"{name}.test")
    wrong = [finding for finding in findings if finding["state"] != "ok"]
    assert len(wrong) == 1, wrong
    [found] = wrong
    assert (found["state"], found["type"], found["name"]) == (state, kind, f"{prefix}{name}.test")
    assert found["needed"] == needed
    assert re.search(remedy, found["fix"])
    assert status == (1 if needed else 0)


@pytest.mark.parametrize("name", FINE)
def test_valid_zone_has_no_findings(root, server, name):
    status, findings = check(root, server, f"{name}.test")
    assert [finding for finding in findings if finding["state"] != "ok"] == []
    assert status == 0


def test_output_as_text(root, server):
    write_ini(root, "no-mx.test", resolver=server.address)
    done = dns(root, "--check", "--server", server.address)
    assert done.returncode == 1
    assert "missing  MX    no-mx.test\n         add: no-mx.test. 3600 IN MX    10 no-mx.test.\n" in done.stdout
    assert "ok       TXT   opendkim._domainkey.no-mx.test\n" in done.stdout


def test_relay_without_ipv6(root, server):
    """An address without a listening server."""
    _, findings = check(root, server, "fine.test", addresses=[ADDRESS])
    [wrong] = [finding for finding in findings if finding["state"] != "ok"]
    assert (wrong["state"], wrong["type"]) == ("wrong", "AAAA")
    assert "remove it" in wrong["fix"]


def test_mail_host_with_another_name(root, tmp_path):
    lines = zone_of(root, "apart.test", "--host", "mail.apart.test")
    assert any(re.search(r"^apart.test. .* MX +10 mail.apart.test.$", line) for line in lines)
    server = Nsd(tmp_path / "zones", {"apart.test": lines})
    try:
        for arguments in ([], ["--host", "mail.apart.test"]):
            status, findings = check(root, server, "apart.test", *arguments)
            assert [finding for finding in findings if finding["state"] != "ok"] == []
            assert status == 0
    finally:
        server.stop()


def test_stale_resolver_is_reported(root, server, tmp_path):
    """The resolver still has the previous records in its cache."""
    old = Nsd(tmp_path / "zones", {"fine.test": change("192.0.2.1", "192.0.2.9")(zone_of(root, "fine.test"))})
    try:
        status, findings = check(root, server, "fine.test", resolver=old.address)
        assert status == 1
        [wrong] = [finding for finding in findings if finding["state"] != "ok"]
        assert (wrong["state"], wrong["type"], wrong["found"]) == ("stale", "A", "192.0.2.9")
        assert "3600 seconds" in wrong["fix"]
    finally:
        old.stop()


def test_silent_server_is_reported(root, server):
    [port] = free_ports(1)
    write_ini(root, "fine.test", resolver=server.address)
    done = dns(root, "--check", "--json", "--server", f"127.0.0.1@{port}")
    assert done.returncode == 1
    states = {finding["state"] for finding in json.loads(done.stdout)}
    assert states == {"unknown"}
    assert "does not reply" in done.stdout


def test_name_servers_are_found(root, server):
    """Through the resolver: the zone's NS records. The server's own address cannot be queried on
    port 53."""
    write_ini(root, "fine.test", resolver=server.address)
    done = dns(root, "--check")
    assert done.returncode == 1
    assert "ns.fine.test. does not reply" in done.stdout


def test_relay_without_a_name(root):
    write_ini(root, "192.0.2.1")
    assert "needs no DNS records" in dns(root).stdout
    assert json.loads(dns(root, "--check", "--json").stdout) == []


def test_output_forms(root):
    write_ini(root, "relay.test")
    records = json.loads(dns(root, "--json").stdout)
    table = dns(root, "--table").stdout.splitlines()
    assert len(table) == len(records) + 1
    assert re.match(r"@ +MX +10 relay\.test\.$", table[3])
    assert {record["name"] for record in records if record["needed"]} == {
        "relay.test", "_dmarc.relay.test", "opendkim._domainkey.relay.test",
    }
    zone = dns(root).stdout
    for string in re.findall(r'"([^"]*)"', zone):
        assert len(string) <= 255


@pytest.mark.parametrize(
    "arguments, why",
    [
        (["--address", "relay.test"], "not an IP address"),
        (["--host", "192.0.2.1"], "not a host name"),
        (["--server", "ns.test"], "not ADDRESS or ADDRESS@PORT"),
        (["relay.test"], "relay.test"),
    ],
)
def test_wrong_arguments(root, arguments, why):
    done = dns(root, *arguments)
    assert done.returncode == 2
    assert why in done.stderr


def test_without_a_key(tmp_path):
    (tmp_path / "etc").mkdir()
    write_ini(tmp_path, "relay.test")
    done = dns(tmp_path)
    assert done.returncode == 2
    assert "opendkim.private" in done.stderr
    assert os.listdir(tmp_path / "etc") == ["chatmail.ini"]
