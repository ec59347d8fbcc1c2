"""chatmailctl report on a tree of mailboxes, compared with a count made here."""

import json
import os
import random
import stat
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.tree import BUILD

CHATMAILCTL = BUILD / "ctl/chatmailctl"

NOW = 1_800_000_000
DAY = 86400
KIB = 1024
MIB = 1024 * KIB
SEEN_DAYS = [1, 10, 30, 40, 80, 100, 150]
SIZES = [0, 100 * KIB, 512 * KIB, MIB, 2 * MIB, 5 * MIB, 10 * MIB]
AGE_DAYS = [0, 1, 3, 7, 14, 20, 30, 90]


class Tree:
    def __init__(self, directory):
        self.directory = directory
        self.mail = directory / "mail"
        self.mail.mkdir()
        self.ini = directory / "chatmail.ini"
        self.ini.write_text(f"[params]\nmail_domain = relay.test\nmailboxes_dir = {self.mail}\n")
        self.seen = {}  # mailbox → age of its password
        self.messages = []  # (mailbox, part, size, age)
        self.extra = []  # (size)

    def file(self, path, size, age):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.truncate(size)
        os.utime(path, (NOW - age, NOW - age))

    def account(self, name, seen):
        mailbox = self.mail / f"{name}@relay.test"
        mailbox.mkdir()
        if seen is not None:
            self.file(mailbox / "password", 100, seen)
            self.seen[mailbox] = seen
            self.extra.append(100)
        return mailbox

    def message(self, mailbox, folder, size, age):
        self.file(mailbox / folder / f"{len(self.messages)}.M1.host", size, age)
        self.messages.append((mailbox, folder.split("/")[-1], size, age))

    def run(self, *options, status=0):
        result = subprocess.run(
            [CHATMAILCTL, "report", "-c", self.ini, "--now", str(NOW), *map(str, options)],
            capture_output=True,
            text=True,
            umask=0o077,
        )
        assert result.returncode == status, (result.stdout, result.stderr)
        return result

    def expected(self, min_login_age=0, part=None):
        classed = [
            (size, age)
            for mailbox, where, size, age in self.messages
            if mailbox in self.seen
            and self.seen[mailbox] >= min_login_age * DAY
            and part in (None, where)
        ]
        users = {m: age for m, age in self.seen.items() if not m.name.startswith("ci-")}
        return {
            "time": NOW,
            "accounts": {
                "all": len(self.seen),
                "ci": len(self.seen) - len(users),
                "user": len(users),
                "without_password": sum(
                    mailbox not in self.seen and not mailbox.is_symlink()
                    for mailbox in self.mail.glob("*@*")
                ),
                "active": [
                    {"days": d, "accounts": sum(age <= d * DAY for age in users.values())}
                    for d in SEEN_DAYS
                ],
            },
            "messages": {
                "count": len(self.messages),
                "bytes": sum(size for _, _, size, _ in self.messages),
                "by_size": [
                    {
                        "min_bytes": limit,
                        "count": sum(size >= limit for size, _ in classed),
                        "bytes": sum(size for size, _ in classed if size >= limit),
                    }
                    for limit in SIZES
                ],
                "by_age": [
                    {
                        "min_days": d,
                        "count": sum(age >= d * DAY for _, age in classed),
                        "bytes": sum(size for size, age in classed if age >= d * DAY),
                    }
                    for d in AGE_DAYS
                ],
            },
            "extra": {"count": len(self.extra), "bytes": sum(self.extra)},
        }


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


@pytest.fixture
def crowd(tree):
    """Files at, just below and just above each limit."""
    chance = random.Random(1)
    sizes = [limit + d for limit in SIZES for d in (-1, 0, 1) if limit + d >= 0]
    ages = [d * DAY + s for d in AGE_DAYS for s in (-1, 0, 1) if d * DAY + s >= 0]
    seen = [d * DAY + s for d in SEEN_DAYS for s in (-1, 0, 1)]
    for i, age in enumerate([*seen, 0, None]):
        mailbox = tree.account(f"user{i}", age)
        for _ in range(20):
            folder = chance.choice(["cur", "new", "tmp", ".Folder/cur", ".Folder/new"])
            tree.message(mailbox, folder, chance.choice(sizes), chance.choice(ages))
        tree.file(mailbox / "dovecot.index.log", i, 0)
        tree.extra.append(i)
    for i in range(5):
        tree.account(f"ci-{i}", 5 * DAY)
    return tree


@pytest.mark.parametrize("min_login_age", [0, 10, 100])
@pytest.mark.parametrize("part", [None, "cur", "new", "tmp"])
def test_json_output(crowd, min_login_age, part):
    options = ["--min-login-age", min_login_age] + (["--mdir", part] if part else [])
    report = json.loads(crowd.run("--json", *options).stdout)
    assert report == crowd.expected(min_login_age, part)


def metrics(text):
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge"
        assert family.documentation
        for sample in family.samples:
            ((label, value),) = sample.labels.items()
            found[sample.name, label, value] = sample.value
    return found


