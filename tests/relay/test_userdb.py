"""Looking accounts up, and their last use: Dovecot's userdb driver `chatmail`."""

import os
import re
import time

from support.logins import accounts_on_disk, assert_refused
from support.messages import encrypted

DAY = 86400


# --- userdb


def test_userdb_fields(relay):
    account = relay.registered()
    fields = relay.inside("doveadm", "user", account.address, dovecot=True).stdout
    directory = f"/home/vmail/mail/{relay.domain}/{account.address}"
    assert re.search(rf"^home\s+{re.escape(directory)}$", fields, re.M)
    assert directory in fields.replace(f"home\t{directory}", "", 1)
    owner = relay.path("/home/vmail").stat()
    assert re.search(rf"^uid\s+{owner.st_uid}$", fields, re.M)
    assert re.search(rf"^gid\s+{owner.st_gid}$", fields, re.M)
    client = relay.imap(account)
    _, (_, quota) = client.getquotaroot("INBOX")
    client.logout()
    assert f"STORAGE 0 {500 * 1024} ".encode() in quota[0].replace(b")", b" ")


def test_a_lookup_creates_no_account(relay):
    existing, unknown = relay.registered(), relay.account()
    for command in (["auth", "lookup"], ["user"]):
        for account in (existing, unknown):
            done = relay.inside("doveadm", *command, account.address, dovecot=True, check=False)
            assert (done.returncode == 0) == (account is existing)
    assert not relay.mailbox(unknown).exists()


CONNECT = (
    "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect('/run/dovecot/auth-userdb');"
    "print(s.recv(100))"
)


def test_no_other_local_user_can_ask_who_exists(relay):
    ask = ["python3", "-c", CONNECT]
    assert "VERSION" in relay.inside(*ask).stdout
    done = relay.inside("setpriv", "--reuid", "nobody", "--clear-groups", *ask, check=False)
    assert done.returncode != 0 and "PermissionError" in done.stderr


def test_unknown_user(relay):
    unknown = relay.account()
    refused = relay.deliver("a@peer.test", unknown.address, encrypted("a@peer.test", unknown.address))
    assert refused[unknown.address][0] == 550
    assert not relay.mailbox(unknown).exists()


def test_iteration(relay):
    account, blocked = relay.registered(), relay.registered()
    (relay.mailbox(blocked) / "blocked").touch()
    top = relay.path(f"/home/vmail/mail/{relay.domain}")
    for name in ("not-an-account", account.address.upper()):
        (top / name).mkdir(exist_ok=True)
    listed = relay.inside("doveadm", "user", "*", dovecot=True).stdout.split()
    assert account.address in listed
    assert account.address.upper() not in listed
    assert blocked.address not in listed
    assert set(listed) <= accounts_on_disk(relay)


# --- Last seen


def age(relay, account, days):
    """Makes the account look as if it was last used that many days ago; returns the time."""
    when = int(time.time()) // DAY * DAY - days * DAY
    os.utime(relay.mailbox(account) / "password", (when, when))
    return when


def last_seen(relay, account):
    return (relay.mailbox(account) / "password").stat().st_mtime


def test_imap_login_is_recorded(relay):
    account = relay.registered()
    age(relay, account, 50)
    relay.imap(account).logout()
    assert last_seen(relay, account) == int(time.time()) // DAY * DAY


def test_smtp_login_is_recorded(relay):
    account = relay.registered()
    age(relay, account, 50)
    with relay.submission(account):
        pass
    assert last_seen(relay, account) == int(time.time()) // DAY * DAY


def test_activity_of_others_is_not_recorded(relay):
    account = relay.registered()
    when = age(relay, account, 50)
    assert_refused(relay, account, "a wrong password")
    relay.deliver("a@peer.test", account.address, encrypted("a@peer.test", account.address))
    relay.inside("doveadm", "mailbox", "status", "-u", account.address, "messages", "INBOX", dovecot=True)
    assert last_seen(relay, account) == when
