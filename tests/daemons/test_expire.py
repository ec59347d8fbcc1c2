"""chatmail-expire run for real on a tree of mailboxes: every rule at its boundary, and what must
never go."""

import fcntl
import itertools
import json
import os
import pty
import pwd
import random
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("CHATMAIL_BUILD", "build/plain")).resolve()
EXPIRE = BUILD / "services/expire/chatmail-expire"
CHATMAILCTL = BUILD / "ctl/chatmailctl"

NOW = 1_800_000_000
HOUR = 3600
DAY = 86400
LARGE = 200_000  # bytes; more than this is a large message
MIB = 1 << 20

counter = itertools.count(1)


def set_age(path, seconds, now=NOW):
    os.utime(path, (now - seconds, now - seconds), follow_symlinks=False)


class Tree:
    """A relay's mailboxes, with a chatmail.ini."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.mail = self.directory / "mail"
        self.run_dir = self.directory / "run"
        self.ini = self.directory / "chatmail.ini"
        self.mail.mkdir()
        self.run_dir.mkdir()
        self.configure()

    def configure(self, *lines):
        self.ini.write_text(
            "\n".join(
                [
                    "[params]",
                    "mail_domain = relay.test",
                    f"mailboxes_dir = {self.mail}",
                    f"run_dir = {self.run_dir}",
                    *lines,
                    "",
                ]
            )
        )

    def account(self, name, seen=0, now=NOW):
        """Last seen so many seconds ago; None: without a password."""
        mailbox = self.mail / f"{name}@relay.test"
        for part in ("cur", "new", "tmp"):
            (mailbox / part).mkdir(parents=True)
        if seen is not None:
            (mailbox / "password").write_text("{PLAIN}x")
            set_age(mailbox / "password", seen, now)
        return mailbox

    def command(self, *options):
        return [EXPIRE, "-c", self.ini, *map(str, options)]

    def run(self, *options, status=0, now=NOW):
        result = subprocess.run(
            self.command("--now", now, *options), capture_output=True, text=True, timeout=300
        )
        assert result.returncode == status, (result.stdout, result.stderr)
        return result

    def summary(self, *options, status=0):
        return json.loads(self.run("--json", *options, status=status).stdout.splitlines()[-1])

    def files(self):
        """Everything below mailboxes_dir: relative path → what must not change silently."""
        found = {}
        for path in sorted(self.mail.rglob("*")):
            st = path.lstat()
            found[str(path.relative_to(self.mail))] = (st.st_ino, st.st_mode, st.st_mtime_ns)
        return found


def message(folder, age, size=100, name=None, now=NOW):
    """A file in a mailbox; size is on disk, sparse. The name has no size: quota does not matter."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (name or f"{now - int(age)}.M{next(counter)}P1.host")
    with path.open("wb") as file:
        file.truncate(size)
    set_age(path, age, now)
    return path


def sized_message(folder, age, size, now=NOW):
    """As Dovecot names it: quota counts what the name says, not what is on disk."""
    name = f"{int(now - age)}.M{next(counter)}P1.host,S={size},W={size}:2,S"
    return message(folder, age, 1, name, now)


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


# --- messages ---

MESSAGE_RULES = [
    # folder, size, days after which it goes
    ("cur", 100, 20),
    ("new", 100, 20),
    ("tmp", 100, 20),
    ("cur", LARGE, 20),
    ("cur", LARGE + 1, 7),
    ("new", LARGE + 1, 20),
    ("tmp", LARGE + 1, 20),
    (".DeltaChat/cur", 100, 20),
    (".DeltaChat/new", 100, 20),
    (".DeltaChat/cur", LARGE + 1, 7),
    (".DeltaChat/new", LARGE + 1, 20),
    (".Deep.Folder/cur", 100, 20),
    ("garbage/deeper/cur", 100, 20),
]


@pytest.mark.parametrize("folder,size,days", MESSAGE_RULES)
@pytest.mark.parametrize("seconds,goes", [(-1, False), (0, False), (1, True)])
def test_message_boundary(tree, folder, size, days, seconds, goes):
    mailbox = tree.account("user")
    path = message(mailbox / folder, days * DAY + seconds, size)
    assert tree.summary()["messages_deleted"] == int(goes)
    assert path.exists() == (not goes)


@pytest.mark.parametrize(
    "key,folder,size",
    [("delete_mails_after", "new", 1), ("delete_large_after", "cur", LARGE + 1)],
)
def test_configured_days(tree, key, folder, size):
    tree.configure(f"{key} = 3")
    mailbox = tree.account("user")
    old = message(mailbox / folder, 3 * DAY + 1, size)
    young = message(mailbox / folder, 3 * DAY, size)
    tree.run()
    assert not old.exists()
    assert young.exists()


