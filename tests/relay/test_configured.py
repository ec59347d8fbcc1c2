"""The templates: every key of chatmail.ini that changes them, on running servers."""

import secrets
import urllib.request

import pytest

from support.messages import encrypted, values
from support.wait import eventually


def talk(relay):
    """One new user writes to another; returns the stored message."""
    alice, bob = relay.registered(), relay.registered()
    reply = relay.send(alice, bob.address, encrypted(alice.address, bob.address))
    assert reply[0] == 250, reply
    [stored] = relay.messages(bob)
    return stored


def capabilities(relay):
    client = relay.imap(relay.account())
    found = client.capability()[1][0].decode().split()
    client.logout()
    return found


def test_compression_if_configured(relay, make_relay):
    assert "COMPRESS=DEFLATE" not in capabilities(relay)
    compressing = make_relay(ini={"imap_compress": "true", "disable_ipv6": "true"})
    assert "COMPRESS=DEFLATE" in capabilities(compressing)
    talk(compressing)


def test_statistics_of_dovecot(make_relay):
    # The port is upstream's; a separate address avoids conflicts with other tests.
    address = "127." + ".".join(str(1 + secrets.randbelow(250)) for _ in range(3))
    relay = make_relay(ini={"mtail_address": address})
    talk(relay)

    def metrics():
        with urllib.request.urlopen(f"http://{address}:3904/metrics", timeout=30) as reply:
            return reply.read().decode()

    for name in ("imap_command", "auth_request", "mail_delivery"):
        eventually(lambda: f"dovecot_{name}" in metrics(), message=f"{name} is not counted")


def test_raw_log(make_relay):
    relay = make_relay(ini={"imap_rawlog": "true"})
    account = relay.account()
    relay.imap(account, select=True).logout()
    said = eventually(lambda: list(relay.mailbox(account).glob("*.in")))
    assert any("SELECT" in file.read_text() for file in said)


@pytest.mark.parametrize(
    "address, domain", [("127.0.0.1", "[127.0.0.1]"), ("2001:db8::1", "[IPv6:2001:db8::1]")]
)
def test_relay_without_a_name(make_relay, address, domain):
    relay = make_relay(ini={"mail_domain": address}, domain=domain, without=["opendkim"])
    stored = talk(relay)
    assert values(stored, "DKIM-Signature") == []
    assert not relay.path("/etc/dkimkeys/SigningTable").exists()
    # Another relay, because it cannot publish a key.
    bob, stranger = relay.registered(), "somebody@[192.0.2.1]"
    assert relay.receive(stranger, bob.address, encrypted(stranger, bob.address))[0] == 250
    relay.messages(bob)


def test_test_relay(make_relay):
    """A domain that begins with an underscore is a test relay of upstream's."""
    talk(make_relay(ini={"mail_domain": "_relay.test"}, domain="_relay.test"))


@pytest.mark.parametrize("shown", [False, True])
def test_log_contains_addresses_only_if_configured(make_relay, shown):
    relay = make_relay(ini={"log_addresses": str(shown).lower()})
    alice = relay.registered()
    assert relay.send(alice, alice.address, encrypted(alice.address, alice.address))[0] == 250
    relay.messages(alice)
    with pytest.raises(Exception):
        relay.imap(alice, "wrong password")
    eventually(lambda: "INBOX" in relay.log("dovecot"), message="the delivery is not logged")
    for name in ("dovecot", "milter"):
        if not shown:
            assert alice.name not in relay.log(name)
            assert "127.0.0.1" not in relay.log(name).replace("listen", "")
    assert (alice.name in relay.log("dovecot")) == shown


def test_apply_prints_how_to_reload_the_servers(make_relay):
    """Only those that run and whose files it changed. Without the settings of the test all differ."""
    relay = make_relay(without=("opendkim", "notifyd", "transport"))
    options = ("--dovecot", relay.stages.dovecot.series, "--no-check")

    def change(verb):
        return relay.inside("chatmailctl", "config", verb, *options).stdout

    def reloads(output):
        return output.partition("to use the changed files: ")[2].strip()

    everything = "nginx -s reload; doveadm reload; postfix reload"
    assert reloads(change("apply")) == everything
    assert reloads(change("apply")) == ""
    with relay.path("/etc/postfix/main.cf.local").open("a") as additions:
        additions.write("maximal_queue_lifetime = 3d\n")
    assert reloads(change("apply")) == "postfix reload"
    change("rollback")
    relay.stop_service("nginx")
    assert reloads(change("rollback")) == "doveadm reload; postfix reload"
