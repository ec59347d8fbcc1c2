"""How every background program starts, reads its configuration again, and ends."""

import os
import pwd
import re
import signal
import subprocess
from pathlib import Path

import pytest
from support.ports import free_ports
from support.tree import BUILD, UNIX_USER
from support.wait import eventually

PROGRAMS = {
    "chatmail-httpd": BUILD / "services/httpd/chatmail-httpd",
    "chatmail-milter": BUILD / "milter/chatmail-milter",
    "chatmail-notifyd": BUILD / "services/notifyd/chatmail-notifyd",
    "chatmail-transport": BUILD / "services/transport/chatmail-transport",
}


class Daemon:
    def __init__(self, name, directory):
        self.name = name
        self.program = PROGRAMS[name]
        self.directory = directory
        self.ini = directory / "chatmail.ini"
        self.pid_file = directory / "pid"
        self.options = {
            "chatmail-milter": ["-s", directory / "sock"],
            "chatmail-transport": ["-s", directory / "mail"],
        }.get(name, [])
        (directory / "mail").mkdir()
        self.configure()

    def configure(self, **keys):
        values = {
            "mail_domain": "relay.test",
            "mailboxes_dir": self.directory / "mail",
            "run_dir": self.directory,
            "metrics_listen": f"127.0.0.1:{free_ports(1)[0]}",
            "web_listen": "",
            "mxdeliv_listen": "",
            **keys,
        }
        lines = [f"{name} = {value}" for name, value in values.items()]
        self.ini.write_text("\n".join(["[params]", *lines, ""]))

    def run(self, *options, **arguments):
        command = [self.program, *self.options, "-u", UNIX_USER, *options]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, cwd=self.directory, **arguments
        )

    def end(self):
        if self.pid_file.exists():
            os.kill(int(self.pid_file.read_text()), signal.SIGTERM)
            eventually(lambda: not self.pid_file.exists(), message="the PID file is still there")


@pytest.fixture(params=PROGRAMS)
def daemon(request, tmp_path):
    daemon = Daemon(request.param, tmp_path)
    yield daemon
    daemon.end()


def test_help_and_version(daemon):
    for option in ("-h", "--help"):
        result = daemon.run(option)
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.startswith(f"usage: {daemon.name} [-f] [-c INI] [-p FILE] [-u USER]")
    for option in ("-V", "--version"):
        result = daemon.run(option)
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.startswith(f"{daemon.name} ")


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (["--nonsense"], "--nonsense"),
        (["-c"], "c"),
        (["-f", "extra"], "unexpected argument: extra"),
        # In the background they would be relative to "/".
        (["-c", "chatmail.ini"], "chatmail.ini: must be an absolute path unless -f is given"),
        (["-p", "pid"], "pid: must be an absolute path unless -f is given"),
    ],
)
def test_wrong_command_lines(daemon, arguments, complaint):
    result = daemon.run("-c", daemon.ini, *arguments)
    assert result.returncode == 2
    said, hint = result.stderr.splitlines()
    assert said.startswith(f"{daemon.name}: ") and complaint in said
    assert hint == f"Try {daemon.name} --help"


@pytest.mark.parametrize("foreground", [True, False])
@pytest.mark.parametrize(
    "options, complaint",
    [
        (["-c", "/nonexistent/chatmail.ini"], "/nonexistent/chatmail.ini"),
        (["-p", "/nonexistent/pid"], "/nonexistent/pid: cannot be opened"),
        (["-u", "no-such-user"], "user no-such-user: does not exist"),
    ],
)
def test_start_failures(daemon, foreground, options, complaint):
    result = daemon.run("-c", daemon.ini, *options, *(["-f"] if foreground else []))
    assert result.returncode == 1
    assert complaint in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_invalid_configuration(daemon):
    daemon.configure(max_user_send_per_minute="many")
    result = daemon.run("-c", daemon.ini)
    assert result.returncode == 1
    assert f"{daemon.ini}" in result.stderr and "max_user_send_per_minute" in result.stderr


