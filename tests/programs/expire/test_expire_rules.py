"""Every rule of chatmail-expire at its boundary, and files that it must never delete."""

import fcntl
import json
import os
import random

import pytest

from support.expire_tree import (
    DAY,
    HOUR,
    LARGE,
    MIB,
    NOW,
    counter,
    make_old,
    message,
    set_age,
    sized_message,
)

# --- messages ---

MESSAGE_RULES = [
    # folder, size, days after which the message is deleted
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
def test_message_age_boundary(tree, folder, size, days, seconds, goes):
    mailbox = tree.account("user")
    path = message(mailbox / folder, days * DAY + seconds, size)
    assert tree.summary()["messages_deleted"] == int(goes)
    assert path.exists() == (not goes)


@pytest.mark.parametrize("seconds,goes", [(-HOUR, False), (HOUR, True)])
def test_empty_folder_is_deleted(tree, seconds, goes):
    """The folder is deleted at the age at which a message would be."""
    folder = tree.account("user") / ".Folder"
    for part in ("cur", "new", "tmp"):
        (folder / part).mkdir(parents=True)
    (folder / "dovecot.index.log").write_text("x")
    for part in ("cur", "new", "tmp"):
        set_age(folder / part, 20 * DAY + seconds)
    assert tree.summary("--dry-run")["folders_deleted"] == int(goes)
    assert folder.exists()
    assert tree.summary()["folders_deleted"] == int(goes)
    assert folder.exists() == (not goes)


@pytest.mark.parametrize("kept", ["cur/1.x", "new/1.x", "tmp/1.x"])
def test_folder_with_a_message_stays(tree, kept):
    folder = tree.account("user") / ".Folder"
    for part in ("cur", "new", "tmp"):
        (folder / part).mkdir(parents=True)
    message(folder / kept.split("/")[0], DAY, 100)
    for part in ("cur", "new", "tmp"):
        set_age(folder / part, 50 * DAY)
    assert tree.summary()["folders_deleted"] == 0
    assert sorted(path.name for path in folder.iterdir()) == ["cur", "new", "tmp"]


@pytest.mark.parametrize(
    "key,folder,size",
    [("delete_mails_after", "new", 1), ("delete_large_after", "cur", LARGE + 1)],
)
def test_configured_days_are_used(tree, key, folder, size):
    tree.configure(f"{key} = 3")
    mailbox = tree.account("user")
    old = message(mailbox / folder, 3 * DAY + 1, size)
    young = message(mailbox / folder, 3 * DAY, size)
    tree.run()
    assert not old.exists()
    assert young.exists()


def test_files_other_than_messages_stay(tree):
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


def test_maildirsize_is_deleted_only_with_a_message(tree):
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
    """Otherwise its name would be free again. Its old messages are deleted as usual."""
    mailbox = tree.account("user", 1000 * DAY)
    (mailbox / "blocked").touch()
    tree.account("other")
    old = message(mailbox / "cur", 20 * DAY + 1)
    assert tree.summary()["accounts_deleted"] == 0
    assert (mailbox / "blocked").exists() and (mailbox / "password").exists()
    assert not old.exists()


@pytest.mark.parametrize("days", [90, 30])
@pytest.mark.parametrize("seconds,goes", [(-1, False), (0, False), (1, True)])
def test_account_age_boundary(tree, days, seconds, goes):
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


def test_password_file_elsewhere_does_not_count_as_use(tree):
    mailbox = tree.account("user", 91 * DAY)
    message(mailbox / ".Folder", 0, name="password")
    tree.account("other")
    tree.run()
    assert not mailbox.exists()


def test_unknown_last_seen_keeps_the_account(tree):
    mailbox = tree.account("user", NOW)  # 1970
    tree.run()
    assert mailbox.exists()


def test_only_names_with_at_sign_are_accounts(tree):
    other = tree.mail / "pending_or_whatever" / "cur"
    path = message(other, 400 * DAY)
    (tree.mail / "file@relay.test").write_text("not a directory")
    set_age(tree.mail / "file@relay.test", 400 * DAY)
    assert tree.summary()["accounts"] == 0
    assert path.exists()
    assert (tree.mail / "file@relay.test").exists()


@pytest.mark.parametrize("seconds,goes", [(-1, False), (0, False), (1, True)])
def test_unused_directory_age_boundary(tree, seconds, goes):
    with_folders = tree.account("folders", None)
    bare = tree.mail / "bare@relay.test"
    bare.mkdir()
    for mailbox in (with_folders, bare):
        make_old(mailbox, HOUR + seconds)
    assert tree.summary()["directories_deleted"] == 2 * int(goes)
    assert with_folders.exists() == bare.exists() == (not goes)
    if not goes:
        assert sorted(os.listdir(with_folders)) == ["cur", "new", "tmp"]


@pytest.mark.parametrize("seconds,goes", [(0, False), (1, True)])
def test_directory_of_an_interrupted_registration(tree, seconds, goes):
    """It has no password, but perhaps the flag that comes before it, and Dovecot's own files."""
    mailbox = tree.account("user", None)
    for name in ("enforceE2EEincoming", "dovecot.index.log", "dovecot-uidlist", "maildirsize"):
        (mailbox / name).touch()
    make_old(mailbox, HOUR + seconds)
    assert tree.summary("--dry-run")["directories_deleted"] == int(goes)
    assert tree.summary()["directories_deleted"] == int(goes)
    assert mailbox.exists() == (not goes)


def test_directory_in_which_an_account_is_created_stays(tree):
    mailbox = tree.account("user", None)
    (mailbox / "enforceE2EEincoming").touch()
    make_old(mailbox, DAY)
    login = os.open(mailbox, os.O_RDONLY)
    fcntl.flock(login, fcntl.LOCK_SH)
    before = tree.files()
    assert tree.summary()["directories_deleted"] == 0
    assert {k: v for k, v in tree.files().items() if k != ".expired"} == before
    os.close(login)
    assert tree.summary()["directories_deleted"] == 1


@pytest.mark.parametrize("name", ["blocked", "metadata.json", "notes", "cur/dovecot", "password"])
def test_directory_without_password_but_with_another_file_stays(tree, name):
    mailbox = tree.account("user", None)
    if name == "password":
        (mailbox / name).mkdir()
        (mailbox / name / "x").touch()
    else:
        (mailbox / name).touch()
    make_old(mailbox, DAY)
    tree.run(status=2 if name == "password" else 0)
    assert (mailbox / name).exists()


def test_directory_without_password_but_with_files_stays(tree):
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
def test_temporary_file_age_boundary(tree, name, seconds, goes):
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
def test_queue_entry_age_boundary(tree, name, limit, seconds, goes):
    path = message(tree.mail / "pending_notifications", limit + seconds, name=name)
    assert tree.summary()["pushes_deleted"] == int(goes)
    assert path.exists() == (not goes)


# --- invitations ---


def invitation(tree, expires, uses, changed):
    """An invitation, created a year ago. expires and changed are seconds ago; expires None:
    never."""
    path = tree.mail / "invitations" / f"{next(counter):064x}"
    path.mkdir(parents=True)
    ends = 0 if expires is None else NOW - expires
    description = {"created": NOW - 365 * DAY, "expires": ends, "uses": 2, "note": ""}
    (path / "invitation.json").write_text(json.dumps(description))
    for use in range(uses):
        (path / f"use.{use + 1:05}").touch()
    set_age(path, changed)
    return path


@pytest.mark.parametrize("uses", [0, 1])
@pytest.mark.parametrize("seconds,goes", [(-1, False), (0, False), (1, True)])
def test_expired_invitation_age_boundary(tree, uses, seconds, goes):
    path = invitation(tree, 30 * DAY + seconds, uses, 10 * DAY)
    assert tree.summary("--dry-run")["invitations_deleted"] == int(goes)
    assert path.exists()
    assert tree.summary()["invitations_deleted"] == int(goes)
    assert [path] * (not goes) == list((tree.mail / "invitations").iterdir())


@pytest.mark.parametrize("expires", [None, -DAY])
@pytest.mark.parametrize("seconds,goes", [(-1, False), (0, False), (1, True)])
def test_used_up_invitation_age_boundary(tree, expires, seconds, goes):
    path = invitation(tree, expires, 0, 30 * DAY + seconds)
    assert tree.summary()["invitations_deleted"] == int(goes)
    assert path.exists() == (not goes)


@pytest.mark.parametrize("expires", [None, -DAY])
def test_a_valid_invitation_stays(tree, expires):
    path = invitation(tree, expires, 1, 300 * DAY)
    assert tree.summary()["invitations_deleted"] == 0
    assert path.exists()


@pytest.mark.parametrize("name", [".making.0a1b", ".revoked.0a1b"])
@pytest.mark.parametrize("seconds,goes", [(-1, False), (0, False), (1, True)])
def test_remains_of_an_invitation_are_deleted(tree, name, seconds, goes):
    """The program that created or revoked it was killed."""
    path = tree.mail / "invitations" / name
    path.mkdir(parents=True)
    (path / "use.00001").touch()
    set_age(path, HOUR + seconds)
    tree.run("--dry-run")
    assert path.exists()
    tree.run()
    assert path.exists() == (not goes)


def test_an_unreadable_invitation_is_an_error(tree):
    """The mailboxes are processed nevertheless."""
    (invitation(tree, None, 0, 0) / "invitation.json").write_text("nonsense")
    old = message(tree.account("user") / "cur", 30 * DAY)
    assert tree.summary(status=2)["troubles"] == 1
    assert not old.exists()


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
def test_share_of_accounts_is_limited(tree, options, inactive, active, refused):
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
    # A dry run reports the same.
    tree.run("--dry-run", *options, status=1 if refused else 0)


def test_blocked_accounts_do_not_count_as_inactive(tree):
    for i in range(3):
        (tree.account(f"blocked{i}", 1000 * DAY) / "blocked").touch()
    tree.account("inactive", 91 * DAY)
    assert tree.summary("--max-share", 25)["accounts_deleted"] == 1
    assert len(list(tree.mail.glob("*@*"))) == 3


@pytest.mark.parametrize(
    "accounts,silence,refused",
    [(10, 7 * DAY, False), (10, 7 * DAY + 1, True), (9, 30 * DAY, False)],
)
def test_a_relay_without_recent_logins_has_a_wrong_clock(tree, accounts, silence, refused):
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
    # A second run has nothing to do.
    assert "delete " not in tree.run("-v").stdout
