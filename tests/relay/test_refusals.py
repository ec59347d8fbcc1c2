"""The text that a client gets when a login is refused, over IMAP and over SMTP."""

import imaplib
import os
import smtplib

import pytest

WITHOUT = ["notifyd", "httpd"]

CLOSED = "This relay does not accept new accounts."
INVITE = "This relay is by invitation only."
NAME = "This relay does not accept accounts with such a name."
SHORT = "This password is too short or too long for a new account on this relay."
LOAD = "This relay is too busy for new accounts now. Please try again in a few minutes."
DISK = "This relay has no room for new accounts now."
RATE = "Too many new accounts were created from your network or on this relay."
TROUBLE = "This relay has a fault"


def imap_text(relay, account, password=None):
    with pytest.raises(imaplib.IMAP4.error) as refused:
        relay.imap(account, password)
    return str(refused.value)


def smtp_reply(relay, account, password=None):
    with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        with relay.submission(account, password):
            pass
    return refused.value.smtp_code, refused.value.smtp_error.decode()


@pytest.fixture(scope="module")
def submission(make_relay):
    return make_relay(without=WITHOUT)


@pytest.mark.parametrize(
    "ini, name, password, text",
    [
        ({"registration": "closed"}, None, None, CLOSED),
        ({"registration": "invite"}, None, None, INVITE),
        ({}, "abc", None, NAME),
        ({}, "postmaster", None, NAME),
        ({}, None, "short", SHORT),
        ({"max_load_1m": "0.0001"}, None, None, LOAD),
        ({"min_free_disk_space": "1000000G"}, None, None, DISK),
        ({"max_new_accounts_per_minute": "1"}, None, None, RATE),
    ],
)
def test_reason_of_a_refusal(submission, ini, name, password, text):
    usual = dict(submission.ini)
    submission.ini.update(ini)
    submission.write_ini()
    submission.restart_service("dovecot")
    try:
        if text == RATE:
            with pytest.raises(imaplib.IMAP4.error):
                for _ in range(10):
                    submission.registered()
        account = submission.account(name, password)
        assert text in imap_text(submission, account)
        code, reply = smtp_reply(submission, account)
        assert code == 535
        assert text in reply
    finally:
        submission.ini = usual
        submission.write_ini()
        submission.restart_service("dovecot")


def test_wrong_password(submission):
    account = submission.registered()
    assert "AUTHENTICATIONFAILED" in imap_text(submission, account, "wrong password")
    assert smtp_reply(submission, account, "wrong password")[0] == 535


def test_blocked(submission):
    account = submission.registered()
    (submission.mailbox(account) / "blocked").touch()
    assert "AUTHENTICATIONFAILED" in imap_text(submission, account)
    assert smtp_reply(submission, account)[0] == 535


def test_internal_error_is_temporary(submission):
    """Postfix has no reply for a temporary failure of Dovecot's: the text has to say so."""
    account = submission.registered()
    top = submission.mailbox(account).parent
    os.rename(top, f"{top}.away")
    try:
        for client in (account, submission.account()):
            assert "UNAVAILABLE" in imap_text(submission, client)
            assert TROUBLE in smtp_reply(submission, client)[1]
    finally:
        os.rename(f"{top}.away", top)
    with submission.submission(account):
        pass
    submission.imap(account).logout()
