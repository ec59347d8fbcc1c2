"""chatmailctl config apply on files that the operator changed, and its rollback."""

import fcntl
import json
import os
import shutil
import stat
import subprocess

import pytest
from support.config import PROGRAM, STATE, Machine
from support.tree import BUILD
from support.wait import eventually

MAIN = "/etc/postfix/main.cf"


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def words(done, machine):
    """The reported state of each file."""
    report = json.loads(done.stdout)
    return {path.removeprefix(str(machine.root)): word for path, word in report.items()}


def append(path, text):
    path.write_text(path.read_text() + text)


def test_edits_stay_when_the_template_changes(machine):
    machine.apply()
    append(machine.path(MAIN), "# mine\n")
    machine.change_template("postfix/main.cf", "notify_classes =\n", "notify_classes = bounce\n")
    report = words(machine.apply("--json"), machine)
    assert report[MAIN] == "merged"
    text = machine.path(MAIN).read_text()
    assert text.endswith("# mine\n")
    assert "notify_classes = bounce\n" in text
    assert words(machine.apply("--json"), machine)[MAIN] == "edited"
    assert machine.path(MAIN).read_text() == text


def test_edits_stay_when_nothing_changes(machine):
    machine.apply()
    append(machine.path(MAIN), "# mine\n")
    assert words(machine.apply("--json"), machine)[MAIN] == "edited"
    assert machine.path(MAIN).read_text().endswith("# mine\n")


def make_conflict(machine):
    """The operator's text and the path of the file with the template's."""
    machine.apply()
    main = machine.path(MAIN)
    mine = main.read_text().replace("notify_classes =", "notify_classes = delay")
    main.write_text(mine)
    machine.change_template("postfix/main.cf", "notify_classes =\n", "notify_classes = bounce\n")
    machine.change_template("postfix/login_map", "# Each", "# Every")
    done = machine.apply(status=1)
    assert f"{MAIN}.chatmail-new" in done.stderr
    assert "-notify_classes = delay\n+notify_classes = bounce\n" in done.stdout
    assert main.read_text() == mine
    assert "# Each" in machine.path("/etc/postfix/login_map").read_text()
    new = machine.path(MAIN + ".chatmail-new")
    assert "notify_classes = bounce\n" in new.read_text()
    return mine, new


def test_conflict_changes_nothing(machine):
    mine, _ = make_conflict(machine)
    # It is reported again until it is resolved.
    machine.apply(status=1)
    assert machine.path(MAIN).read_text() == mine


def test_conflict_resolved_by_keeping(machine):
    mine, new = make_conflict(machine)
    assert words(machine.apply("--json", "--keep", MAIN), machine)[MAIN] == "edited"
    assert machine.path(MAIN).read_text() == mine
    assert "# Every" in machine.path("/etc/postfix/login_map").read_text()
    assert not new.exists()
    machine.apply()


def test_conflict_resolved_by_taking(machine):
    mine, new = make_conflict(machine)
    text = new.read_text()
    machine.apply("--take", str(machine.path(MAIN)))
    assert machine.path(MAIN).read_text() == text
    assert not new.exists()
    # The replaced text is still available.
    machine.config("rollback")
    assert machine.path(MAIN).read_text() == mine


def test_additions_have_their_own_files(machine):
    machine.apply()
    local = machine.path(MAIN + ".local")
    append(local, "notify_classes = delay\n")
    assert words(machine.apply("--json"), machine)[MAIN] == "changed"
    assert machine.path(MAIN).read_text().endswith("\nnotify_classes = delay\n")
    before = local.read_text()
    machine.change_template("postfix/main.cf.local", "# Your", "# More")
    machine.change_template("postfix/main.cf", "biff = no\n", "")
    machine.apply()
    assert local.read_text() == before
    assert machine.path(MAIN).read_text().endswith("\nnotify_classes = delay\n")
    for name in ("dovecot/dovecot.conf", "opendkim.conf", "postfix/master.cf"):
        assert f"{name.split('/')[-1]}.local" in machine.path(f"/etc/{name}").read_text()


def test_dovecot_and_opendkim_read_the_additions(machine):
    """As apply's own check reads them."""
    machine.apply()
    for name, text in (("dovecot/dovecot.conf", "nonsense = 1\n"), ("opendkim.conf", "Non sense\n")):
        local = machine.path(f"/etc/{name}.local")
        before = local.read_text()
        append(local, text)
        machine.change_template("postfix/login_map", "# Each", "# Each ")
        assert "would not run" in machine.apply(status=2).stderr
        local.write_text(before)


