"""Obstacles for chatmail-expire: links, special files, being killed, and other programs at work at
the same time."""

import fcntl
import os
import random
import subprocess
import threading
import time

import pytest

from support.expire_tree import DAY, HOUR, NOW, counter, make_old, message, set_age

# --- symbolic links ---


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
def test_own_directories_that_are_links(tree, outside, name):
    mailbox = tree.account("user", 91 * DAY)
    tree.account("other")
    (tree.mail / name).symlink_to(outside / "cur")
    tree.run(status=2)
    if name == ".expired":
        assert mailbox.exists()


def test_special_files_stay(tree):
    mailbox = tree.account("user")
    os.mkfifo(mailbox / "cur" / "fifo")
    os.mkfifo(mailbox / "fifo")
    gone = tree.account("gone", 91 * DAY)
    os.mkfifo(gone / "new" / "fifo")
    tree.run()
    assert (mailbox / "cur" / "fifo").exists()
    assert not gone.exists()


def test_directory_replaced_by_a_link_repeatedly(tree, outside):
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


def test_nesting_depth_is_bounded(tree):
    deep = tree.account("user")
    for _ in range(40):
        deep /= "d"
        deep.mkdir()
    result = tree.run(status=2)
    assert "nested" in result.stderr
    assert deep.exists()


# --- killed, and at the same time as other programs ---


def test_next_run_finishes_a_killed_run(tree):
    """Accounts that were renamed but not deleted: the next run deletes them, unless the account
    was registered again."""
    trash = tree.mail / ".expired"
    trash.mkdir()
    for name, seen in [("dead", 91 * DAY), ("alive", 0), ("again", 0)]:
        path = message(tree.account(name, seen) / "cur", 5, name="old")
        os.rename(path.parent.parent, trash / path.parent.parent.name)
    message(tree.account("again") / "cur", 5, name="new")  # registered again meanwhile
    tree.run()
    assert not (tree.mail / "dead@relay.test").exists()
    assert (tree.mail / "alive@relay.test/cur/old").exists()
    assert os.listdir(tree.mail / "again@relay.test/cur") == ["new"]
    assert os.listdir(trash) == []


def test_an_account_that_is_being_deleted_is_not_restored(tree):
    """`chatmailctl user delete` holds the lock while the account is in the trash with its password."""
    trash = tree.mail / ".expired"
    trash.mkdir()
    path = message(tree.account("user") / "cur", 5)
    os.rename(path.parent.parent, trash / "user@relay.test")
    deletion = os.open(trash / "user@relay.test", os.O_RDONLY)
    fcntl.flock(deletion, fcntl.LOCK_EX)
    tree.run()
    assert (trash / "user@relay.test/password").exists()
    assert not (tree.mail / "user@relay.test").exists()
    os.close(deletion)


def test_remains_that_cannot_be_deleted_are_reported(tree):
    deep = tree.account("user", 91 * DAY)
    tree.account("other")
    for _ in range(40):
        deep /= "d"
        deep.mkdir()
    tree.run(status=2)
    named = ".expired/user@relay.test: directories are nested too deeply"
    assert named in tree.run("-v", status=2).stderr
    assert ".expired/(hidden): directories" in tree.run(status=2).stderr


def test_kill_at_any_moment(tree):
    """An account exists completely or not at all, and the next run finishes."""
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
    """20 users deliver, log in and read while expiry runs: none of their mail is deleted, although
    all look inactive until their first login."""
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
        os.utime(mailbox / "password")  # before the runs: from now on it must stay
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


def log_in(mailbox):
    """Does the same as cm_account_seen(); returns whether the account exists."""
    try:
        directory = os.open(mailbox, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(directory, fcntl.LOCK_SH)
        os.utime("password", dir_fd=directory)
        return True
    except FileNotFoundError:
        return False
    finally:
        os.close(directory)


def test_login_while_the_account_is_checked(tree):
    """A user who logged in successfully keeps the account, whenever the login was."""
    now = int(time.time())
    names = [f"user{i}" for i in range(3000)]
    for name in names:
        tree.account(name, 91 * DAY, now)
    logged_in = set()
    process = subprocess.Popen(tree.command("--now", now, "--force"), stdout=subprocess.DEVNULL)
    chance = random.Random(2)
    while process.poll() is None:
        name = chance.choice(names)
        if log_in(tree.mail / f"{name}@relay.test"):
            logged_in.add(name)
    assert process.returncode == 0
    assert logged_in
    left = {path.name.split("@")[0] for path in tree.mail.glob("*@*")}
    assert left == logged_in
    for name in left:
        assert len(os.listdir(tree.mail / f"{name}@relay.test")) == 4


def test_only_one_run_at_a_time(tree):
    message(tree.account("user") / "cur", 21 * DAY)
    fd = os.open(tree.mail, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    before = tree.files()
    result = tree.run(status=2)
    assert "another run" in result.stderr
    assert tree.files() == before
    os.close(fd)
    tree.run()


def test_folder_created_again_keeps_its_message(tree):
    """A message is delivered into a folder that is being deleted."""
    folder = tree.account("user") / ".Folder"
    for part in ("cur", "new", "tmp"):
        (folder / part).mkdir(parents=True)
        set_age(folder / part, 50 * DAY)
    # Many files make the deletion take long.
    for number in range(20000):
        (folder / f"dovecot.index.{number}").touch()
    delivered = folder / "new/1.M1.host"
    over = threading.Event()

    def deliver():
        while not over.is_set():
            if folder.exists() and not (folder / "cur").exists():
                for part in ("cur", "new", "tmp"):
                    (folder / part).mkdir(exist_ok=True)
                delivered.write_text("a message")
                return

    thread = threading.Thread(target=deliver)
    thread.start()
    tree.run()
    over.set()
    thread.join()
    assert delivered.exists()
    assert (folder / "cur").exists()
