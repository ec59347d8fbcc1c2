"""chatmail-expire --quota MB MAILBOXDIR, which Dovecot's quota warnings run."""

import os
import random
import subprocess

import pytest

from support.expire_tree import DAY, EXPIRE, MIB, NOW, message, set_age, sized_message


def quota(mailbox, megabytes, *options, status=0):
    result = subprocess.run(
        [EXPIRE, "--now", str(NOW), "--quota", str(megabytes), *options, mailbox],
        capture_output=True,
        text=True,
        env={"CHATMAIL_INI": "/nonexistent"},
    )
    assert result.returncode == status, result.stderr
    return result


def test_quota_deletes_the_oldest_first(tree):
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
def test_quota_keeps_the_last_day(tree, seconds, goes):
    mailbox = tree.account("user")
    path = sized_message(mailbox / "cur", DAY + seconds, 5 * MIB)
    set_age(path, 30 * DAY)  # the time of delivery counts, not the time that a client set
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


def test_quota_of_a_mailbox_with_more_messages_than_one_round_holds(tree):
    """Two rounds of 65,536 messages, in random order of age; dry run and real run agree."""
    mailbox = tree.account("user")
    count = 70_000
    ages = list(range(count))
    random.Random(3).shuffle(ages)
    for age in ages:
        name = f"{NOW - 2 * DAY - age}.M{age}P1.host,S=1024"
        os.close(os.open(mailbox / "cur" / name, os.O_CREAT | os.O_WRONLY))
    keep = 2048  # two megabytes of messages of 1024 bytes
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
