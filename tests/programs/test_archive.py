"""chatmailctl restore and user import with foreign archives: what they refuse, and that they leave
nothing behind then."""

import hashlib
import io
import json
import os
import subprocess
import tarfile

import pytest
from support.config import PROGRAM

DOMAIN = "relay.test"
INI = "[params]\nmail_domain = relay.test\n"
PASSWORD = b"{SHA512-CRYPT}$6$x$y"


def entry(name, content=b"", **fields):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mtime = 1_700_000_000
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def account(name="alice1234@relay.test", **files):
    yield entry(f"mail/{name}", type=tarfile.DIRTYPE)
    for path, content in files.items():
        yield entry(f"mail/{name}/{path}", content)
    yield entry(f"mail/{name}/password", PASSWORD)


def archive(path, entries, kind="relay", ini=INI, end=True, first=True, **about):
    """Writes an archive of any content with a valid digest."""
    digest = hashlib.sha256()
    count = 0
    head = {"format": 1, "kind": kind, "mail_domain": DOMAIN, "created": 1, **about}
    everything = [entry("chatmail-archive.json", json.dumps(head).encode())] if first else []
    if ini is not None and kind == "relay":
        everything.append(entry("relay/chatmail.ini", ini.encode()))
    everything += entries
    with tarfile.open(path, "w") as tar:
        for info, content in everything:
            tar.addfile(info, io.BytesIO(content))
            digest.update(info.name.encode("utf-8", "surrogateescape") + b"\0" + str(info.size).encode() + b"\0" + content)
            count += 1
        if end:
            last = {"entries": count, "accounts": 0, "messages": 0, "bytes": 0, "sha256": digest.hexdigest()}
            info, content = entry("end.json", json.dumps(last).encode())
            tar.addfile(info, io.BytesIO(content))
    return path


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False, timeout=120)


def restore(root, path, *arguments):
    return run("restore", "--root", root, *arguments, path)


