"""Accounts: the first login creates one, later ones need its password."""

import concurrent.futures
import imaplib
import smtplib
import threading

import pytest

from support.relay import trusting


def refused(relay, account, password=None):
    """The reply to a login that must fail."""
    with pytest.raises(imaplib.IMAP4.error) as error:
        relay.imap(account, password)
    return str(error.value)


def test_first_imap_login_creates_the_account(relay):
    account = relay.account()
    assert not relay.mailbox(account).exists()
    relay.imap(account, select=True).logout()
    mailbox = relay.mailbox(account)
    assert (mailbox / "password").read_text().startswith("{SHA512-CRYPT}$6$")
    assert account.password not in (mailbox / "password").read_text()
    assert mailbox.stat().st_mode & 0o777 == 0o700
    relay.imap(account).logout()


def test_first_smtp_login_creates_the_account(relay):
    account = relay.account()
    with relay.submission(account, wrapped=False):
        pass
    relay.imap(account).logout()


def test_wrong_password_is_refused(relay):
    account = relay.registered()
    assert "AUTHENTICATIONFAILED" in refused(relay, account, "not" + account.password)
    with pytest.raises(smtplib.SMTPAuthenticationError) as error:
        with relay.submission(account, "not" + account.password):
            pass
    assert error.value.smtp_code == 535
    relay.imap(account).logout()


def test_login_is_not_case_sensitive(relay):
    account = relay.registered()
    account.address = account.address.upper()
    relay.imap(account).logout()
    with relay.submission(account):
        pass


@pytest.mark.parametrize(
    "name, password",
    [
        ("short123", None),
        ("toolong1234", None),
        ("white spa", None),
        ("up/../etc", None),
        ("semi;name", None),
        ("ninechars", "eight888"),
    ],
)
def test_invalid_names_and_passwords_create_no_account(relay, name, password):
    account = relay.account(name, password)
    refused(relay, account)
    assert not relay.mailbox(account).exists()


def test_other_domains_create_no_account(relay):
    account = relay.account()
    account.address = f"{account.name}@other.test"
    refused(relay, account)
    assert not (relay.path(f"/home/vmail/mail/{relay.domain}") / account.address).exists()


def test_nocreate_stops_registration_only(relay):
    account, stranger = relay.registered(), relay.account()
    nocreate = relay.path("/etc/chatmail-nocreate")
    nocreate.touch()
    try:
        refused(relay, stranger)
        assert not relay.mailbox(stranger).exists()
        relay.imap(account).logout()
        refused(relay, account, "not" + account.password)
    finally:
        nocreate.unlink()
    relay.imap(stranger).logout()


def test_one_password_wins_among_fifty(relay):
    """Fifty connections make their first login at once, with two passwords."""
    account = relay.account()
    passwords = ["first-password-1", "second-password-2"]
    together = threading.Barrier(50)

    def login(number):
        password = passwords[number % 2]
        client = imaplib.IMAP4_SSL(
            "127.0.0.1", relay.ports["imaps_port"], ssl_context=trusting(), timeout=60
        )
        together.wait(60)
        try:
            client.login(account.address, password)
        except imaplib.IMAP4.error:
            client.shutdown()
            return password, False
        client.logout()
        return password, True

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        results = list(pool.map(login, range(50)))
    winners = {password for password, entered in results if entered}
    assert len(winners) == 1
    winner = winners.pop()
    assert all(entered == (password == winner) for password, entered in results)
    relay.imap(account, winner).logout()
    refused(relay, account, next(password for password in passwords if password != winner))
    left = [path.name for path in relay.mailbox(account).parent.glob(f"*{account.name}*")]
    assert left == [account.address]
    assert not [path for path in relay.mailbox(account).iterdir() if "password" in path.name][1:]


def test_imap_and_smtp_at_once(relay):
    """As core does: its first two logins are one by IMAP and one by SMTP, at the same time."""
    for _ in range(10):
        account = relay.account()
        together = threading.Barrier(2)

        def imap():
            together.wait(60)
            relay.imap(account).logout()

        def smtp():
            together.wait(60)
            with relay.submission(account):
                pass

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(imap), pool.submit(smtp)]:
                future.result()