def test_what_is_no_message_stays(tree):
    mailbox = tree.account("user")
    kept = [
        message(mailbox, 400 * DAY, 5, name)
        for name in ("dovecot.index", "metadata.json", "enforceE2EEincoming", "blocked", "x.tmp")
    ]
    kept.append(message(mailbox / ".Folder", 400 * DAY, 5, "maildirfolder"))
    kept.append(message(mailbox / "cur" / "directory", 400 * DAY, 5, "inside"))
    before = tree.files()
    assert tree.summary()["messages_deleted"] == 0
    after = tree.files()
    assert {k: v for k, v in after.items() if k != ".expired"} == before
    assert all(path.exists() for path in kept)


def test_maildirsize_goes_when_a_message_goes_and_only_then(tree):
    changed, unchanged = tree.account("changed"), tree.account("unchanged")
    for mailbox in (changed, unchanged):
        (mailbox / "maildirsize").write_text("1000S\n200 2\n")
    message(changed / "cur", 20 * DAY + 1)
    message(unchanged / "cur", 20 * DAY)
    tree.run()
    assert not (changed / "maildirsize").exists()
    assert (unchanged / "maildirsize").read_text() == "1000S\n200 2\n"


# --- accounts ---


def test_a_blocked_account_stays_blocked(tree):
    """Its name would be free again otherwise. Its old messages go as everybody's."""
    mailbox = tree.account("user", 1000 * DAY)
    (mailbox / "blocked").touch()
    tree.account("other")
    old = message(mailbox / "cur", 20 * DAY + 1)
    assert tree.summary()["accounts_deleted"] == 0
    assert (mailbox / "blocked").exists() and (mailbox / "password").exists()
    assert not old.exists()


@pytest.mark.parametrize("days", [90, 30])
@pytest.mark.parametrize("seconds,goes", [(-1, False), (0, False), (1, True)])
def test_account_boundary(tree, days, seconds, goes):
    tree.configure(f"delete_inactive_users_after = {days}")
    mailbox = tree.account("user", days * DAY + seconds)
    tree.account("other")
    message(mailbox / "cur", 5)
    message(mailbox / ".Folder/new", 5)
    summary = tree.summary()
    assert mailbox.exists() == (not goes)
    assert summary["accounts"] == 2
    assert summary["accounts_deleted"] == int(goes)
    assert summary["account_messages"] == 2 * int(goes)
    assert summary["messages"] == 2 * int(not goes)
    assert os.listdir(tree.mail / ".expired") == []


def test_password_file_elsewhere_is_no_sign_of_life(tree):
    mailbox = tree.account("user", 91 * DAY)
    message(mailbox / ".Folder", 0, name="password")
    tree.account("other")
    tree.run()
    assert not mailbox.exists()


def test_unknown_last_seen_keeps_the_account(tree):
    mailbox = tree.account("user", NOW)  # 1970
    tree.run()
    assert mailbox.exists()


def test_only_names_with_at_are_accounts(tree):
    other = tree.mail / "pending_or_whatever" / "cur"
    path = message(other, 400 * DAY)
    (tree.mail / "file@relay.test").write_text("not a directory")
    set_age(tree.mail / "file@relay.test", 400 * DAY)
    assert tree.summary()["accounts"] == 0
    assert path.exists()
    assert (tree.mail / "file@relay.test").exists()


def make_old(mailbox, age):
    for path in [*mailbox.rglob("*"), mailbox]:
        set_age(path, age)


@pytest.mark.parametrize("seconds,goes", [(-1, False), (0, False), (1, True)])
def test_unused_directory_boundary(tree, seconds, goes):
    with_folders = tree.account("folders", None)
    bare = tree.mail / "bare@relay.test"
    bare.mkdir()
    for mailbox in (with_folders, bare):
        make_old(mailbox, HOUR + seconds)
    assert tree.summary()["directories_deleted"] == 2 * int(goes)
    assert with_folders.exists() == bare.exists() == (not goes)
    if not goes:
        assert sorted(os.listdir(with_folders)) == ["cur", "new", "tmp"]


def test_directory_without_password_that_holds_something_stays_whole(tree):
    mailbox = tree.account("user", None)
    message(mailbox / "new", 400 * DAY)
    make_old(mailbox, 400 * DAY)
    before = tree.files()
    assert tree.summary()["directories_kept"] == 1
    after = tree.files()
    assert {k: v for k, v in after.items() if k != ".expired"} == before


# --- temporary files and the push queue ---


@pytest.mark.parametrize("name", [".chatmail-tmp.0a1b", "password.tmp-123", "metadata.json.tmp"])
@pytest.mark.parametrize("seconds,goes", [(-1, False), (0, False), (1, True)])
def test_temporary_file_boundary(tree, name, seconds, goes):
    path = message(tree.account("user"), HOUR + seconds, name=name)
    assert tree.summary()["temporary_deleted"] == int(goes)
    assert path.exists() == (not goes)


