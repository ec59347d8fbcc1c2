"""chatmailctl backup, restore, user export and import without servers: what archives contain, which
foreign ones are refused, and that a run that fails or is interrupted leaves nothing behind."""

import hashlib
import io
import json
import os
import signal
import stat
import subprocess
import tarfile

import pytest
from support.config import PROGRAM
from support.wait import eventually

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
    assert done.returncode == 2 and "nothing was changed; move it away" in done.stderr
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


def test_full_disk_leaves_no_half_relay(tmp_path):
    """/etc is full: the mailboxes are not in place either, and the run can be repeated."""
    if os.getuid() != 0:
        pytest.skip("mounting needs root")
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    key = entry("relay/dkim/opendkim.private", b"k" * 200_000, mode=0o600)
    path = archive(tmp_path / "a.tar", [key, *account()])
    script = 'mount -t tmpfs -o size=64k none "$1/etc" && shift && exec "$@"'
    words = [PROGRAM, "restore", "--root", root, path]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", root, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "No space left on device" in done.stderr
    assert files(root) == [] and os.listdir(root / "home/vmail/mail/relay.test") == []
    done = restore(root, path)
    assert done.returncode == 0, done.stderr


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


@pytest.fixture
def small(tmp_path):
    """A relay with one account; returns the path of its chatmail.ini."""
    mailbox = tmp_path / "mail/alice1234@relay.test"
    mailbox.mkdir(parents=True)
    (mailbox / "password").write_bytes(PASSWORD)
    ini = tmp_path / "chatmail.ini"
    ini.write_text(INI + f"mailboxes_dir = {tmp_path}/mail\ndkim_keys_dir = {tmp_path}/dkim\n")
    return ini


@pytest.mark.parametrize("words, target", [(("backup",), ()), (("user", "export"), ("alice1234",))])
def test_folder_of_any_name_is_kept(small, tmp_path, words, target):
    """Dovecot's lock files are omitted, folders with such names are not."""
    mailbox = tmp_path / "mail/alice1234@relay.test"
    for folder in (".lock", ".a.lock", ".maildirsize"):
        (mailbox / folder / "cur").mkdir(parents=True)
        (mailbox / folder / "cur/1700000000.M1P1.host,S=4:2,S").write_text("mail")
    (mailbox / "dovecot-uidlist.lock").write_text("")
    path = tmp_path / "a.tar"
    done = run(*words, "-c", small, *target, path)
    assert done.returncode == 0, done.stderr
    os.rename(mailbox, tmp_path / "before")
    done = run("user", "import", "-c", small, path)
    assert done.returncode == 0, done.stderr
    expected = [name for name in files(tmp_path / "before") if not name.startswith("dovecot")]
    assert files(mailbox) == expected and len(expected) == 4


def make(kind, path):
    if kind == "device":
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    elif kind == "link":
        path.symlink_to("/dev/null")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()


