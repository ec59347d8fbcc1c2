"""chatmailctl backup and restore, user export and import, on relays in operation."""

import contextlib
import io
import imaplib
import json
import os
import re
import shutil
import subprocess
import tarfile
import threading
import time

import pytest

from support.imap import get_metadata, set_metadata
from support.messages import encrypted
from support.wait import eventually

DAY = 86400
TOKEN = "openpgp:" + "A" * 40


def ctl(relay, *arguments, check=True, **options):
    done = relay.inside("chatmailctl", *arguments, check=False, **options)
    assert not check or done.returncode == 0, done.stderr
    return done


def mailboxes(relay):
    return relay.path(f"/home/vmail/mail/{relay.domain}")


def uids(relay, account):
    """UID and content of each message, and the folder's UIDVALIDITY."""
    client = relay.imap(account, select=True)
    try:
        validity = client.response("UIDVALIDITY")[1]
        _, data = client.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])")
        found = {}
        for part in data:
            if isinstance(part, tuple):
                head = part[0].decode()
                date = re.search('INTERNALDATE "([^"]*)"', head)[1]
                found[int(re.search(r"UID (\d+)", head)[1])] = (date, part[1])
        return validity, found
    finally:
        client.logout()


def set_token(relay, account, token=TOKEN):
    client = relay.imap(account)
    assert set_metadata(client, "INBOX", "/private/devicetoken", token)[0] == "OK"
    client.logout()


def get_token(relay, account):
    client = relay.imap(account)
    try:
        return get_metadata(client, "INBOX", ["/private/devicetoken"])["/private/devicetoken"]
    finally:
        client.logout()


class Load(contextlib.AbstractContextManager):
    """Delivers mail, and reads and marks it, until the end. delivered: (account, time)."""

    def __init__(self, relay, accounts, sender):
        self.relay, self.accounts, self.sender = relay, accounts, sender
        self.stop = threading.Event()
        self.delivered = []
        self.trouble = []
        self.threads = [threading.Thread(target=self.guard, args=(self.deliver, i)) for i in range(2)]
        self.threads += [threading.Thread(target=self.guard, args=(self.read, a)) for a in accounts[:2]]

    def guard(self, work, argument):
        try:
            work(argument)
        except Exception as error:
            self.trouble.append(error)

    def deliver(self, number):
        count = number
        with self.relay.lmtp() as client:
            while not self.stop.is_set():
                account = self.accounts[count % len(self.accounts)]
                message = encrypted(self.sender, account.address, 2000 + 100 * count % 5000)
                client.sendmail(self.sender, [account.address], message)
                self.delivered.append((account.address, time.monotonic()))
                count += 2

    def read(self, account):
        client = self.relay.imap(account, select=True)
        flag = "+"
        while not self.stop.is_set():
            client.noop()
            client.uid("STORE", "1:*", flag + "FLAGS", "(\\Seen \\Flagged)")
            flag = "-" if flag == "+" else "+"
        client.logout()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        eventually(lambda: len(self.delivered) >= 40 or self.trouble, timeout=120)
        return self

    def __exit__(self, *exception):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        assert self.trouble == []


@pytest.fixture(scope="module")
def source(make_relay):
    """A relay with some accounts, tokens, an invitation and secrets outside its mailboxes."""
    relay = make_relay(
        ini={"turn_secret_file": "/etc/chatmail-turn.secret", "blocked_senders_file": "/etc/chatmail-blocked"}
    )
    relay.path("/etc/chatmail-turn.secret").write_text("a secret of sixteen or more bytes\n")
    relay.path("/etc/chatmail-turn.secret").chmod(0o640)
    relay.inside("chown", "root:vmail", "/etc/chatmail-turn.secret")
    relay.path("/etc/chatmail-blocked").write_text("spam.test\n")
    with relay.path("/etc/postfix/main.cf.local").open("a") as local:
        local.write("# added by hand\n")
    return relay


@pytest.fixture(scope="module")
def accounts(source):
    made = [source.registered() for _ in range(6)]
    for account in made:
        set_token(source, account)
    client = source.imap(made[0])
    client.create("Folder")
    client.create("R&AOQ-ume")
    client.logout()
    seen = time.time() - 30 * DAY
    os.utime(source.mailbox(made[5]) / "password", (seen, seen))
    ctl(source, "user", "block", made[4].address)
    return made


def empty(relay):
    """As on a new machine: the packages are installed, and there is no relay."""
    for service in ("dovecot", "postfix", "milter", "notifyd", "httpd", "nginx"):
        with contextlib.suppress(subprocess.CalledProcessError):
            relay.stop_service(service)
    shutil.rmtree(relay.path("/home/vmail"))
    shutil.rmtree(relay.path("/etc/dkimkeys"))
    shutil.rmtree(relay.path("/etc/ssl/relay"))
    for name in ("chatmail.ini", "chatmail-turn.secret", "chatmail-blocked", "postfix/main.cf.local"):
        relay.path("/etc/" + name).unlink(missing_ok=True)


