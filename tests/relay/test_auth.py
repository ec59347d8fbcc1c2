"""Login and registration: Dovecot's passdb driver `chatmail`."""

import concurrent.futures
import os
import re
import stat
import time

import pytest

from support.logins import LATER, NO_ACCOUNT, REFUSED, accounts_on_disk, assert_no_account, assert_refused, connected, login_error, make_account, plain_error, with_address
from support.messages import encrypted
from support.wait import eventually

DAY = 86400


# --- Accounts


def test_first_login_creates_the_account(relay):
    account = relay.account()
    assert not relay.mailbox(account).exists()
    relay.imap(account).logout()
    mailbox = relay.mailbox(account)
    stored = (mailbox / "password").read_text()
    assert re.fullmatch(r"\{SHA512-CRYPT\}\$6\$[^$]+\$[A-Za-z0-9./]{86}", stored)
    assert (mailbox / "enforceE2EEincoming").exists()
    assert stat.S_IMODE(mailbox.stat().st_mode) == 0o700
    assert stat.S_IMODE((mailbox / "password").stat().st_mode) == 0o600
    assert not [name for name in os.listdir(mailbox) if name.startswith(".tmp")]


def test_later_logins_need_the_same_password(relay):
    account = relay.registered()
    before = (relay.mailbox(account) / "password").read_bytes()
    assert_refused(relay, account, "another password")
    assert_refused(relay, account, account.password[:-1])
    assert_refused(relay, account, account.password + "x")
    assert (relay.mailbox(account) / "password").read_bytes() == before
    assert login_error(relay, account) is None


@pytest.mark.parametrize(
    "password",
    ["pass word 1", "naïve-пароль", '"quoted\\"', "x" * 255, "%u%d%{user}", "\x02and\x7fcontrol"],
)
def test_unusual_passwords(relay, password):
    account = relay.account()
    assert plain_error(relay, account.address, password) is None
    assert plain_error(relay, account.address, password) is None
    assert REFUSED in plain_error(relay, account.address, password[:-1] + "~")


def test_case_of_the_address_does_not_matter(relay):
    account = relay.account()
    upper = with_address(relay, account.address.upper(), account.password)
    assert login_error(relay, upper) is None
    assert login_error(relay, account) is None
    assert account.address in accounts_on_disk(relay)
    assert account.address.upper() not in accounts_on_disk(relay)


@pytest.mark.parametrize(
    "address",
    [
        "short@relay.test",
        "muchtoolong@relay.test",
        "has+plus9@relay.test",
        "has%perc9@relay.test",
        "umläut123@relay.test",
        "zero\x01byte@relay.test",
        "new\nlines@relay.test",
        "a space!@relay.test",
        "abcdefghi@other.test",
        "abcdefghi@sub.relay.test",
        "abcdefghi@relay.test.",
        "abcdefghi@[127.0.0.1]",
        "abcdefghi",
        "abcdefghi@",
        "@relay.test",
        "abcdefghi@abcdefghi@relay.test",
        "../abcdef@relay.test",
        "abcd/fghi@relay.test",
        "webmaster@relay.test",
        "-abcdefgh@relay.test",
    ],
)
def test_invalid_names_are_refused(relay, address):
    before = accounts_on_disk(relay)
    error = plain_error(relay, address, "a good password")
    assert error is not None and LATER not in error
    assert accounts_on_disk(relay) == before


@pytest.mark.parametrize("password", ["short", "12345678", "x" * 256, "x" * 700, "tab\tand more"])
def test_invalid_passwords_are_refused(relay, password):
    account = relay.account(password=password)
    error = plain_error(relay, account.address, password)
    # Dovecot itself refuses passwords that are too long for it, or contain a tab.
    assert NO_ACCOUNT in error and "password is too short or too long" in error or REFUSED in error
    assert not relay.mailbox(account).exists()