@pytest.mark.parametrize("kind", ["device", "link", "fifo", "directory"])
@pytest.mark.parametrize(
    "words", [("backup",), ("user", "export", "alice1234"), ("report", "--prometheus"), ("status", "--quick", "--html")]
)
def test_only_regular_files_are_replaced(small, tmp_path, words, kind):
    if kind == "device" and os.getuid() != 0:
        pytest.skip("a device needs root")
    if kind == "directory" and words[0] in ("report", "status"):
        pytest.skip("the file is in the directory")
    path = tmp_path / "target"
    make(kind, path)
    before = path.lstat()
    done = run(words[0], *words[1:-1], "-c", small, words[-1], path) if len(words) > 1 else run(*words, "-c", small, path)
    assert done.returncode == 2 and f"{path}: not a regular file" in done.stderr
    assert (path.lstat().st_mode, path.lstat().st_ino) == (before.st_mode, before.st_ino)
    assert sorted(os.listdir(tmp_path)) == ["chatmail.ini", "mail", "target"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_backup_leaves_nothing(small, tmp_path, number):
    folder = tmp_path / "mail/alice1234@relay.test/cur"
    folder.mkdir()
    with (folder / "1700000000.M1P1.host:2,S").open("wb") as message:
        message.truncate(1 << 30)
    path = tmp_path / "a.tar"
    path.write_text("the last one")
    process = subprocess.Popen([PROGRAM, "backup", "-c", small, path], stderr=subprocess.PIPE, text=True)
    eventually(lambda: list(tmp_path.glob("a.tar.*")), interval=0.001)
    process.send_signal(number)
    assert "interrupted" in process.communicate(timeout=60)[1]
    assert process.returncode == 2
    assert path.read_text() == "the last one"
    assert sorted(os.listdir(tmp_path)) == ["a.tar", "chatmail.ini", "mail"]


@pytest.mark.parametrize("verb", ["restore", "import"])
def test_interrupted_restore_leaves_nothing(small, tmp_path, verb):
    root = tmp_path / "root"
    root.mkdir()
    entries = account("bobby1234@relay.test", **{f"cur/{number}": b"x" * 65536 for number in range(100)})
    data = archive(tmp_path / "a.tar", list(entries)).read_bytes()
    words = ["restore", "--root", root] if verb == "restore" else ["user", "import", "-c", small]
    process = subprocess.Popen([PROGRAM, *words, "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(data[: len(data) // 2])
    process.stdin.flush()
    mailboxes = root / "home/vmail/mail/relay.test" if verb == "restore" else tmp_path / "mail"
    eventually(lambda: list(mailboxes.glob(".*/*/cur/9")))
    process.send_signal(signal.SIGINT)
    errors = process.communicate(data[len(data) // 2 :], timeout=60)[1]
    assert process.returncode == 2 and b"interrupted" in errors
    assert os.listdir(mailboxes) == ([] if verb == "restore" else ["alice1234@relay.test"])


@pytest.mark.parametrize("words, target", [(("backup",), ()), (("user", "export"), ("alice1234",))])
def test_unreadable_folder_is_an_error(small, tmp_path, words, target):
    if os.getuid() != 0:
        pytest.skip("another user's folder needs root")
    folder = tmp_path / "mail/alice1234@relay.test/.secret"
    folder.mkdir(mode=0o700)
    os.chown(folder, 65534, 65534)
    path = tmp_path / "a.tar"
    done = subprocess.run(
        [*("setpriv", "--bounding-set", "-dac_override,-dac_read_search"), PROGRAM, *words, "-c", small, *target, path],
        capture_output=True, text=True, check=False,
    )
    assert done.returncode == 2 and "cannot open a directory: Permission denied" in done.stderr
    assert not path.exists()


def test_unreadable_key_is_an_error(small, tmp_path):
    """Without it the backup would be useless, and nobody would know."""
    if os.getuid() != 0:
        pytest.skip("another user's key needs root")
    place = tmp_path / "tls"
    place.mkdir(mode=0o700)
    (place / "key.pem").write_text("key")
    small.write_text(small.read_text() + f"tls_external_cert_and_key = {tmp_path}/cert.pem {place}/key.pem\n")
    os.chown(place, 65534, 65534)
    path = tmp_path / "a.tar"
    done = subprocess.run(
        ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", PROGRAM, "backup", "-c", small, path],
        capture_output=True, text=True, check=False,
    )
    assert done.returncode == 2 and "key.pem: cannot be read: Permission denied" in done.stderr
    assert not path.exists()


def test_long_lists_are_in_the_backup(small, tmp_path):
    """The milter reads lists of up to 16 MiB."""
    listed = tmp_path / "blocked"
    listed.write_text("spam.test\n" * 400_000)
    small.write_text(small.read_text() + f"blocked_senders_file = {listed}\n")
    path = tmp_path / "a.tar"
    done = run("backup", "-c", small, path)
    assert done.returncode == 0, done.stderr
    with tarfile.open(path) as tar:
        assert tar.extractfile("relay/key/blocked_senders_file").read() == listed.read_bytes()