def test_interrupted_registration_leaves_nothing(tree):
    mailbox = tree.mail / "user@relay.test"
    message(mailbox, HOUR + 1, name=".chatmail-tmp.0a1b")
    make_old(mailbox, HOUR + 1)
    tree.run()
    assert not mailbox.exists()


@pytest.mark.parametrize("name,limit", [("0123abcd", 6 * HOUR), (".tmp.0123", HOUR)])
@pytest.mark.parametrize("seconds,goes", [(-1, False), (0, False), (1, True)])
def test_queue_entry_boundary(tree, name, limit, seconds, goes):
    path = message(tree.mail / "pending_notifications", limit + seconds, name=name)
    assert tree.summary()["spool_deleted"] == int(goes)
    assert path.exists() == (not goes)


# --- quota in the daily run ---


@pytest.mark.parametrize("extra,goes", [(0, False), (1, True)])
def test_daily_run_trims_to_70_percent(tree, extra, goes):
    tree.configure("max_mailbox_size = 100M")
    mailbox = tree.account("user")
    oldest = sized_message(mailbox / "new", 3 * DAY, 20 * MIB)
    sized_message(mailbox / "cur", 2 * DAY, 30 * MIB)
    sized_message(mailbox / ".Folder/cur", 2 * DAY, 20 * MIB + extra)
    assert tree.summary()["quota_messages"] == int(goes)
    assert oldest.exists() == (not goes)


def test_trimming_does_not_count_what_age_deletes(tree):
    tree.configure("max_mailbox_size = 100M")
    mailbox = tree.account("user")
    old = sized_message(mailbox / "cur", 21 * DAY, 90 * MIB)
    kept = sized_message(mailbox / "cur", 2 * DAY, 70 * MIB)
    dry = tree.summary("--dry-run")
    real = tree.summary()
    for summary in (dry, real):
        assert (summary["messages_deleted"], summary["quota_messages"]) == (1, 0)
    assert not old.exists()
    assert kept.exists()


# --- the guards against a wrong clock ---


def guarded(tree, inactive, active):
    for i in range(inactive):
        tree.account(f"inactive{i}", 91 * DAY)
    for i in range(active):
        message(tree.account(f"active{i}") / "cur", 21 * DAY)
    message(tree.mail / "pending_notifications", DAY, name="entry")


@pytest.mark.parametrize(
    "options,inactive,active,refused",
    [
        ((), 5, 5, False),
        ((), 6, 5, True),
        ((), 1, 0, True),
        (("--max-share", 20), 1, 4, False),
        (("--max-share", 19), 1, 4, True),
        (("--max-share", 0), 0, 4, False),
        (("--max-share", 0), 1, 400, True),
        (("--max-share", 100), 4, 0, False),
        (("--force",), 6, 0, False),
    ],
)
def test_share_of_accounts(tree, options, inactive, active, refused):
    guarded(tree, inactive, active)
    before = tree.files()
    result = tree.run(*options, status=1 if refused else 0)
    if refused:
        assert tree.files() == before
        assert f"{inactive} of {inactive + active} accounts" in result.stderr
        assert "--force" in result.stderr
    else:
        assert len(list(tree.mail.glob("*@*"))) == active
        assert not list(tree.mail.glob("*/cur/*"))
    # A dry run says the same.
    tree.run("--dry-run", *options, status=1 if refused else 0)


def test_blocked_accounts_are_not_going(tree):
    for i in range(3):
        (tree.account(f"blocked{i}", 1000 * DAY) / "blocked").touch()
    tree.account("inactive", 91 * DAY)
    assert tree.summary("--max-share", 25)["accounts_deleted"] == 1
    assert len(list(tree.mail.glob("*@*"))) == 3


@pytest.mark.parametrize(
    "accounts,silence,refused",
    [(10, 7 * DAY, False), (10, 7 * DAY + 1, True), (9, 30 * DAY, False)],
)
def test_a_silent_relay_has_a_wrong_clock(tree, accounts, silence, refused):
    for i in range(accounts):
        message(tree.account(f"user{i}", silence + i) / "cur", 21 * DAY)
    before = tree.files()
    tree.run(status=1 if refused else 0)
    assert (tree.files() == before) == refused
    tree.run("--force")
    assert not list(tree.mail.glob("*/cur/*"))


# --- dry run and real run ---