def test_background_start(daemon):
    """The starting process exits with success once the program works."""
    result = daemon.run("-c", daemon.ini, "-p", daemon.pid_file)
    assert result.returncode == 0, result.stderr
    pid = int(daemon.pid_file.read_text())
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert os.readlink(f"/proc/{pid}/fd/2") == "/dev/null"
    # a second instance is refused, and disturbs nothing
    again = daemon.run("-c", daemon.ini, "-p", daemon.pid_file)
    assert again.returncode == 1
    assert "the program is already running" in again.stderr
    assert int(daemon.pid_file.read_text()) == pid


def test_relative_paths_in_the_foreground(daemon):
    """Relative paths keep their meaning, also at each reload."""
    command = [daemon.program, "-f", "-c", "chatmail.ini", "-p", "pid", "-u", UNIX_USER, *daemon.options]
    log = daemon.directory / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(command, cwd=daemon.directory, stderr=stream)
    try:
        eventually(lambda: daemon.pid_file.exists() and daemon.pid_file.read_text() != "")
        if daemon.name in ("chatmail-milter", "chatmail-notifyd"):
            # The PID file appears before the program has read the configuration.
            eventually(lambda: re.search("listening on|watching the queue", log.read_text()))
            daemon.configure(max_user_send_per_minute="many")
            before = log.read_text()
            os.kill(process.pid, signal.SIGHUP)
            eventually(lambda: "max_user_send_per_minute" in log.read_text()[len(before):])
            daemon.configure()
            os.kill(process.pid, signal.SIGHUP)
            eventually(lambda: "configuration read again" in log.read_text())
    finally:
        process.terminate()
        status = process.wait(60)
    assert status == 0, log.read_text()
    assert not daemon.pid_file.exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_becomes_an_ordinary_user(daemon):
    """Root wrote the PID file in a directory that the user cannot write: the program empties
    it."""
    nobody = pwd.getpwnam("nobody")
    run = daemon.directory / "run"
    run.mkdir()
    os.chown(run, nobody.pw_uid, nobody.pw_gid)
    os.chown(daemon.directory / "mail", nobody.pw_uid, nobody.pw_gid)
    for parent in [daemon.directory, *daemon.directory.parents]:
        if not parent.stat().st_mode & 1:
            parent.chmod(parent.stat().st_mode | 0o011)
    daemon.configure(run_dir=run)
    result = daemon.run("-c", daemon.ini, "-p", daemon.pid_file, "-u", "nobody")
    assert result.returncode == 0, result.stderr
    pid = int(daemon.pid_file.read_text())
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    ids = {line.split()[0]: line.split()[1:] for line in status if line.startswith(("Uid", "Gid"))}
    assert ids == {"Uid:": [str(nobody.pw_uid)] * 4, "Gid:": [str(nobody.pw_gid)] * 4}
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: daemon.pid_file.read_text() == "")
    daemon.pid_file.unlink()


def test_no_core_is_dumped(daemon):
    result = daemon.run("-c", daemon.ini, "-p", daemon.pid_file)
    assert result.returncode == 0, result.stderr
    limits = Path(f"/proc/{daemon.pid_file.read_text().strip()}/limits").read_text()
    assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE), limits


def test_the_sandbox_is_closed(daemon):
    """The kernel reports the limits of the running program, which runs as an ordinary user as
    services do. tests/unit/common/daemon/test_sandbox.c shows what the limits prevent."""
    for place in (daemon.directory, daemon.directory / "mail"):
        os.chown(place, pwd.getpwnam("nobody").pw_uid, -1)
    # Only root can enter pytest's directories.
    for place in daemon.directory.parents:
        if place != Path("/tmp") and Path("/tmp") in place.parents:
            place.chmod(0o711)
    result = daemon.run("-c", daemon.ini, "-p", daemon.pid_file, "-u", "nobody")
    assert result.returncode == 0, result.stderr
    assert "has no" not in result.stderr, "the kernel of this machine has no Landlock or no seccomp"
    pid = daemon.pid_file.read_text().strip()
    threads = [Path(place) for place in Path(f"/proc/{pid}/task").iterdir()]
    for thread in threads:
        status = dict(
            line.split(":\t", 1) for line in (thread / "status").read_text().splitlines() if ":\t" in line
        )
        assert status["NoNewPrivs"] == "1", status["Name"]
        assert status["Seccomp"] == "2", status["Name"]
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
