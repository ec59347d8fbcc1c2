"""What the servers offer before login, as the templates configure them."""

import imaplib
import re
import smtplib
import socket
import ssl

import pytest

from support.messages import encrypted
from support.relay import transact, trusting
from support.tree import SOURCE
from support.wait import eventually

UNIT = "packaging/systemd/dovecot.service.d/chatmail.conf"


def negotiated(relay, port, maximum):
    """The TLS version of a client that supports nothing newer than maximum."""
    context = trusting()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = maximum
    with socket.create_connection(("127.0.0.1", relay.ports[port]), timeout=30) as plain:
        with context.wrap_socket(plain) as secure:
            return secure.version()


@pytest.mark.parametrize("port", ["smtps_port", "imaps_port"])
def test_clients_get_tls_1_3_only(relay, port):
    assert negotiated(relay, port, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    with pytest.raises(ssl.SSLError):
        negotiated(relay, port, ssl.TLSVersion.TLSv1_2)


def test_submission_offers_login_under_tls_only(relay):
    with smtplib.SMTP("127.0.0.1", relay.ports["submission_port"], timeout=30) as client:
        client.ehlo()
        assert client.has_extn("starttls")
        assert not client.has_extn("auth")
        assert client.mail("somebody@relay.test")[0] == 530
        client.starttls(context=trusting())
        client.ehlo()
        assert set(client.esmtp_features["auth"].split()) >= {"PLAIN", "LOGIN"}


def test_submission_requires_a_login(relay):
    with relay.submission() as client:
        client.mail("somebody@relay.test")
        code, _ = client.rcpt("somebody@relay.test")
        assert code == 554


def test_port_25_needs_tls_and_relays_nothing(relay):
    with smtplib.SMTP("127.0.0.1", relay.ports["smtp_port"], timeout=30) as client:
        client.ehlo()
        assert client.mail("somebody@peer.test")[0] == 530
        client.starttls(context=trusting())
        client.ehlo()
        assert not client.has_extn("auth")
        assert client.mail("somebody@peer.test")[0] == 250
        assert client.rcpt("somebody@elsewhere.test")[0] == 554


def test_extensions_offered_to_peers(relay):
    """Not SMTPUTF8, which Dovecot does not support, nor delivery reports, with which strangers
    could find mailboxes and make us write to others."""
    with relay.peer() as client:
        client.ehlo()
        for name in ("smtputf8", "dsn", "etrn"):
            assert not client.has_extn(name), name
        client.mail("somebody@peer.test")
        assert client.rcpt("somebody@relay.test", ["NOTIFY=SUCCESS"])[0] >= 500
        assert client.has_extn("8bitmime")


def test_only_postfix_can_deliver(relay):
    """Dovecot's default LMTP socket is open to every local user and bypasses the policy."""
    mode = relay.path("/var/spool/postfix/private/dovecot-lmtp").stat().st_mode
    assert mode & 0o777 == 0o600
    assert not relay.path("/run/dovecot/lmtp").exists()


def test_a_delivered_message_is_on_the_disk(relay):
    """Postfix then deletes the message from its queue, so a crash of the machine must not lose
    it."""
    listing = relay.inside("doveconf", "-f", "protocol=lmtp", "mail_fsync", dovecot=True)
    assert listing.stdout.split() == ["mail_fsync", "=", "optimized"]


def test_a_delivery_logs_no_error(relay):
    alice, bob = relay.registered(), relay.registered()
    before = len(relay.log("dovecot"))
    for recipient in (bob, alice):
        code, text = relay.send(alice, recipient.address, encrypted(alice.address, recipient.address))
        assert code == 250, text
        relay.messages(recipient)
    log = relay.log("dovecot")[before:]
    assert "lmtp" in log
    assert not re.search(r"\b(Error|Warning|Panic|Fatal):", log), log


def test_mail_waits_for_dovecot(make_relay):
    relay = make_relay(without=["notifyd", "httpd", "nginx"])
    alice = relay.registered()
    relay.stop_service("dovecot")
    with relay.peer() as client:
        sender = "somebody@[127.0.0.1]"
        code, text = transact(client, sender, alice.address, encrypted(sender, alice.address))
    assert code == 250, text
    eventually(lambda: [entry["queue_name"] for entry in relay.queue()] == ["deferred"])
    for name in ("queue_run_delay", "minimal_backoff_time"):
        assert relay.inside("postconf", "-h", name).stdout == "60s\n"
    relay.start_service("dovecot")
    # As the services that start Dovecot do.
    [flush] = re.findall(r"^ExecStartPost=-(.+)", (SOURCE / UNIT).read_text(), re.M)
    relay.inside(*flush.split())
    relay.messages(alice)


def test_idle_clients_get_a_keepalive_in_time(relay):
    """Delta Chat waits five minutes for any line in IDLE."""
    found = relay.inside("doveconf", "-h", "imap_idle_notify_interval", dovecot=True).stdout.split()
    assert found[0] == "2" and found[1].startswith("min")


def test_sessions_have_the_limit_of_chatmail_ini(relay):
    for name, limit in (
        ("service/imap/process_limit", relay.ini["max_imap_connections"]),
        ("default_client_limit", "20000"),
    ):
        assert relay.inside("doveconf", "-h", name, dovecot=True).stdout.strip() == limit


def test_only_root_sees_and_feeds_the_queue(relay):
    for command in (["postqueue", "-p"], ["postqueue", "-f"], ["sendmail", "-bs"]):
        refused = relay.inside("setpriv", "--reuid=nobody", "--clear-groups", *command,
                               check=False, input="QUIT\r\n")
        assert refused.returncode != 0 or "550" in refused.stdout, command
    assert relay.inside("postqueue", "-p").returncode == 0


def test_subdomains_are_not_ours(relay):
    with relay.peer() as client:
        client.mail("somebody@peer.test")
        assert client.rcpt("somebody@sub.relay.test")[0] == 554


@pytest.mark.parametrize("name", ["nobody123", "postmaster", "x"])
def test_nobody_can_find_out_which_accounts_exist(relay, name):
    with relay.peer() as client:
        client.mail("somebody@peer.test")
        assert client.vrfy(f"{name}@relay.test")[0] == 252
        assert client.rcpt(f"{name}@relay.test")[0] == 250


def test_imap_starts_tls(relay):
    client = imaplib.IMAP4("127.0.0.1", relay.ports["imap_port"], timeout=30)
    assert "STARTTLS" in client.capabilities
    client.starttls(ssl_context=trusting())
    account = relay.account()
    client.login(account.address, account.password)
    client.logout()


def test_other_relays_need_a_certificate(make_relay):
    """A private relay's certificate is self-signed."""
    other = make_relay(domain="other.test", without=["dovecot", "opendkim"])
    relay = make_relay(settings={"relayhost": f"[127.0.0.1]:{other.ports['smtp_port']}"})
    alice = relay.registered()
    assert relay.send(alice, "x@other.test", encrypted(alice.address, "x@other.test"))[0] == 250
    [entry] = eventually(
        lambda: [entry for entry in relay.queue() if entry["queue_name"] == "deferred"],
        message="it did not stay in the queue",
    )
    assert "Server certificate not verified" in entry["recipients"][0]["delay_reason"]
    assert "from=<" not in other.log("mail")


@pytest.mark.parametrize(
    "destination, excused",
    [
        ("[192.0.2.1]", True),
        ("[IPv6:2001:db8::1]", True),
        ("_relay.test", True),
        ("relay.test", False),
        ("relay_.test", False),
        ("a._relay.test", False),
    ],
)
def test_peers_without_a_certificate_as_configured(relay, destination, excused):
    maps = relay.inside("postconf", "-h", "smtp_tls_policy_maps").stdout.strip()
    found = relay.inside("postmap", "-q", destination, maps, check=False).stdout.strip()
    assert found == ("encrypt" if excused else "")