def random_tree(tree, seed):
    chance = random.Random(seed)
    tree.configure("max_mailbox_size = 10M")
    for i in range(60):
        seen = chance.choice([0, 10 * DAY, 89 * DAY, 91 * DAY, None])
        mailbox = tree.account(f"user{i}", seen)
        for _ in range(chance.randrange(12)):
            folder = mailbox / chance.choice(["cur", "new", "tmp", ".F/cur", ".F/new"])
            age = chance.choice([0, 2 * DAY, 8 * DAY, 19 * DAY, 21 * DAY]) + chance.randrange(HOUR)
            if chance.random() < 0.5:
                message(folder, age, chance.choice([10, LARGE, LARGE + 1]))
            else:
                sized_message(folder, age, chance.randrange(4 * MIB))
        if chance.random() < 0.3:
            message(mailbox, chance.choice([0, 2 * HOUR]), name=".chatmail-tmp.1")
        if seen is None and chance.random() < 0.7:
            make_old(mailbox, 2 * HOUR)
    for i in range(20):
        message(
            tree.mail / "pending_notifications",
            chance.randrange(12 * HOUR),
            name=chance.choice(["", ".tmp."]) + f"{i:08x}",
        )


@pytest.mark.parametrize("seed", range(5))
def test_dry_run_equals_real_run(tree, seed):
    random_tree(tree, seed)
    before = tree.files()
    dry = tree.run("--dry-run", "-v", "--json")
    assert tree.files() == before
    real = tree.run("-v", "--json")
    *dry_lines, dry_summary = dry.stdout.splitlines()
    *real_lines, real_summary = real.stdout.splitlines()
    assert sorted(dry_lines) == sorted(real_lines)
    assert len(dry_lines) > 50
    ignored = {"dry_run", "seconds"}
    assert [(k, v) for k, v in json.loads(dry_summary).items() if k not in ignored] == [
        (k, v) for k, v in json.loads(real_summary).items() if k not in ignored
    ]

    named = [line.rsplit(" ", 1)[1] for line in real_lines]
    after = tree.files()
    gone = [path for path in before if path not in after]
    for path in gone:
        assert any(path == n or path.startswith(n + "/") for n in named), path
    for name in named:
        assert not (tree.mail / name).exists()
    # And there is nothing left to do.
    assert "delete " not in tree.run("-v").stdout


# --- symbolic links ---


@pytest.fixture
def outside(tmp_path):
    """Old messages elsewhere, and a check that they are all still there."""
    directory = tmp_path / "outside"
    for part in ("cur", "new", "tmp"):
        message(directory / part, 400 * DAY, LARGE + 1, "precious")
    message(directory, 400 * DAY, 8, "password")
    message(directory, 400 * DAY, 8, ".chatmail-tmp.1")
    make_old(directory, 400 * DAY)

    def everything():
        return sorted((str(p), p.lstat().st_mtime_ns) for p in directory.rglob("*"))

    before = everything()
    yield directory
    assert everything() == before


def test_mailbox_that_is_a_link(tree, outside):
    (tree.mail / "link@relay.test").symlink_to(outside)
    tree.account("user")
    tree.run("--force")
    assert (tree.mail / "link@relay.test").is_symlink()


@pytest.mark.parametrize("part", ["cur", "new", "tmp", ".Folder"])
def test_directory_that_is_a_link(tree, outside, part):
    mailbox = tree.account("user")
    if (mailbox / part).exists():
        (mailbox / part).rmdir()
    (mailbox / part).symlink_to(outside if part == ".Folder" else outside / part)
    tree.run()


def test_message_that_is_a_link(tree, outside):
    mailbox = tree.account("user")
    (mailbox / "cur" / "1.M1.host,S=1:2,").symlink_to(outside / "cur/precious")
    set_age(mailbox / "cur" / "1.M1.host,S=1:2,", 400 * DAY)
    assert tree.summary()["messages"] == 0


def test_password_that_is_a_link(tree, outside):
    mailbox = tree.account("user", None)
    (mailbox / "password").symlink_to(outside / "password")
    path = message(mailbox / "cur", 400 * DAY)
    tree.account("other")
    tree.run("--force", status=2)
    assert path.exists()


def test_inactive_account_full_of_links(tree, outside):
    mailbox = tree.account("user", 91 * DAY)
    tree.account("other")
    (mailbox / "cur" / "link").symlink_to(outside / "cur/precious")
    (mailbox / ".Folder").symlink_to(outside)
    (mailbox / "metadata.json").symlink_to(outside / "password")
    tree.run()
    assert not mailbox.exists()


def test_unused_directory_with_a_link(tree, outside):
    mailbox = tree.account("user", None)
    (mailbox / ".Folder").symlink_to(outside)
    make_old(mailbox, 2 * HOUR)
    tree.run()
    assert mailbox.exists()


@pytest.mark.parametrize("name", [".expired", "pending_notifications"])
def test_our_own_directories_that_are_links(tree, outside, name):
    mailbox = tree.account("user", 91 * DAY)
    tree.account("other")
    (tree.mail / name).symlink_to(outside / "cur")
    tree.run(status=2)
    if name == ".expired":
        assert mailbox.exists()


