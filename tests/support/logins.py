"""Logins on a relay, and the reasons of failures."""

import imaplib
import smtplib

import pytest

from support.relay import trusting

REFUSED = "AUTHENTICATIONFAILED"
LATER = "UNAVAILABLE"
NO_ACCOUNT = "ALERT"  # and a sentence for the user


def login_error(relay, account, password=None):
    """The reason why the login was refused; None if it succeeded."""
    try:
        relay.imap(account, password).logout()
    except imaplib.IMAP4.error as error:
        return str(error)
    return None


def connected(relay):
    """A client that is not logged in."""
    return imaplib.IMAP4_SSL(
        "127.0.0.1", relay.ports["imaps_port"], ssl_context=trusting(), timeout=60
    )


def plain_error(relay, address, password):
    """Login by AUTHENTICATE PLAIN, which accepts any bytes."""
    client = connected(relay)
    try:
        client.authenticate("PLAIN", lambda _: f"\0{address}\0{password}".encode())
    except imaplib.IMAP4.error as error:
        return str(error)
    finally:
        client.logout()
    return None


def assert_refused(relay, account, password=None):
    assert REFUSED in (login_error(relay, account, password) or "")


def assert_no_account(relay, account, words, password=None):
    """Checks that the account does not exist, and that its user gets the reason."""
    error = login_error(relay, account, password) or ""
    assert NO_ACCOUNT in error and words in error, error
    with pytest.raises(smtplib.SMTPAuthenticationError, match=words):
        relay.submission(account, password).__enter__()
    assert not relay.mailbox(account).exists()


def with_address(relay, address, password="a good password"):
    account = relay.account(password=password)
    account.address = address
    return account


def accounts_on_disk(relay):
    top = relay.path(f"/home/vmail/mail/{relay.domain}")
    return {entry.name for entry in top.iterdir() if "@" in entry.name}


def make_account(relay, stored):
    """An account whose password file contains these bytes, as another program may have written
    them."""
    account = relay.registered()
    (relay.mailbox(account) / "password").write_text(stored)
    return account
