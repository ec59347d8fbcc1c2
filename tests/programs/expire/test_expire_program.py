"""chatmail-expire as a program: its options, output, user, and counters."""

import contextlib
import json
import os
import pty
import pwd
import shutil
import subprocess
import tempfile
import time

import pytest

from support.expire_tree import (
    CHATMAILCTL,
    DAY,
    EXPIRE,
    MIB,
    NOW,
    Tree,
    message,
    set_age,
    sized_message,
)
from support.tree import SOURCE


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
        (["--quota", "5", "--json", "/tmp"], "--json and --force"),
        (["--quota", "5", "/tmp", "--force"], "does not work with --json and --force"),
        (["--max-share", "101"], "--max-share 101"),
        (["--max-share", "-1"], "--max-share -1"),
        (["stray"], "unexpected argument: stray"),
        (["--nonsense"], "--help"),
        (["-c", "/nonexistent.ini"], "/nonexistent.ini"),
    ],
)
def test_usage_errors(arguments, words):
    result = subprocess.run([EXPIRE, *arguments], capture_output=True, text=True)
    assert result.returncode == 2
    assert words in result.stderr


def test_help_and_version():
    for option in ("--help", "--version"):
        result = subprocess.run([EXPIRE, option], capture_output=True, text=True, check=True)
        assert "chatmail-expire" in result.stdout
        assert result.stderr == ""


def test_job_of_cron(tree):
    """With systemd it runs unless the packages' timer does; it is silent if the program was removed."""
    job = (SOURCE / "packaging/config/cron/chatmail").read_text().splitlines()[-1].split(maxsplit=6)[6]
    systemd = 'mount -t tmpfs none /run && mkdir -p /run/systemd/system && exec sh -c "$0"'
    now = time.time()
    old = message(tree.account("olduser", now=now) / "cur", 30 * DAY, now=now)
    for path in ("/usr/sbin:/usr/bin:/bin", f"{EXPIRE.parent}:/usr/sbin:/usr/bin:/bin"):
        assert old.exists()
        result = subprocess.run(
            ["unshare", "--mount", "sh", "-c", systemd, job],
            env={"PATH": path, "CHATMAIL_INI": str(tree.ini)}, capture_output=True, text=True,
        )  # fmt: skip
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert not old.exists()


def test_missing_mailboxes_dir(tree):
    tree.mail.rmdir()
    assert str(tree.mail) in tree.run(status=2).stderr


def test_addresses_are_printed_only_on_request(tree):
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


def test_no_progress_with_verbose(tree):
    tree.account("gone", 91 * DAY)
    tree.account("user")
    seen = on_a_terminal(tree, "-v")
    assert seen.startswith("delete account gone@relay.test\r\n")
    assert "/2 accounts" not in seen


def on_a_terminal(tree, *options):
    master, slave = pty.openpty()
    try:
        subprocess.run(tree.command("--now", NOW, *options), stdout=slave, stderr=slave, check=True)
    finally:
        os.close(slave)
    # A terminal returns its output in pieces, and EIO at the end.
    seen = b""
    with contextlib.suppress(OSError):
        while piece := os.read(master, 65536):
            seen += piece
    os.close(master)
    return seen.decode()


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
        tree.run(status=2)  # files of root in there are out of its reach
        assert not path.exists()
        assert roots.exists()
        assert (tree.mail / ".expired").stat().st_uid == owner.pw_uid


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_messages_are_deleted_even_if_accounts_cannot():
    """As on a disk so full that no directory can be created."""
    owner = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        tree = Tree(directory)
        path = message(tree.account("user") / "cur", 21 * DAY)
        gone = tree.account("gone", 91 * DAY)
        give_away(tree, owner)
        tree.mail.chmod(0o555)
        assert ".expired in mailboxes_dir: cannot be created" in tree.run(status=2).stderr
        assert not path.exists()
        assert gone.exists()
        tree.mail.chmod(0o755)
        tree.run()
        assert not gone.exists()


# --- statistics ---


def counters(tree):
    """The expiry rows of the shared statistics, as chatmailctl prints them."""
    output = subprocess.run(
        [CHATMAILCTL, "status", "--quick", "-c", tree.ini, "--json"], capture_output=True, text=True
    ).stdout
    return {
        row["metric"]: row["value"]
        for row in json.loads(output)["metrics"]
        if row["metric"].startswith("chatmail_expire_")
    }


def test_statistics_of_a_run(tree):
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

    # Mailboxes trimmed by Dovecot are counted, too; a refused run is not.
    subprocess.run([EXPIRE, "-c", tree.ini, "--now", str(NOW), "--quota", "5", mailbox], check=True)
    os.utime(mailbox / "password", (1, 1))
    tree.run(status=1)
    second = counters(tree)
    second.pop("chatmail_expire_duration_seconds")
    assert second == first | {
        "chatmail_expire_bytes_total": first["chatmail_expire_bytes_total"] + 2 * MIB,
        "chatmail_expire_quota_messages_total": 3,
    }

    # A run with errors counts as a run.
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


def test_runs_with_low_priority(tree):
    """The program waits on a full pipe while the test looks at it."""
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