def test_special_files(tree):
    mailbox = tree.account("user")
    os.mkfifo(mailbox / "cur" / "fifo")
    os.mkfifo(mailbox / "fifo")
    gone = tree.account("gone", 91 * DAY)
    os.mkfifo(gone / "new" / "fifo")
    tree.run()
    assert (mailbox / "cur" / "fifo").exists()
    assert not gone.exists()


def test_directory_swapped_for_a_link_again_and_again(tree, outside):
    mailboxes = [tree.account(f"user{i}") for i in range(30)]
    done = threading.Event()

    def swap():
        while not done.is_set():
            for mailbox in mailboxes:
                os.rename(mailbox / "cur", mailbox / "away")
                os.symlink(outside / "cur", mailbox / "cur")
                os.unlink(mailbox / "cur")
                os.rename(mailbox / "away", mailbox / "cur")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(30):
            tree.run()
    finally:
        done.set()
        thread.join()


def test_nesting_is_bounded(tree):
    deep = tree.account("user")
    for _ in range(40):
        deep /= "d"
        deep.mkdir()
    result = tree.run(status=2)
    assert "nested" in result.stderr
    assert deep.exists()


# --- killed, and at the same moment as others ---


def test_what_a_killed_run_left(tree):
    """Renamed away but not deleted: the next run finishes, unless the account came back to life."""
    trash = tree.mail / ".expired"
    trash.mkdir()
    for name, seen in [("dead", 91 * DAY), ("alive", 0), ("again", 0)]:
        path = message(tree.account(name, seen) / "cur", 5, name="old")
        os.rename(path.parent.parent, trash / path.parent.parent.name)
    message(tree.account("again") / "cur", 5, name="new")  # registered once more meanwhile
    tree.run()
    assert not (tree.mail / "dead@relay.test").exists()
    assert (tree.mail / "alive@relay.test/cur/old").exists()
    assert os.listdir(tree.mail / "again@relay.test/cur") == ["new"]
    assert os.listdir(trash) == []


def test_remains_that_cannot_be_deleted_are_named(tree):
    deep = tree.account("user", 91 * DAY)
    tree.account("other")
    for _ in range(40):
        deep /= "d"
        deep.mkdir()
    tree.run(status=2)
    named = ".expired/user@relay.test: Directories are nested too deeply"
    assert named in tree.run("-v", status=2).stderr
    assert ".expired/(hidden): Directories" in tree.run(status=2).stderr


def test_kill_at_any_moment(tree):
    """An account is there whole or not at all, and the next run finishes."""
    chance = random.Random(1)
    for i in range(400):
        mailbox = tree.account(f"user{i}", 91 * DAY if i % 2 else 0)
        for part in ("cur", "new", ".F/cur"):
            for _ in range(4):
                message(mailbox / part, 5)
    for _ in range(30):
        process = subprocess.Popen(tree.command("--now", NOW), stdout=subprocess.DEVNULL)
        time.sleep(chance.random() * 0.02)
        process.kill()
        process.wait()
        for mailbox in tree.mail.glob("*@*"):
            assert (mailbox / "password").exists()
            assert len(list(mailbox.rglob("*.host"))) == 12
    tree.run("--force")
    assert len(list(tree.mail.glob("*@*"))) == 200
    assert os.listdir(tree.mail / ".expired") == []


def deliver(mailbox, now):
    name = f"{int(now)}.M{next(counter)}P{threading.get_native_id()}.host,S=10,W=10"
    (mailbox / "tmp" / name).write_text("0123456789")
    os.rename(mailbox / "tmp" / name, mailbox / "new" / name)
    return name.split(":")[0]


def test_deliveries_and_logins_during_runs(tree):
    """20 users deliver, log in and read while expiry runs: nothing of theirs goes, though every
    one of them looks inactive until the first login."""
    now = time.time()
    mailboxes = [tree.account(f"user{i}", 91 * DAY, now) for i in range(20)]
    crowd = [tree.account(f"idle{i}", 91 * DAY, now) for i in range(500)]
    for mailbox in mailboxes:
        message(mailbox / "cur", 21 * DAY, now=now)
    delivered = {mailbox: [] for mailbox in mailboxes}
    done = threading.Event()
    start = threading.Barrier(len(mailboxes) + 1)

    def use(mailbox):
        start.wait()
        os.utime(mailbox / "password")  # before the runs: from here on it must stay
        start.wait()
        while not done.is_set():
            name = deliver(mailbox, time.time())
            delivered[mailbox].append(name)
            os.rename(mailbox / "new" / name, mailbox / "cur" / f"{name}:2,S")
            os.utime(mailbox / "password")

    threads = [threading.Thread(target=use, args=(mailbox,)) for mailbox in mailboxes]
    for thread in threads:
        thread.start()
    start.wait()
    start.wait()
    try:
        for _ in range(10):
            tree.run("--force", now=int(time.time()))
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not any(mailbox.exists() for mailbox in crowd)
    for mailbox in mailboxes:
        assert delivered[mailbox]
        found = {path.name.split(":")[0] for path in (mailbox / "cur").iterdir()}
        assert found == set(delivered[mailbox])