def test_existing_file_is_kept_beside(machine):
    main = machine.path(MAIN)
    main.parent.mkdir()
    main.write_text("# Debian's\ncompatibility_level = 3.6\n")
    main.chmod(0o640)
    assert words(machine.apply("--json"), machine)[MAIN] == "replaced"
    old = machine.path(MAIN + ".chatmail-old")
    assert old.read_text() == "# Debian's\ncompatibility_level = 3.6\n"
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert "relay.test" in main.read_text()
    done = machine.config("rollback")
    assert done.returncode == 0, done.stderr
    assert main.read_text() == "# Debian's\ncompatibility_level = 3.6\n"
    assert not old.exists()
    assert not machine.path("/etc/dovecot/dovecot.conf").exists()
    assert "no change to undo" in machine.config("rollback").stderr


def test_taking_a_file_that_was_there_keeps_a_copy(machine):
    main = machine.path(MAIN)
    main.parent.mkdir()
    main.write_text("# mine\n")
    machine.apply("--take", MAIN)
    assert machine.path(MAIN + ".chatmail-old").read_text() == "# mine\n"


def test_no_secret_in_a_file_that_everybody_reads(machine):
    """coturn's package may have installed its configuration with any mode."""
    conf, secret = machine.path("/etc/turnserver.conf"), machine.path("/etc/turn.secret")
    conf.write_text("# coturn's\n")
    conf.chmod(0o644)
    secret.write_text("0123456789abcdef\n")
    machine.write_ini(turn_secret_file="/etc/turn.secret")
    report = words(machine.apply("--json"), machine)
    assert report["/etc/turnserver.conf"] == "replaced"
    assert "0123456789abcdef" in conf.read_text()
    assert stat.S_IMODE(conf.stat().st_mode) == 0o640
    assert stat.S_IMODE(machine.path("/etc/turnserver.conf.chatmail-old").stat().st_mode) == 0o644


def test_removed_file_is_not_created_again(machine):
    machine.apply()
    cron = machine.path("/etc/cron.d/chatmail")
    cron.unlink()
    machine.change_template("cron/chatmail", "23 3", "24 3")
    assert words(machine.apply("--json"), machine)["/etc/cron.d/chatmail"] == "deleted"
    assert not cron.exists()
    machine.apply("--take", "/etc/cron.d/chatmail")
    assert "24 3" in cron.read_text()


def test_file_without_a_template_is_removed(machine):
    machine.apply()
    append(machine.path("/etc/dkimkeys/KeyTable"), "# mine\n")
    machine.write_ini(mail_domain="192.0.2.1")
    report = words(machine.apply("--json"), machine)
    assert report["/etc/dkimkeys/SigningTable"] == "removed"
    assert report["/etc/dkimkeys/KeyTable"] == "left"
    assert not machine.path("/etc/dkimkeys/SigningTable").exists()
    assert machine.path("/etc/dkimkeys/KeyTable").read_text().endswith("# mine\n")
    assert "/etc/dkimkeys/KeyTable" not in machine.config("list").stdout


@pytest.mark.parametrize(
    "template, old, new, server",
    [
        ("postfix/main.cf", "smtpd_recipient_limit = ", "smtpd_recipient_limit = x", "postfix"),
        ("postfix/main.cf", "biff = no", "biff no", "postfix"),
        ("postfix/master.cf", "qmgr          unix", "qmgr unix nonsense", "postfix"),
        ("postfix/tls_policy", "/^_/", "/^(_/", "postfix"),
                ("dovecot-2.3/dovecot.conf", "ssl = required", "ssl = maybe", "dovecot-2.3"),
        ("dovecot-2.3/dovecot.conf", "driver = chatmail\n}", "driver = chatmail", "dovecot-2.3"),
        ("opendkim/opendkim.conf", "MTA\t", "MTAs\t", "opendkim"),
        ("nginx/nginx.conf", "sendfile on;", "sendfile on", "nginx"),
        ("sysctl/chatmail.conf", "fs.inotify.max_user_instances =", "fs.inotify", "sysctl"),
        ("cron/chatmail", "23 3 * * *", "at night", "cron"),
    ],
)
def test_errors_of_the_servers_checks_stop_apply(machine, template, old, new, server):
    """Nothing is put in place with which a server would not start, even if the operator wrote it."""
    machine.apply()
    before = {path: path.read_bytes() for path in machine.managed()}
    machine.change_template("postfix/login_map", "# Each", "# Every")
    machine.change_template(template, old, new)
    done = machine.apply(status=2)
    assert f"{server} would not run with this" in done.stderr
    assert str(machine.root / STATE) not in done.stderr
    assert {path: path.read_bytes() for path in machine.managed()} == before
    assert machine.leftovers() == []
    machine.apply("--no-check")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a module directory of its own")