def test_nocreate_stops_new_accounts_only(relay):
    existing = relay.registered()
    new = relay.account()
    flag = relay.path("/etc/chatmail-nocreate")
    flag.touch()
    try:
        assert_no_account(relay, new, "does not accept new accounts")
        assert login_error(relay, existing) is None
    finally:
        flag.unlink()
    assert login_error(relay, new) is None


@pytest.mark.parametrize(
    "mode, words", [("closed", "does not accept new accounts"), ("invite", "by invitation only")]
)
def test_registration_modes(make_relay, mode, words):
    relay = make_relay(ini={"registration": "open"}, without=["notifyd", "httpd"])
    existing = relay.registered()
    relay.ini["registration"] = mode
    relay.write_ini()
    relay.restart_service("dovecot")
    new = relay.account()
    assert_no_account(relay, new, words)
    assert login_error(relay, existing) is None
    assert f"no new account for (hidden) from (hidden): {mode}" in relay.log("dovecot")
    relay.stop()


@pytest.mark.parametrize("how", ["flag", "empty password"])
def test_blocked_account_cannot_log_in(relay, how):
    account = relay.registered()
    mailbox = relay.mailbox(account)
    stored = (mailbox / "password").read_bytes()
    if how == "flag":
        (mailbox / "blocked").touch()
    else:
        (mailbox / "password").write_bytes(b"")
    assert login_error(relay, account) is not None
    assert login_error(relay, account, "another password") is not None
    if how == "flag":
        assert (mailbox / "password").read_bytes() == stored
    else:
        assert (mailbox / "password").read_bytes() == b""
    refused = relay.deliver("a@peer.test", account.address, encrypted("a@peer.test", account.address))
    assert refused[account.address][0] == 550
    if how == "flag":
        (mailbox / "blocked").unlink()
        assert login_error(relay, account) is None


@pytest.mark.parametrize(
    "scheme",
    ["SHA512-CRYPT", "SHA256-CRYPT", "BLF-CRYPT", "SSHA512", "PBKDF2", "PLAIN", "MD5-CRYPT"],
)
def test_other_hash_schemes(relay, scheme):
    output = relay.inside("doveadm", "pw", "-s", scheme, "-p", "an old password", dovecot=True).stdout
    account = make_account(relay, output)
    assert login_error(relay, account, "an old password") is None
    assert_refused(relay, account, "a new password")


def test_hash_without_scheme(relay):
    output = relay.inside("openssl", "passwd", "-6", "an old password").stdout
    account = make_account(relay, output)
    assert login_error(relay, account, "an old password") is None
    assert_refused(relay, account, "a new password")


@pytest.mark.parametrize("domain", ["[127.0.0.1]", "[ipv6:2001:db8::25]"])
def test_relay_without_a_name(make_relay, domain):
    """The domain is an address literal."""
    relay = make_relay(
        domain=domain,
        ini={"mailboxes_dir": f"/home/vmail/mail/{domain}"},
        without=["postfix", "milter", "opendkim"],
    )
    account = relay.registered()
    assert account.address.endswith("@" + domain)
    assert relay.mailbox(account).exists()
    assert relay.deliver("a@peer.test", account.address, encrypted("a@peer.test", account.address)) == {}
    assert len(relay.fetch(account)) == 1
    assert (relay.mailbox(account) / "cur").exists()
    assert_refused(relay, account, "another password")
    assert_refused(relay, with_address(relay, f"{account.name}@[127.0.0.2]"))
    relay.stop()


# --- Many at once