def test_prometheus_output(crowd):
    report = crowd.expected()
    wanted = {
        ("chatmail_storage_bytes", "kind", "messages"): report["messages"]["bytes"],
        ("chatmail_storage_bytes", "kind", "extra"): report["extra"]["bytes"],
        ("chatmail_storage_bytes", "kind", "total"): report["messages"]["bytes"]
        + report["extra"]["bytes"],
    }
    for kind in ("all", "ci", "user"):
        wanted["chatmail_accounts", "kind", kind] = report["accounts"][kind]
    for row in report["accounts"]["active"]:
        wanted["chatmail_accounts_active", "days", str(row["days"])] = row["accounts"]
    for what in ("count", "bytes"):
        for row in report["messages"]["by_size"]:
            wanted[f"chatmail_messages_{what}", "min_size", str(row["min_bytes"])] = row[what]
        for row in report["messages"]["by_age"]:
            wanted[f"chatmail_messages_age_{what}", "min_days", str(row["min_days"])] = row[what]
    assert metrics(crowd.run("--prometheus", "-").stdout) == wanted

    # As a file, and in a directory under upstream's name: complete, readable by everyone, with no
    # file beside it.
    directory = crowd.directory / "textfile"
    directory.mkdir()
    crowd.run("--prometheus", directory)
    crowd.run("--prometheus", directory / "other.prom")
    assert sorted(os.listdir(directory)) == ["fsreport.prom", "other.prom"]
    for path in directory.iterdir():
        assert metrics(path.read_text()) == wanted
        assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_text_output(crowd):
    text = crowd.run("--min-login-age", 10, "--mdir", "cur").stdout
    lines = [" ".join(line.split()) for line in text.splitlines()]
    expected = crowd.expected(10, "cur")
    users = expected["accounts"]["user"]
    assert "Messages in cur of accounts not used for 10 days by size" in lines
    assert f"users {users}" in lines
    assert "tests (ci-) 5" in lines

    def row(start, title=None):
        """The first line after the title that begins so."""
        there = lines[lines.index(title) :] if title else lines
        return next(line for line in there if line.startswith(start + " "))

    # Each user is in one row, and the last column adds up.
    active = expected["accounts"]["active"]
    labels = [f"{a} to {b} days ago" for a, b in zip(SEEN_DAYS, SEEN_DAYS[1:])]
    labels = ["within 1 day", *labels, "over 150 days ago"]
    added = [entry["accounts"] for entry in active] + [users]
    for label, now, before in zip(labels, added, [0, *added]):
        share = [100 * number / users for number in (now - before, now)]
        assert row(label).startswith(f"{label} {now - before} {share[0]:.1f} % {share[1]:.1f} %")

    # Each message is in one row of each table.
    title = "Messages in cur of accounts not used for 10 days by age"
    counts = [entry["count"] for entry in expected["messages"]["by_age"]] + [0]
    labels = ["under 1 day", *(f"{a} to {b} days" for a, b in zip(AGE_DAYS[1:], AGE_DAYS[2:])), "90 days or more"]
    for label, now, after in zip(labels, counts, counts[1:]):
        assert f"% {now - after} messages" in row(label, title)
    counts = [entry["count"] for entry in expected["messages"]["by_size"]] + [0]
    labels = ["under 100 KiB", "100 KiB to 512 KiB", "512 KiB to 1 MiB", "1 MiB to 2 MiB", "2 MiB to 5 MiB"]
    for label, now, after in zip([*labels, "5 MiB to 10 MiB", "10 MiB or more"], counts, counts[1:]):
        assert f"% {now - after} messages" in row(label, title.replace("by age", "by size"))
    assert "no password 1 (not counted above)" in lines


def test_no_mailboxes(tree):
    assert json.loads(tree.run("--json").stdout) == tree.expected()
    assert "users 0" in " ".join(tree.run().stdout.split())
    metrics(tree.run("--prometheus", "-").stdout)


def test_links_are_not_followed(tree):
    outside = tree.directory / "outside"
    tree.file(outside / "cur" / "1.M1.host", 1000, 0)
    tree.file(outside / "password", 1000, 0)
    (tree.mail / "link@relay.test").symlink_to(outside)
    mailbox = tree.account("user", 0)
    (mailbox / "cur").symlink_to(outside / "cur")
    (mailbox / ".Folder").symlink_to(outside)
    (mailbox / "file").symlink_to(outside / "password")
    assert json.loads(tree.run("--json").stdout) == tree.expected()


def test_unreadable_mailbox_is_an_error(tree):
    if os.getuid() != 0:
        pytest.skip("another user's mailbox needs root")
    tree.account("alice", 0)
    mailbox = tree.account("bobby", 0)
    mailbox.chmod(0o700)
    os.chown(mailbox, 65534, 65534)
    done = subprocess.run(
        ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", CHATMAILCTL, "report", "-c", tree.ini],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "1 mailboxes could not be read completely" in done.stderr


@pytest.mark.parametrize(
    "options,words",
    [
        (["--mdir", "old"], "--mdir old"),
        (["--min-login-age", "x"], "--min-login-age x"),
        (["--json", "--prometheus", "-"], "not both"),
        (["stray"], "unexpected argument: stray"),
        (["--prometheus", "/nonexistent/x.prom"], "/nonexistent/x.prom"),
        (["-c", "/nonexistent.ini"], "/nonexistent.ini"),
    ],
)
def test_usage_errors(tree, options, words):
    assert words in tree.run(*options, status=2).stderr


def test_help():
    result = subprocess.run(
        [CHATMAILCTL, "report", "--help"], capture_output=True, text=True, check=True
    )
    assert "--prometheus" in result.stdout