@pytest.mark.parametrize("driver", ["chatmail-last", "chatmail-past"])
def test_a_driver_that_the_plugins_lack_stops_apply(machine, tmp_path, driver):
    """Older plugins would end Dovecot's auth process."""
    plugin = (BUILD / "dovecot-plugin/libauthdb_chatmail.so").read_bytes()
    (tmp_path / "auth").mkdir()
    (tmp_path / "auth/libauthdb_chatmail.so").write_bytes(plugin.replace(b"chatmail-last", driver.encode()))
    mount = f'mount --bind {tmp_path}/auth /usr/lib/dovecot/modules/auth && exec "$@"'
    machine.wrapper = ("unshare", "--mount", "sh", "-c", mount, "sh")
    if driver == "chatmail-last":
        machine.apply()
    else:
        assert "has no driver chatmail-last" in machine.apply(status=2).stderr


def test_missing_certificate_does_not_stop_apply(machine):
    """The first certificate may need the web server, whose configuration is in the same apply."""
    machine.write_ini(tls_external_cert_and_key="/etc/ssl/nothing.pem /etc/ssl/nothing.key")
    machine.apply()


def test_rollback(machine):
    machine.apply()
    first = machine.path(MAIN).read_text()
    machine.write_ini(max_message_size="1000000")
    machine.apply()
    append(machine.path(MAIN), "# mine\n")
    done = machine.config("rollback", "--json")
    assert words(done, machine)[MAIN] == "merged"
    assert words(done, machine)["/etc/dovecot/dovecot.conf"] == "changed"
    assert machine.path(MAIN).read_text() == first + "# mine\n"
    # The next apply makes the change again.
    machine.apply()
    assert "message_size_limit = 1000000\n" in machine.path(MAIN).read_text()
    assert machine.path(MAIN).read_text().endswith("# mine\n")


def test_rollback_conflict(machine):
    machine.apply()
    machine.write_ini(max_message_size="1000000")
    machine.apply()
    main = machine.path(MAIN)
    main.write_text(main.read_text().replace("limit = 1000000", "limit = 2000000"))
    assert machine.config("rollback").returncode == 1
    assert "limit = 2000000" in main.read_text()
    assert machine.config("rollback", "--keep", MAIN).returncode == 0
    assert "limit = 2000000" in main.read_text()
    assert "1000000" not in machine.path("/etc/dovecot/dovecot.conf").read_text()


def test_history_is_bounded(machine):
    for size in range(1, 15):
        machine.write_ini(max_message_size=f"{size}000000")
        machine.apply("--no-check")
    history = machine.root / STATE / "history"
    assert len(list(history.iterdir())) == 10
    for size in range(13, 3, -1):
        assert machine.config("rollback", "--no-check").returncode == 0
        assert f"limit = {size}000000\n" in machine.path(MAIN).read_text()
    assert "no change to undo" in machine.config("rollback").stderr


def test_diff(machine):
    done = machine.config("diff")
    assert done.returncode == 1
    assert "+smtpd_banner = $myhostname ESMTP\n" in done.stdout
    machine.apply()
    done = machine.config("diff")
    assert (done.returncode, done.stdout) == (0, "")
    machine.write_ini(max_message_size="1000000")
    done = machine.config("diff", MAIN)
    assert done.returncode == 1
    assert "+message_size_limit = 1000000\n" in done.stdout
    assert "dovecot" not in done.stdout
    assert set(json.loads(machine.config("diff", "--json").stdout)) == {
        MAIN,
        "/etc/dovecot/dovecot.conf",
        "/etc/nginx/nginx.conf",
    }


def test_state_is_private(machine):
    machine.apply()
    assert stat.S_IMODE((machine.root / STATE).stat().st_mode) == 0o700


def test_owner_and_mode_stay(machine):
    machine.apply()
    main = machine.path(MAIN)
    os.chown(main, 12345, 12346)
    machine.write_ini(max_message_size="1000000")
    machine.apply()
    assert (main.stat().st_uid, main.stat().st_gid) == (12345, 12346)


def test_the_umask_hides_no_directory(machine):
    """nginx, Postfix and Dovecot read the files as other users."""
    (machine.templates / "manifest").write_text("postfix/main.cf /srv/web/de/main.cf\n")
    machine.wrapper = ("sh", "-c", 'umask 077; exec "$@"', "sh")
    machine.apply("--no-check")
    modes = [stat.S_IMODE(machine.path(path).stat().st_mode) for path in ("/srv", "/srv/web", "/srv/web/de")]
    assert modes == [0o755, 0o755, 0o755]


