"""When something fails, Dovecot's own log lines contain no address, unless log_addresses is
set."""

import contextlib
import imaplib
import shutil
import threading

import pytest

from support.messages import encrypted
from support.wait import eventually

SENDER = "sender@peer.test"
WITHOUT = ["postfix", "milter", "opendkim", "notifyd", "httpd"]


@pytest.fixture(scope="module")
def private(make_relay):
    return make_relay(without=WITHOUT)


@pytest.fixture(scope="module")
def talkative(make_relay):
    return make_relay(ini={"log_addresses": "true"}, without=WITHOUT)


def unknown_scheme(relay, account):
    (relay.mailbox(account) / "password").write_text("{NO-SUCH-SCHEME}xyz")
    with pytest.raises(imaplib.IMAP4.error, match="UNAVAILABLE"):
        relay.imap(account)


def unusable_mailbox(relay, account):
    """The userdb fails at each delivery."""
    password = relay.mailbox(account) / "password"
    password.unlink()
    password.mkdir()
    refused = relay.deliver(SENDER, account.address, encrypted(SENDER, account.address))
    assert refused[account.address][0] in (450, 451)


def broken_maildir(relay, account):
    """Paths contain addresses."""
    relay.imap(account, select=True).logout()
    shutil.rmtree(relay.mailbox(account) / "tmp")
    (relay.mailbox(account) / "tmp").write_text("")
    refused = relay.deliver(SENDER, account.address, encrypted(SENDER, account.address))
    assert refused[account.address][0] in (450, 451)


def vanishing_user(relay, account):
    """The account exists when the password is checked, and is gone when the userdb is asked."""
    blocked = relay.mailbox(account) / "blocked"
    logged = len(relay.log("dovecot"))
    stop = threading.Event()

    def come_and_go():
        while not stop.wait(0.003):
            blocked.touch()
            stop.wait(0.003)
            blocked.unlink()

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        eventually(lambda: tried(relay, account) and "Error: " in relay.log("dovecot")[logged:], 120)
    finally:
        stop.set()
        thread.join()


def tried(relay, account):
    with contextlib.suppress(imaplib.IMAP4.error):
        relay.imap(account).logout()
    return True


@pytest.mark.parametrize(
    "trouble", [unknown_scheme, unusable_mailbox, broken_maildir, vanishing_user]
)
def test_errors_name_no_address(private, trouble):
    account = private.registered()
    logged = len(private.log("dovecot"))
    trouble(private, account)
    eventually(lambda: "Error: " in private.log("dovecot")[logged:], message="no error was logged")
    lines = private.log("dovecot")[logged:]
    assert account.name not in lines
    assert "127.0.0.1" not in lines


@pytest.mark.parametrize("trouble", [unusable_mailbox, broken_maildir])
def test_addresses_are_logged_if_configured(talkative, trouble):
    account = talkative.registered()
    trouble(talkative, account)
    eventually(
        lambda: account.address in talkative.log("dovecot"), message="the address is not logged"
    )