def restart(relay):
    relay.inside("chown", "root:vmail", "/etc/dkimkeys/opendkim.private")
    relay.path("/etc/dkimkeys/opendkim.private").chmod(0o640)
    relay.path("/etc/dkimkeys").chmod(0o755)
    for service in ("milter", "dovecot", "postfix"):
        relay.start_service(service)


def test_whole_relay_under_load(source, accounts, make_relay):
    """Every message that arrived before the backup exists afterwards, with its UID."""
    sender = accounts[5].address
    used = [account for account in accounts if account is not accounts[4]]
    link = ctl(source, "invite", "create", "--json").stdout
    assert "url" in link or "link" in link
    with Load(source, used[:4], sender) as load:
        before = time.monotonic()
        done = ctl(source, "backup", "--json", "/home/backup.tar")
        after = time.monotonic()
        assert source.path("/home/backup.tar").stat().st_mode & 0o777 == 0o600
        eventually(lambda: len(load.delivered) >= 80 or load.trouble, timeout=120)
    result = json.loads(done.stdout)
    assert result["accounts"] == 6
    minimum = {a.address: sum(1 for who, when in load.delivered if who == a.address and when < before) for a in used}
    maximum = {a.address: sum(1 for who, when in load.delivered if who == a.address and when < after) for a in used}
    verified = json.loads(ctl(source, "restore", "--verify", "--json", "/home/backup.tar").stdout)
    assert verified["messages"] == result["messages"] >= sum(minimum.values()) > 0
    source_uids = {account.address: uids(source, account) for account in used}

    target = make_relay(ini={"turn_secret_file": "/etc/chatmail-turn.secret"})
    empty(target)
    shutil.copy(source.path("/home/backup.tar"), target.path("/home/backup.tar"))
    done = ctl(target, "restore", "/home/backup.tar")
    assert "6 accounts" in done.stdout

    for path in ("/etc/chatmail-turn.secret", "/etc/chatmail-blocked", "/etc/postfix/main.cf.local",
                 "/etc/dkimkeys/opendkim.private", "/etc/ssl/relay/key.pem", "/etc/chatmail.ini"):
        there, here = source.path(path), target.path(path)
        assert there.read_bytes() == here.read_bytes(), path
        assert there.stat().st_mode & 0o640 == here.stat().st_mode & 0o640
        assert here.stat().st_mode & 0o022 == 0
    assert target.path("/etc/chatmail-turn.secret").stat().st_gid == source.path("/etc/chatmail-turn.secret").stat().st_gid
    owner = mailboxes(source).stat().st_uid
    for path in [mailboxes(target), *mailboxes(target).rglob("*")]:
        assert path.stat().st_uid == owner, path
        assert path.stat().st_mode & 0o077 == 0, path
    assert not (mailboxes(target) / ".restoring").exists()
    target.write_ini()  # the keys of its own ports
    restart(target)

    for account in used:
        validity, here = uids(target, account)
        there_validity, there = source_uids[account.address]
        # A folder that never held a message may not have a UIDVALIDITY on disk yet.
        assert validity == there_validity or maximum[account.address] == 0
        assert minimum[account.address] <= len(here) <= maximum[account.address] + 2
        for uid, content in here.items():
            assert there[uid] == content, f"UID {uid}"
        assert TOKEN in get_token(target, account)
    with pytest.raises(imaplib.IMAP4.error):
        target.imap(accounts[4])
    client = target.imap(accounts[0])
    _, folders = client.list()
    client.logout()
    assert {b"Folder", b"R&AOQ-ume"} <= {line.split()[-1] for line in folders}
    shown = json.loads(ctl(target, "user", "show", "--json", accounts[4].address).stdout)
    assert shown["blocked"] is True
    assert len(json.loads(ctl(target, "invite", "list", "--json").stdout)) == 1

    again = ctl(target, "restore", "/home/backup.tar", check=False)
    assert again.returncode == 2 and "nothing was changed; move it away" in again.stderr


def test_last_seen_is_kept(source, accounts, make_relay):
    ctl(source, "backup", "/home/seen.tar")
    target = make_relay()
    empty(target)
    shutil.copy(source.path("/home/seen.tar"), target.path("/home/seen.tar"))
    ctl(target, "restore", "/home/seen.tar")
    there = source.mailbox(accounts[4]) / "password"
    here = target.mailbox(accounts[4]) / "password"
    assert here.stat().st_mtime_ns == there.stat().st_mtime_ns
    assert here.read_bytes() == there.read_bytes()