def snapshot(root):
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("how", ["-t tmpfs -o size=12k none", "-t tmpfs -o ro none"])
def test_disk_on_which_not_all_files_fit(machine, how):
    """No file is changed, in other directories neither."""
    if os.getuid() != 0:
        pytest.skip("mounting needs root")
    postfix = machine.path("/etc/postfix")
    postfix.mkdir()
    before = snapshot(machine.root / "etc")
    script = f'mount {how} "$1" && shift && exec "$@"'
    machine.wrapper = ("unshare", "--mount", "sh", "-c", script, "sh", postfix)
    done = machine.apply("--no-check", status=2)
    assert "cannot be written, so nothing was changed: " in done.stderr
    assert snapshot(machine.root / "etc") == before
    machine.wrapper = ()
    machine.apply("--no-check")


def test_a_change_that_cannot_go_on(machine):
    """What to do is said, and the other files are changed later."""
    (machine.templates / "manifest").write_text("postfix/main.cf /etc/one/main.cf\npostfix/main.cf /etc/two/main.cf\n")
    machine.apply("--no-check")
    machine.write_ini(max_message_size="1000000")
    commit, history = machine.root / STATE / "commit", machine.root / STATE / "history"
    machine.apply("--no-check")
    # As if the run had been killed before it changed the second file.
    (history / "000002").rename(commit)
    two = machine.path("/etc/two/main.cf")
    text = two.read_text()
    shutil.rmtree(two.parent)
    two.parent.write_text("not a directory")
    done = machine.config("finish", "--json")
    assert done.returncode == 2 and done.stdout == ""
    assert "`chatmailctl config finish` changes the others" in done.stderr
    two.parent.unlink()
    two.parent.mkdir()
    two.write_bytes((commit / "before/etc/two/main.cf").read_bytes())
    done = machine.config("finish", "--json")
    assert done.returncode == 0 and json.loads(done.stdout) == {"finished": True}
    assert two.read_text() == text
    assert json.loads(machine.config("finish", "--json").stdout) == {"finished": False}


def test_another_run_is_waited_for(machine, tmp_path):
    machine.apply("--no-check")
    errors = tmp_path / "errors"
    with (machine.root / STATE / "lock").open() as held, errors.open("w") as stderr:
        fcntl.flock(held, fcntl.LOCK_EX)
        process = subprocess.Popen([PROGRAM, "config", "finish", "--root", machine.root], stderr=stderr)
        try:
            eventually(lambda: "waiting for the end of another run" in errors.read_text())
            fcntl.flock(held, fcntl.LOCK_UN)
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()
            process.wait()


def test_symbolic_link_is_not_replaced(machine):
    machine.apply()
    main = machine.path(MAIN)
    main.rename(machine.path("/etc/elsewhere"))
    main.symlink_to("/etc/elsewhere")
    assert "is a symbolic link" in machine.apply(status=2).stderr
    assert main.is_symlink()


def test_alpine(machine):
    """OpenDKIM on Alpine reads another file."""
    machine.path("/etc/alpine-release").write_text("3.24.0\n")
    machine.apply()
    assert machine.path("/etc/opendkim/opendkim.conf").exists()
    assert not machine.path("/etc/opendkim.conf").exists()


@pytest.mark.parametrize("alpine, wanted, front, allowed", [
    (False, 1000, "", 1000), (True, 1000, "", 190), (True, 1000, "10.0.0.1", 118), (True, 20, "", 20)])
def test_connections_to_the_milter(machine, alpine, wanted, front, allowed):
    """Alpine's libmilter uses select(2), and ends if it has more than 1,024 descriptors."""
    if alpine:
        machine.path("/etc/alpine-release").write_text("3.24.0\n")
    fronts = {"front_listen": front, "front_network": "10.0.0.2"} if front else {}
    machine.write_ini(max_smtp_connections=wanted, **fronts)
    machine.apply("--no-check")
    lines = machine.path("/etc/postfix/master.cf").read_text().splitlines()
    services = [line.split()[6] for line in lines if line.endswith(" smtpd")]
    assert set(services) == {str(allowed)}
    if alpine:
        assert len(services) * allowed <= 950


def test_without_diffutils(machine, tmp_path):
    """Changes without a merge work; a merge fails and names the missing program."""
    machine.apply()
    append(machine.path(MAIN), "# mine\n")
    machine.change_template("postfix/main.cf", "biff = no\n", "")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "postconf"):
        (programs / name).symlink_to(shutil.which(name, path="/usr/sbin:/usr/bin:/bin"))
    # /usr/sbin is appended to PATH, and does not contain diff3.
    done = machine.config("apply", "--no-check", env={"PATH": str(programs)})
    assert done.returncode == 2
    assert "diff3: not installed: it is in the package diffutils" in done.stderr


def test_two_runs_at_once(machine):
    """The second run waits for the first."""
    machine.apply()
    machine.write_ini(max_message_size="1000000")
    command = machine.config("list").args
    command[2] = "apply"
    runs = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [run.wait() for run in runs] == [0] * 4
    assert "message_size_limit = 1000000\n" in machine.path(MAIN).read_text()
    assert machine.leftovers() == []