def test_login_while_the_account_is_judged(tree):
    """Whoever logged in successfully keeps the account, at whatever moment it was."""
    now = int(time.time())
    names = [f"user{i}" for i in range(3000)]
    for name in names:
        tree.account(name, 91 * DAY, now)
    logged_in = set()
    process = subprocess.Popen(tree.command("--now", now, "--force"), stdout=subprocess.DEVNULL)
    chance = random.Random(2)
    while process.poll() is None:
        name = chance.choice(names)
        try:
            os.utime(tree.mail / f"{name}@relay.test/password")
            logged_in.add(name)
        except FileNotFoundError:
            pass
    assert process.returncode == 0
    assert logged_in
    left = {path.name.split("@")[0] for path in tree.mail.glob("*@*")}
    assert left == logged_in
    for name in left:
        assert len(os.listdir(tree.mail / f"{name}@relay.test")) == 4


def test_one_run_at_a_time(tree):
    message(tree.account("user") / "cur", 21 * DAY)
    fd = os.open(tree.mail, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    before = tree.files()
    result = tree.run(status=2)
    assert "Another run" in result.stderr
    assert tree.files() == before
    os.close(fd)
    tree.run()


# --- --quota MB MAILBOXDIR ---


def quota(mailbox, megabytes, *options, status=0):
    result = subprocess.run(
        [EXPIRE, "--now", str(NOW), "--quota", str(megabytes), *options, mailbox],
        capture_output=True,
        text=True,
        env={"CHATMAIL_INI": "/nonexistent"},
    )
    assert result.returncode == status, result.stderr
    return result


def test_quota_oldest_first(tree):
    mailbox = tree.account("user")
    (mailbox / "maildirsize").write_text("10S\n1 1\n")
    messages = [
        sized_message(mailbox / folder, days * DAY, MIB)
        for days, folder in [(9, "new"), (8, "cur"), (7, ".F/cur"), (6, "new"), (5, ".F/new")]
    ]
    temporary = sized_message(mailbox / "tmp", 10 * DAY, MIB)  # not delivered, not counted
    before = tree.files()
    assert quota(mailbox, 2, "--dry-run").stdout == "Would delete 3 messages (3.1 MB)\n"
    assert tree.files() == before
    assert quota(mailbox, 2).stdout == ""
    assert [path.exists() for path in messages] == [False, False, False, True, True]
    assert temporary.exists()
    assert not (mailbox / "maildirsize").exists()


def test_quota_of_less_than_a_megabyte(tree):
    mailbox = tree.account("user")
    sizes = [MIB // 4 + 1, MIB // 4, MIB // 2]
    messages = [
        sized_message(mailbox / "cur", days * DAY, size) for days, size in zip((9, 8, 7), sizes)
    ]
    quota(mailbox, "0.75")
    assert [path.exists() for path in messages] == [False, True, True]
    quota(mailbox, "0.7")
    assert [path.exists() for path in messages] == [False, False, True]


@pytest.mark.parametrize("extra,goes", [(0, False), (1, True)])
def test_quota_boundary(tree, extra, goes):
    mailbox = tree.account("user")
    (mailbox / "maildirsize").write_text("10S\n1 1\n")
    oldest = sized_message(mailbox / "cur", 5 * DAY, extra or 1)
    sized_message(mailbox / "cur", 4 * DAY, MIB - 1 + (1 if extra else 0))
    quota(mailbox, 1)
    assert oldest.exists() == (not goes)
    assert (mailbox / "maildirsize").exists() == (not goes)


@pytest.mark.parametrize("seconds,goes", [(-1, False), (0, True), (1, True)])
def test_quota_protects_a_day(tree, seconds, goes):
    mailbox = tree.account("user")
    path = sized_message(mailbox / "cur", DAY + seconds, 5 * MIB)
    set_age(path, 30 * DAY)  # the time of delivery counts, not what a client set
    quota(mailbox, 0)
    assert path.exists() == (not goes)


def test_quota_without_sizes_in_names(tree):
    mailbox = tree.account("user")
    old = message(mailbox / "cur", 3 * DAY, MIB, name="foreign-old")
    new = message(mailbox / "cur", 2 * DAY, MIB, name="foreign-new")
    today = message(mailbox / "cur", DAY - 1, 5 * MIB, name="foreign-today")
    quota(mailbox, 6)
    assert [path.exists() for path in (old, new, today)] == [False, True, True]
    quota(mailbox, 1)
    assert [path.exists() for path in (old, new, today)] == [False, False, True]


def test_quota_of_a_mailbox_with_more_messages_than_are_remembered(tree):
    """Two rounds of 65,536, in random order of age; dry run and real run agree."""
    mailbox = tree.account("user")
    count = 70_000
    ages = list(range(count))
    random.Random(3).shuffle(ages)
    for age in ages:
        name = f"{NOW - 2 * DAY - age}.M{age}P1.host,S=1024"
        os.close(os.open(mailbox / "cur" / name, os.O_CREAT | os.O_WRONLY))
    keep = 2048  # in two megabytes of 1024 bytes each
    dry = quota(mailbox, 2, "--dry-run", "-v").stdout
    real = quota(mailbox, 2, "-v").stdout
    assert dry.splitlines()[:-1] == real.splitlines()[:-1]
    assert real.count("delete message over quota") == count - keep
    left = {int(name.split("M")[1].split("P")[0]) for name in os.listdir(mailbox / "cur")}
    assert left == set(range(keep))


def test_quota_refuses_links_and_absent_mailboxes(tree, outside):
    (tree.mail / "link@relay.test").symlink_to(outside)
    quota(tree.mail / "link@relay.test", 0, status=2)
    quota(tree.mail / "absent@relay.test", 0, status=2)
    mailbox = tree.account("user")
    (mailbox / "cur").rmdir()
    (mailbox / "cur").symlink_to(outside / "cur")
    quota(mailbox, 0)


# --- as a program ---


@pytest.mark.parametrize(
    "arguments,words",
    [
        (["--quota", "5"], "MAILBOXDIR"),
        (["--quota", "x", "/tmp"], "--quota x"),
        (["--quota", "1.5M", "/tmp"], "--quota 1.5M"),
        (["--quota", "0x10", "/tmp"], "--quota 0x10"),
        (["--quota", "-1", "/tmp"], "--quota -1"),
        (["--quota", "1000000001", "/tmp"], "--quota 1000000001"),
        (["--quota", "5", "--json", "/tmp"], "without --json"),
        (["--quota", "5", "/tmp", "--force"], "without --json and --force"),
        (["--max-share", "101"], "--max-share 101"),
        (["--max-share", "-1"], "--max-share -1"),
        (["stray"], "too many"),
        (["--nonsense"], "--help"),
        (["-c", "/nonexistent.ini"], "/nonexistent.ini"),
    ],
)
def test_usage(arguments, words):
    result = subprocess.run([EXPIRE, *arguments], capture_output=True, text=True)
    assert result.returncode == 2
    assert words in result.stderr


def test_help_and_version():
    for option in ("--help", "--version"):
        result = subprocess.run([EXPIRE, option], capture_output=True, text=True, check=True)
        assert "chatmail-expire" in result.stdout
        assert result.stderr == ""


def test_missing_mailboxes_dir(tree):
    tree.mail.rmdir()
    assert str(tree.mail) in tree.run(status=2).stderr


def test_addresses_are_told_only_when_asked(tree):
    mailbox = tree.account("secretname")
    os.rename(mailbox / "password", mailbox / "elsewhere")
    (mailbox / "password").symlink_to("elsewhere")
    message(tree.account("othersecret") / "cur", 21 * DAY)
    result = tree.run(status=2)
    assert "secret" not in result.stdout + result.stderr
    assert "hidden" in result.stderr
    result = tree.run("-v", status=2)
    assert "secretname" in result.stderr


def test_control_bytes_in_names_are_not_printed(tree):
    message(tree.account("user") / "cur", 21 * DAY, name="a\nb\x1b[2J")
    out = tree.run("-v").stdout
    assert "\x1b" not in out
    assert "cur/a?b?[2J" in out


def test_progress_only_on_a_terminal(tree):
    for i in range(3):
        tree.account(f"user{i}")
    assert tree.run().stderr == ""
    seen = on_a_terminal(tree)
    assert "/3 accounts" in seen
    # erased before the summary
    assert "accounts\r\x1b[KDeleted 0 of 3 accounts" in seen


def test_no_progress_among_the_names(tree):
    tree.account("gone", 91 * DAY)
    tree.account("user")
    seen = on_a_terminal(tree, "-v")
    assert seen.startswith("delete account gone@relay.test\r\n")
    assert "/2 accounts" not in seen


def on_a_terminal(tree, *options):
    master, slave = pty.openpty()
    try:
        subprocess.run(
            tree.command("--now", NOW, *options), stdout=slave, stderr=slave, check=True
        )
        return os.read(master, 65536).decode()
    finally:
        os.close(slave)
        os.close(master)


def give_away(tree, owner, but=None):
    for entry in [tree.mail, *tree.mail.rglob("*")]:
        if but is None or but not in str(entry):
            os.chown(entry, owner.pw_uid, owner.pw_gid)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_root_becomes_the_owner_of_the_mailboxes():
    owner = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        tree = Tree(directory)
        path = message(tree.account("user") / "cur", 21 * DAY)
        roots = message(tree.account("roots") / "cur", 21 * DAY)
        shutil.chown(tree.run_dir, owner.pw_uid, owner.pw_gid)
        give_away(tree, owner, but="roots@")
        tree.run(status=2)  # what belongs to root in there is out of its reach
        assert not path.exists()
        assert roots.exists()
        assert (tree.mail / ".expired").stat().st_uid == owner.pw_uid


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_messages_go_even_if_accounts_cannot():
    """As on a disk so full that no directory can be made."""
    owner = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        tree = Tree(directory)
        path = message(tree.account("user") / "cur", 21 * DAY)
        gone = tree.account("gone", 91 * DAY)
        give_away(tree, owner)
        tree.mail.chmod(0o555)
        assert "Cannot create .expired" in tree.run(status=2).stderr
        assert not path.exists()
        assert gone.exists()
        tree.mail.chmod(0o755)
        tree.run()
        assert not gone.exists()


# --- statistics ---


def counters(tree):
    """The expiry's rows of the shared statistics, as chatmailctl shows them."""
    output = subprocess.run(
        [CHATMAILCTL, "status", "-c", tree.ini, "--json"], capture_output=True, text=True
    ).stdout
    return {
        row["metric"]: row["value"]
        for row in json.loads(output)["metrics"]
        if row["metric"].startswith("chatmail_expire_")
    }


def test_statistics(tree):
    tree.configure("max_mailbox_size = 10M")
    mailbox = tree.account("user")
    message(mailbox / "cur", 21 * DAY, 1000)
    for days in range(2, 10):
        sized_message(mailbox / "cur", days * DAY, MIB)  # one byte on disk
    gone = tree.account("gone", 91 * DAY)
    message(gone / "new", 5, 500)
    password_size = len("{PLAIN}x")

    tree.run("--dry-run")
    if (tree.run_dir / "stats").exists():
        assert not any(counters(tree).values())
    tree.run()
    first = counters(tree)
    assert first.pop("chatmail_expire_duration_seconds") >= 0
    assert first == {
        "chatmail_expire_runs_total": 1,
        "chatmail_expire_accounts_total": 1,
        "chatmail_expire_messages_total": 2,
        "chatmail_expire_bytes_total": 1000 + 500 + password_size + MIB,
        "chatmail_expire_quota_messages_total": 1,
        "chatmail_expire_last_run_timestamp_seconds": NOW,
        "chatmail_expire_accounts_left": 1,
    }

    # What Dovecot has trimmed is counted, too; a refused run is not.
    subprocess.run(
        [EXPIRE, "-c", tree.ini, "--now", str(NOW), "--quota", "5", mailbox], check=True
    )
    os.utime(mailbox / "password", (1, 1))
    tree.run(status=1)
    second = counters(tree)
    second.pop("chatmail_expire_duration_seconds")
    assert second == first | {
        "chatmail_expire_bytes_total": first["chatmail_expire_bytes_total"] + 2 * MIB,
        "chatmail_expire_quota_messages_total": 3,
    }

    # A run that could not do everything is a run.
    set_age(mailbox / "password", 0)
    message(tree.account("other") / "cur", 21 * DAY, 10)
    (tree.account("odd", None) / "password").symlink_to("nowhere")
    tree.run(status=2)
    third = counters(tree)
    assert third["chatmail_expire_runs_total"] == 2
    assert third["chatmail_expire_messages_total"] == 3


def test_runs_without_statistics(tree):
    tree.run_dir.rmdir()
    path = message(tree.account("user") / "cur", 21 * DAY)
    tree.run()
    assert not path.exists()


def test_priority(tree):
    """It waits on a full pipe while somebody looks."""
    mailbox = tree.account("user")
    for i in range(2000):
        message(mailbox / "cur", 21 * DAY, name=f"{i}." + "x" * 200)
    read_end, write_end = os.pipe()
    process = subprocess.Popen(tree.command("--now", NOW, "-v"), stdout=write_end)
    os.close(write_end)
    first = os.read(read_end, 1)
    try:
        assert first
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == 10
        ionice = subprocess.run(
            ["ionice", "-p", str(process.pid)], capture_output=True, text=True, check=True
        )
        assert ionice.stdout.strip() == "best-effort: prio 7"
    finally:
        with os.fdopen(read_end, "rb") as rest:
            rest.read()
        assert process.wait() == 0