def files(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


def test_valid_archive_is_restored(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    path = archive(tmp_path / "a.tar", [entry("relay/dkim/opendkim.private", b"key", mode=0o600), *account()])
    done = restore(root, path)
    assert done.returncode == 0, done.stderr
    assert files(root) == [
        "etc/chatmail.ini",
        "etc/dkimkeys/opendkim.private",
        "home/vmail/mail/relay.test/alice1234@relay.test/password",
    ]
    assert (root / "etc/dkimkeys/opendkim.private").stat().st_mode & 0o777 == 0o600


def test_account_deleted_during_the_backup(tmp_path):
    """An account without a password does not count as an account."""
    root = tmp_path / "root"
    root.mkdir()
    half = [entry("mail/bob123456@relay.test/cur/1", b"x")]
    assert restore(root, archive(tmp_path / "a.tar", [*account(), *half])).returncode == 0
    assert "bob" not in " ".join(files(root))


HOSTILE = {
    "absolute": [entry("/etc/passwd", b"x")],
    "dots": [entry("mail/alice1234@relay.test/../../x", b"x")],
    "dots at the end": [entry("mail/alice1234@relay.test/..", type=tarfile.DIRTYPE)],
    "dots in the top": [entry("mail/../x", b"x")],
    "empty part": [entry("mail//x", b"x")],
    "control": [entry("mail/alice1234@relay.test/cur/a\nb", b"x")],
    "symbolic link": [entry("mail/alice1234@relay.test/x", type=tarfile.SYMTYPE, linkname="/etc")],
    "hard link": [entry("mail/alice1234@relay.test/x", type=tarfile.LNKTYPE, linkname="/etc/passwd")],
    "device": [entry("mail/alice1234@relay.test/x", type=tarfile.CHRTYPE, devmajor=1, devminor=3)],
    "fifo": [entry("mail/alice1234@relay.test/x", type=tarfile.FIFOTYPE)],
    "another domain": list(account("alice1234@other.test")),
    "upper case": list(account("Alice1234@relay.test")),
    "file as an account": [entry("mail/alice1234@relay.test", b"x")],
    "unknown directory": [entry("mail/.expired/x", b"x")],
    "stage": [entry("mail/.restoring/x", b"x")],
    "unknown part": [entry("other/x", b"x")],
    "unknown role": [entry("relay/passwd", b"x")],
    "role that leads away": [entry("relay/dkim/../../x", b"x")],
    "hidden role": [entry("relay/dkim/.x", b"x")],
    "key of no file": [entry("relay/key/mail_domain", b"x")],
    "addition elsewhere": [entry("relay/local/etc/cron.d/x.local", b"x")],
    "addition of another name": [entry("relay/local/etc/postfix/main.cf", b"x")],
    "role twice": [entry("relay/dkim/a", b"x"), entry("relay/dkim/a", b"y")],
    "file twice": [*account(), entry("mail/alice1234@relay.test/password", b"{PLAIN}x")],
    "role after mail": [*account(), entry("relay/dkim/a", b"x")],
    "long password": [entry("mail/alice1234@relay.test/password", b"x" * 2000)],
    "long role": [entry("relay/dkim/a", b"x" * 2_000_000)],
    "deep": [entry("mail/alice1234@relay.test/" + "d/" * 40 + "x", b"x")],
    "long name": [entry("mail/alice1234@relay.test/" + "d/" * 600 + "x", b"x")],
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_archive_is_refused(tmp_path, what):
    """The archive is refused even after a valid account, and nothing is put in place."""
    for number, before in enumerate(([], list(account("carol1234@relay.test")))):
        if "role" in what and before:
            continue
        root = tmp_path / f"root{number}"
        root.mkdir()
        path = archive(tmp_path / f"{number}.tar", [*before, *HOSTILE[what]])
        done = restore(root, path)
        assert done.returncode == 2, done.stdout
        assert done.stderr.splitlines()[-1].startswith("chatmailctl restore: ")
        assert files(root) == []


def test_paths_outside_the_relay_are_refused(tmp_path):
    """The archive's configuration does not decide where root writes."""
    ini = INI + "turn_secret_file = /etc/cron.d/x\n"
    path = archive(tmp_path / "a.tar", [entry("relay/key/turn_secret_file", b"secret of sixteen bytes")], ini=ini)
    root = tmp_path / "root"
    root.mkdir()
    done = restore(root, path)
    assert done.returncode == 2 and "--allow" in done.stderr
    assert files(root) == []
    for wrong in ("etc/cron.d", "/etc/cron.d/"):
        assert "must be an absolute path without a slash at its end\n" in restore(root, path, "--allow", wrong).stderr
    many = [word for number in range(17) for word in ("--allow", f"/etc/{number}")]
    assert "given more than 16 times" in restore(root, path, *many).stderr
    assert restore(root, path, "--allow", "/etc/cron.d").returncode == 0
    assert "etc/cron.d/x" in files(root)


def test_declared_size_is_limited(tmp_path):
    """A petabyte of zeros is refused before the disk is full."""
    path = tmp_path / "a.tar"
    archive(path, list(account()), end=False)
    with path.open("r+b") as file:
        data = file.read()
        end = len(data.rstrip(b"\0"))
        file.seek(-(-end // 512) * 512)
        info = tarfile.TarInfo("mail/alice1234@relay.test/cur/1")
        info.size = 1 << 50
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        file.write(b"\0" * 4096)
        file.truncate()
    root = tmp_path / "root"
    root.mkdir()
    done = restore(root, path)
    assert done.returncode == 2 and "No space left" in done.stderr
    assert files(root) == []


def test_damaged_archive_is_refused(tmp_path):
    """Changes single bytes and cuts the archive: restore fails, or the changed byte is not
    content."""
    sound = archive(tmp_path / "a.tar", list(account(**{"cur/1": b"m" * 700}))).read_bytes()
    (tmp_path / "root").mkdir()
    for offset in [*range(0, len(sound.rstrip(b"\0")), 97), sound.index(b"mmm") + 5]:
        path = tmp_path / "b.tar"
        path.write_bytes(sound[:offset] + bytes([sound[offset] ^ 1]) + sound[offset + 1 :])
        done = run("restore", "--verify", path)
        assert done.returncode in (0, 2)
        if b"mmm" in sound[offset : offset + 3] or sound[offset] == ord("m"):
            assert done.returncode == 2
    for length in range(0, len(sound.rstrip(b"\0")), 512):
        path.write_bytes(sound[:length])
        assert run("restore", "--verify", path).returncode == 2


@pytest.mark.parametrize(
    "change",
    [{"end": False}, {"first": False}, {"format": 2}, {"kind": "account"}, {"ini": None}, {"ini": "[params]\n"}],
    ids=str,
)
def test_archive_format(tmp_path, change):
    root = tmp_path / "root"
    root.mkdir()
    assert restore(root, archive(tmp_path / "a.tar", list(account()), **change)).returncode == 2
    assert files(root) == []


def test_existing_files_stay(tmp_path):
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/chatmail.ini").write_text("mine")
    path = archive(tmp_path / "a.tar", list(account()))
    done = restore(root, path)
    assert done.returncode == 2 and "nothing was changed" in done.stderr
    assert files(root) == ["etc/chatmail.ini"]
    (root / "etc/chatmail.ini").unlink()
    mailboxes = root / "home/vmail/mail/relay.test"
    (mailboxes / "dave12345@relay.test").mkdir(parents=True)
    done = restore(root, path)
    assert done.returncode == 2 and "not empty" in done.stderr
    assert os.listdir(mailboxes) == ["dave12345@relay.test"]


def test_killed_run_does_not_block_the_next(tmp_path):
    root = tmp_path / "root"
    stage = root / "home/vmail/mail/relay.test/.restoring"
    (stage / "alice1234@relay.test/cur").mkdir(parents=True)
    (stage / "alice1234@relay.test/password").write_text("half")
    assert restore(root, archive(tmp_path / "a.tar", list(account()))).returncode == 0
    assert not stage.exists()


def test_import_of_hostile_archives(tmp_path):
    mailboxes = tmp_path / "mail"
    mailboxes.mkdir()
    ini = tmp_path / "chatmail.ini"
    ini.write_text(INI + f"mailboxes_dir = {mailboxes}\n")
    for what, entries in HOSTILE.items():
        if not any(info.name.startswith("mail/alice1234@relay.test/") for info, _ in entries):
            continue
        path = archive(tmp_path / "a.tar", [*entries, entry("mail/alice1234@relay.test/password", PASSWORD)],
                       kind="account")
        if what == "role after mail":
            continue
        done = run("user", "import", "-c", ini, path)
        assert done.returncode == 2, what
        assert os.listdir(mailboxes) == [], what