def test_plain_tar_reads_the_archive(source, accounts):
    """The files can be extracted without our program."""
    archive = ctl(source, "backup", "-", text=False).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        names = tar.getnames()
        assert names[0] == "chatmail-archive.json" and names[-1] == "end.json"
        assert f"mail/{accounts[0].address}/password" in names
        assert not [name for name in names if "dovecot.index" in name or name.endswith(".lock")]


@pytest.mark.parametrize("how", ["age", "age file", "gpg"])
def test_encrypted_archive(source, accounts, how):
    run = source.inside
    home = source.home / "home"
    if how == "gpg":
        run("sh", "-c", "export GNUPGHOME=/home/gnupg; mkdir -m 700 -p $GNUPGHOME; gpg --batch --quiet "
            "--passphrase '' --quick-generate-key keeper@relay.test future-default default never 2>/dev/null; "
            "gpgconf --kill all")
        recipient, identity = "keeper@relay.test", []
    else:
        shutil.rmtree(home / "age", ignore_errors=True)
        (home / "age").mkdir()
        run("age-keygen", "-o", "/home/age/key")
        public = run("age-keygen", "-y", "/home/age/key").stdout.strip()
        (home / "age" / "recipients").write_text(public + "\n")
        recipient = public if how == "age" else "/home/age/recipients"
        identity = ["--identity", "/home/age/key"]
    environment = {"env": {**os.environ, "GNUPGHOME": "/home/gnupg"}}
    done = ctl(source, "backup", "--json", "--encrypt-to", recipient, "/home/backup.enc", **environment)
    data = (home / "backup.enc").read_bytes()
    assert accounts[0].address.encode() not in data
    done = ctl(source, "restore", "--verify", *identity, "/home/backup.enc", **environment)
    assert "6 accounts" in done.stdout
    if identity:
        refused = ctl(source, "restore", "--verify", "/home/backup.enc", check=False)
        assert refused.returncode == 2 and "--identity" in refused.stderr
    (home / "backup.enc").write_bytes(data[: len(data) // 2])
    done = ctl(source, "restore", "--verify", *identity, "/home/backup.enc", check=False, **environment)
    assert done.returncode == 2


def test_unknown_recipient_of_the_encryption(source):
    source.path("/home/kept.tar").write_text("the one of yesterday")
    done = ctl(source, "backup", "--encrypt-to", "nobody@nowhere.test", "/home/kept.tar", check=False)
    assert done.returncode == 2
    assert source.path("/home/kept.tar").read_text() == "the one of yesterday"
    assert not list((source.home / "home").glob("kept.tar.*"))


def test_account_moves_to_another_relay(source, accounts, relay):
    """To another domain; and back to its own domain from the same archive."""
    alice = accounts[3]
    source.deliver(accounts[0].address, alice.address, encrypted(accounts[0].address, alice.address, 3000))
    ctl(source, "user", "export", alice.address, "/home/alice.tar")
    shutil.copy(source.path("/home/alice.tar"), relay.path("/home/alice.tar"))
    refused = ctl(relay, "user", "import", "--as", alice.name + "@elsewhere.test", "/home/alice.tar", check=False)
    assert refused.returncode == 2
    done = json.loads(ctl(relay, "user", "import", "--json", "--as", "alice-two", "/home/alice.tar").stdout)
    assert done["address"] == f"alice-two@{relay.domain}"
    moved = relay.account("alice-two", alice.password)
    assert uids(relay, moved) == uids(source, alice)
    assert TOKEN in get_token(relay, moved)
    again = ctl(relay, "user", "import", "--as", "alice-two", "/home/alice.tar", check=False)
    assert again.returncode == 1 and "exists" in again.stderr
    assert not (mailboxes(relay) / ".importing" / "x").exists()
    before = uids(source, alice)
    ctl(source, "user", "delete", "--yes", alice.address)
    archive = source.path("/home/alice.tar").read_bytes()
    ctl(source, "user", "import", "-", input=archive, text=False)
    assert uids(source, alice) == before


def test_one_account_of_a_backup(source, accounts):
    alice = accounts[2]
    before = uids(source, alice)
    ctl(source, "backup", "/home/all.tar")
    ctl(source, "user", "delete", "--yes", alice.address)
    several = ctl(source, "user", "import", "/home/all.tar", check=False)
    assert several.returncode == 2 and "--account" in several.stderr
    absent = ctl(source, "user", "import", "--account", "x@relay.test", "/home/all.tar", check=False)
    assert absent.returncode == 1
    ctl(source, "user", "import", "--account", alice.address, "/home/all.tar")
    assert uids(source, alice) == before
