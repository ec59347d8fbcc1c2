"""A mailbox tree of upstream's relay (chatmail/relay) works unchanged."""

import gzip
import json
import os
import shutil
import time

import pytest

from support.imap import Idle, get_metadata, set_metadata
from support.messages import encrypted

TOKEN = "/private/devicetoken"
PASSWORD = "made by upstream"
DAY = 86400


@pytest.fixture(scope="module")
def relay(make_relay):
    return make_relay(without=["postfix", "milter", "opendkim", "notifyd"])


def write(path, data=b"", mode=0o600):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    path.chmod(mode)


def maildir_name(message, flags):
    """Dovecot's file names: stored size in S=, size with CRLF in W=."""
    size = len(message.replace(b"\r\n", b"\n"))
    unique = f"{int(time.time()) - 3 * DAY}.M{os.getpid()}P{len(flags)}.relay"
    return f"{unique},S={size},W={len(message)}{flags}"


def upstream_account(relay, metadata, name="upstream1"):
    """The directory as upstream's doveauth, metadata service and Dovecot 2.3 leave it."""
    account = relay.account(name=name, password=PASSWORD)
    mailbox = relay.mailbox(account)
    for part in ("cur", "new", "tmp"):
        (mailbox / part).mkdir(parents=True)
    hashed = relay.inside("openssl", "passwd", "-6", PASSWORD).stdout.strip()
    write(mailbox / "password", "{SHA512-CRYPT}" + hashed)
    write(mailbox / "password.lock")
    write(mailbox / "enforceE2EEincoming")
    write(mailbox / "metadata.json", json.dumps(metadata))
    write(mailbox / "metadata.json.lock")
    write(mailbox / "dovecot-uidvalidity", b"68b2e4d1")
    write(mailbox / "dovecot-uidvalidity.68b2e4d1", mode=0o444)

    message = encrypted("friend123@peer.test", account.address)
    stored = message.replace(b"\r\n", b"\n")
    # Compressed by the zlib plugin in cur, uncompressed in new.
    read, unread = maildir_name(message, ":2,S"), maildir_name(message, "")
    write(mailbox / "cur" / read, gzip.compress(stored))
    write(mailbox / "new" / unread, stored)
    uidlist = f"3 V1756554449 N9 Gd1e4b2685b2d0f1b0c5d000042a7b1c3\n7 :{read.split(':')[0]}\n"
    write(mailbox / "dovecot-uidlist", uidlist)
    seen = int(time.time()) // DAY * DAY - 40 * DAY
    os.utime(mailbox / "password", (seen, seen))

    owner = relay.path("/home/vmail").stat()
    for directory, directories, files in os.walk(mailbox):
        for entry in (".", *directories, *files):
            os.chown(os.path.join(directory, entry), owner.st_uid, owner.st_gid)
    mailbox.chmod(0o700)
    return account, message


def listing(mailbox):
    return {entry.name for entry in mailbox.iterdir()}


@pytest.fixture(params=["by token", "list"])
def account(relay, request):
    if request.param == "list":
        tokens = ["openpgp:first", "second"]
    else:
        tokens = {"openpgp:first": int(time.time()) - 3 * DAY, "second": int(time.time()) - 60}
    account, message = upstream_account(relay, {"devicetoken": tokens})
    account.message = message
    yield account
    shutil.rmtree(relay.mailbox(account))


def test_login_and_mail(relay, account):
    mailbox = relay.mailbox(account)
    before = (mailbox / "password").read_bytes()
    client = relay.imap(account, select=True)
    _, data = client.uid("FETCH", "1:*", "(UID FLAGS BODY.PEEK[])")
    parts = [part for part in data if isinstance(part, tuple)]
    assert [part[1] for part in parts] == [account.message] * 2
    assert b"UID 7 " in parts[0][0] and rb"\Seen" in parts[0][0]
    assert client.response("UIDVALIDITY")[1] == [b"1756554449"]
    client.logout()
    with pytest.raises(client.error):
        relay.imap(account, "another password")
    assert (mailbox / "password").read_bytes() == before
    assert (mailbox / "password").stat().st_mtime == int(time.time()) // DAY * DAY


def test_tokens_of_both_formats(relay, account):
    client = relay.imap(account)
    tokens = get_metadata(client, "INBOX", [TOKEN])[TOKEN]
    assert sorted(tokens.split(" ")) == ["openpgp:first", "second"]
    assert set_metadata(client, "INBOX", TOKEN, "third")[0] == "OK"
    client.logout()
    stored = json.loads((relay.mailbox(account) / "metadata.json").read_text())
    assert set(stored["devicetoken"]) == {"openpgp:first", "second", "third"}
    assert all(isinstance(when, int) for when in stored["devicetoken"].values())


def test_delivery_and_push(relay, account):
    queue = relay.path(f"/home/vmail/mail/{relay.domain}/pending_notifications")
    for entry in queue.iterdir() if queue.exists() else ():
        entry.unlink()
    client = relay.imap(account, select=True)
    with Idle(client) as idle:
        message = encrypted("friend123@peer.test", account.address)
        assert relay.deliver("friend123@peer.test", account.address, message) == {}
        assert idle.exists() == 3
    client.logout()
    entries = [path.read_text().split("\n") for path in queue.iterdir()]
    assert sorted(entry[2] for entry in entries) == ["openpgp:first", "second"]
    assert {entry[0] for entry in entries} == {account.address}


def test_no_file_is_converted(relay, account):
    """Upstream's files are still there; the only new files are Dovecot's own."""
    mailbox = relay.mailbox(account)
    before = listing(mailbox)
    relay.imap(account, select=True).logout()
    after = listing(mailbox)
    assert before <= after
    assert all(name.startswith(("dovecot", "maildir", "subscriptions")) for name in after - before)