def together(count, work):
    """Runs work(0) … work(count - 1) at once; returns their results."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


def test_one_password_wins(relay):
    account = relay.account()
    passwords = ("the first password", "the second password")
    errors = together(50, lambda i: login_error(relay, account, passwords[i % 2]))
    winners = {passwords[i % 2] for i in range(50) if errors[i] is None}
    assert len(winners) == 1
    winner = winners.pop()
    for i in range(50):
        assert (errors[i] is None) == (passwords[i % 2] == winner)
        assert errors[i] is None or REFUSED in errors[i]
    assert login_error(relay, account, winner) is None


def test_first_logins_after_a_start(make_relay):
    """More logins at once than there may be workers: logins without a free worker wait, and none
    is refused."""
    relay = make_relay(without=["postfix", "milter", "opendkim", "notifyd", "httpd", "nginx"])
    clients = [connected(relay) for _ in range(60)]
    for client in clients:
        account = relay.account()
        client.send(f"a LOGIN {account.address} {account.password}\r\n".encode())
    for client in clients:
        while not (line := client.readline()).startswith(b"a "):
            pass
        assert line.startswith(b"a OK")
    assert "Aborted" not in relay.log("dovecot")
    for client in clients:
        client.shutdown()
    relay.stop()


def test_a_slow_first_worker(make_relay, stages):
    """auth starts although its first worker needs very long to answer, and the late answer does no
    harm."""
    if stages.dovecot.series == "2.3":
        pytest.skip("auth of Dovecot 2.3 starts workers only for logins")
    relay = make_relay(without=["postfix", "milter", "opendkim", "notifyd", "httpd", "nginx"])
    account = relay.registered()
    relay.stop_service("dovecot")
    # The first program that reads it is the worker; it waits for a writer.
    ini = relay.path("/etc/chatmail.ini")
    complete = ini.with_name("chatmail.ini.complete")
    ini.rename(complete)
    os.mkfifo(ini)
    ini.chmod(0o644)
    relay.start_service("dovecot")
    process = ("pgrep", "-fx", "dovecot/auth")
    auth = eventually(lambda: relay.inside(*process, check=False).stdout)
    time.sleep(12)
    with open(ini, "w") as writer:
        text = complete.read_text()
        complete.rename(ini)
        writer.write(text)
    for _ in range(3):
        assert login_error(relay, account) is None
    assert relay.inside(*process).stdout == auth
    relay.stop()


def test_many_first_logins_at_once(relay):
    accounts = [relay.account() for _ in range(200)]
    errors = together(200, lambda i: login_error(relay, accounts[i]))
    assert errors == [None] * 200
    assert {account.address for account in accounts} <= accounts_on_disk(relay)


# --- Limits


@pytest.fixture(scope="module")
def limited(make_relay):
    return make_relay(
        ini={"max_new_accounts_per_ip_per_hour": "3", "max_new_accounts_per_minute": "500"},
        without=["postfix", "milter", "opendkim"],
    )


def test_rate_limit_of_one_address(limited):
    accounts = [limited.account() for _ in range(5)]
    # Refused and failed registrations do not count.
    for _ in range(5):
        error = login_error(limited, with_address(limited, "short@relay.test"))
        assert NO_ACCOUNT in error and "such a name" in error
    unmade = limited.account()
    mailbox, owner = limited.mailbox(unmade), limited.path("/home/vmail").stat()
    mailbox.mkdir(0o500)
    os.chown(mailbox, owner.st_uid, owner.st_gid)
    assert LATER in login_error(limited, unmade)
    errors = [login_error(limited, account) for account in accounts]
    assert errors[:3] == [None] * 3
    assert all("Too many new accounts" in error for error in errors[3:])
    assert not limited.mailbox(accounts[3]).exists()
    # A flood does not keep out users who have an account.
    together(20, lambda i: login_error(limited, limited.account()))
    assert login_error(limited, accounts[0]) is None
    assert_refused(limited, accounts[0], "another password")
    # A restart does not reset the limit.
    limited.restart_service("dovecot")
    assert "Too many new accounts" in login_error(limited, limited.account())
    assert login_error(limited, accounts[1]) is None


@pytest.mark.parametrize(
    "key, value, word",
    [
        ("min_available_memory", "100000G", "memory"),
        ("min_free_disk_space", "1000000G", "disk"),
        ("max_load_1m", "0.000001", "load"),
    ],
)
def test_registration_refused_for_lack_of_resources(limited, key, value, word):
    before = dict(limited.ini)
    limited.ini["max_new_accounts_per_ip_per_hour"] = "0"
    try:
        limited.write_ini()
        limited.restart_service("dovecot")
        existing = limited.registered()
        limited.ini[key] = value
        limited.write_ini()
        limited.restart_service("dovecot")
        new = limited.account()
        assert "for new accounts now" in login_error(limited, new)
        assert not limited.mailbox(new).exists()
        assert login_error(limited, existing) is None
        assert f": {word} (logged once a minute)" in limited.log("dovecot")
    finally:
        limited.ini = before
        limited.write_ini()
        limited.restart_service("dovecot")


# --- Errors


def test_errors_are_temporary(relay):
    account = relay.registered()
    password = relay.mailbox(account) / "password"
    password.rename(password.with_name("elsewhere"))
    password.mkdir()
    assert LATER in login_error(relay, account)
    assert "chatmail: mailbox directory: password" in relay.log("dovecot")
    password.rmdir()
    password.with_name("elsewhere").rename(password)
    assert login_error(relay, account) is None


@pytest.fixture(params=["missing", "empty"])
def unmounted(relay, request):
    """The file system with the mailboxes is missing: mailboxes_dir does not exist, or is root's
    mount point."""
    account = relay.registered()
    top = relay.path(f"/home/vmail/mail/{relay.domain}")
    top.rename(top.with_name("unmounted"))
    if request.param == "empty":
        top.mkdir(0o755)
    yield account
    if request.param == "empty":
        top.rmdir()
    top.with_name("unmounted").rename(top)


def test_unmounted_mailboxes_do_not_make_accounts_unknown(relay, unmounted):
    top = relay.path(f"/home/vmail/mail/{relay.domain}")
    assert LATER in login_error(relay, unmounted)
    assert LATER in login_error(relay, relay.account())
    message = encrypted("a@peer.test", unmounted.address)
    refused = relay.deliver("a@peer.test", unmounted.address, message)
    assert refused[unmounted.address][0] == 451
    assert relay.inside("doveadm", "user", "*", dovecot=True, check=False).stdout == ""
    assert not top.exists() or not list(top.iterdir())
    assert f"chatmail: /home/vmail/mail/{relay.domain}: cannot be" in relay.log("dovecot")


def test_invalid_configuration_is_temporary(make_relay):
    relay = make_relay(without=["postfix", "milter", "opendkim"])
    account = relay.registered()
    good = dict(relay.ini)
    relay.ini["max_mailbox_size"] = "a lot"
    relay.write_ini()
    relay.inside("doveadm", "reload", dovecot=True)
    eventually(lambda: LATER in (login_error(relay, account) or ""))
    assert "max_mailbox_size" in relay.log("dovecot")
    relay.ini = good
    relay.write_ini()
    # Without a restart.
    eventually(lambda: login_error(relay, account) is None)
    relay.stop()


def test_unknown_keys_are_not_logged_at_every_login(make_relay):
    """A chatmail.ini from upstream contains some of them."""
    relay = make_relay(ini={"filtermail_smtp_port": "10080"}, without=["postfix", "opendkim"])
    relay.registered()
    assert "'filtermail_smtp_port' is unknown" in relay.log("milter")
    assert "filtermail_smtp_port" not in relay.log("dovecot")
    relay.stop()


def test_log_contains_no_address(relay):
    account = relay.registered()
    login_error(relay, account, "a wrong password")
    login_error(relay, relay.account(password="short"))
    relay.deliver("a@peer.test", account.address, encrypted("a@peer.test", account.address))
    log = relay.log("dovecot")
    assert account.name not in log
    assert account.password not in log
    assert "127.0.0.1" not in log
