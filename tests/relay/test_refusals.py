"""The text that a client gets when a login is refused, over IMAP and over SMTP."""

import concurrent.futures
import imaplib
import os
import smtplib

import pytest

from support.wait import eventually

WITHOUT = ["notifyd", "httpd"]

CLOSED = "This relay does not accept new accounts."
INVITE = "This relay is by invitation only."
NAME = "This relay does not accept accounts with such a name."
SHORT = "This password is too short or too long for a new account on this relay."
LOAD = "This relay is too busy for new accounts now. Please try again in a few minutes."
DISK = "This relay has no room for new accounts now."
RATE = "Too many new accounts were created from your network or on this relay."


def imap_text(relay, account, password=None):
    with pytest.raises(imaplib.IMAP4.error) as refused:
        relay.imap(account, password)
    return str(refused.value)


def smtp_reply(relay, account, password=None):
    with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        with relay.submission(account, password):
            pass
    return refused.value.smtp_code, refused.value.smtp_error.decode()


def smtp_accepts(relay, account):
    try:
        with relay.submission(account):
            return True
    except smtplib.SMTPAuthenticationError as refused:
        assert refused.smtp_code == 454
        return False


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
        if text in (LOAD, DISK, RATE):
            assert code == 454
        else:
            assert code == 535 and text in reply
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
    account = submission.registered()
    top = submission.mailbox(account).parent
    os.rename(top, f"{top}.away")
    try:
        for client in (account, submission.account()):
            assert "UNAVAILABLE" in imap_text(submission, client)
            assert smtp_reply(submission, client)[0] == 454
    finally:
        os.rename(f"{top}.away", top)
    with submission.submission(account):
        pass
    submission.imap(account).logout()


def test_trouble_is_over_within_the_session(submission):
    """And other sessions have not noticed: neither those that had logged in, nor one that waits."""
    account, other = submission.registered(), submission.registered()
    password = submission.mailbox(account) / "password"
    stored = password.read_bytes()
    with submission.submission(other) as before, submission.submission() as waiting, submission.submission() as client:
        password.write_bytes(b"{NO-SUCH-SCHEME}x")
        for _ in range(3):
            with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
                client.login(account.address, account.password)
            assert refused.value.smtp_code == 454
        password.write_bytes(stored)
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            client.login(account.address, "a wrong password")
        assert refused.value.smtp_code == 535
        client.login(account.address, account.password)
        assert before.noop()[0] == 250
        waiting.login(other.address, other.password)
    # Dovecot logs no error for the closed connections.
    assert "pending requests" not in submission.log("dovecot")


def test_workers_that_die(submission):
    """Each one, as soon as it is there. A login may succeed in between."""
    account = submission.registered()
    killer = "while :; do pkill -KILL -f '^dovecot/auth(-worker| -w)'; done"
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        killing = pool.submit(submission.inside, "timeout", "20", "sh", "-c", killer, check=False)
        replies = set()
        while not killing.done():
            try:
                with submission.submission(account):
                    pass
            except smtplib.SMTPAuthenticationError as refused:
                replies.add(refused.smtp_code)
    assert replies <= {454}
    # Dovecot starts no worker for a while after such failures.
    eventually(lambda: smtp_accepts(submission, account), timeout=120)
