"""chatmail-milter as a daemon: start, reload and end, its log and counters, its memory."""

import grp
import os
import platform
import pwd
import re
import signal
import stat
import subprocess
import threading
import urllib.request
from pathlib import Path

import pytest

from support import messages
from support.milter import Connection, Reply
from support.milter_daemon import PEER, PROGRAM, USER, begin, encrypted, finish, new_daemon, send
from support.ports import free_ports
from support.tree import BUILD
from support.valgrind import valgrind
from support.wait import eventually


# --- Start ----------------------------------------------------------------------------------------


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (["-m", "rw"], "--mode rw: not permissions"),
        (["-m", "7777"], "--mode 7777: not permissions"),
        (["-s", "relative.sock"], "relative.sock: must be an absolute path"),
        (["-s", "unix:relative.sock"], "relative.sock: must be an absolute path"),
    ],
)
def test_wrong_options(arguments, complaint):
    result = run(*arguments)
    assert result.returncode == 2 and complaint in result.stderr


@pytest.mark.parametrize("foreground", [True, False])
@pytest.mark.parametrize(
    "ini, options, complaint",
    [
        ({"max_user_send_per_minute": "many"}, [], "max_user_send_per_minute"),
        ({"resolver": "nobody@nowhere"}, [], "resolver"),
        ({}, ["-g", "no-such-group"], "no-such-group"),
        ({}, ["-s", "/nonexistent/milter.sock"], "/nonexistent/milter.sock"),
        ({}, ["-s", "/tmp/" + "x" * 200], "the path is too long"),
        ({}, ["-s", "inet:no-such-port@127.0.0.1"], "inet:no-such-port@127.0.0.1"),
        ({}, ["-s", "inet:8891@::1"], "inet:8891@::1"),
    ],
)
def test_start_failures(stopped, foreground, ini, options, complaint):
    stopped.configure(**ini)
    command = stopped.command(*options)
    if not foreground:
        command.remove("-f")
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert complaint in result.stderr


def test_background_start(stopped, tmp_path):
    """It listens when the starting process exits, and removes its socket at the end."""
    pid_file = tmp_path / "pid"
    command = [word for word in stopped.command("-p", pid_file) if word != "-f"]
    subprocess.run(command, check=True, timeout=60)
    try:
        assert send(stopped)[0] == 250
    finally:
        os.kill(int(pid_file.read_text()), signal.SIGTERM)
        eventually(lambda: not pid_file.exists())
    assert not stopped.socket.exists()


def test_socket_mode_and_group(stopped):
    group = grp.getgrgid(os.getgroups()[-1] if os.getuid() else 65534)
    stopped.start("-m", "0600", "-g", group.gr_name)
    status = stopped.socket.stat()
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_gid == group.gr_gid
    stopped.stop()
    stopped.start()
    assert stat.S_IMODE(stopped.socket.stat().st_mode) == 0o660


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_privileges_are_dropped(stopped, tmp_path):
    nobody = pwd.getpwnam("nobody")
    stopped.directory.chmod(0o755)
    for parent in stopped.directory.parents:
        if parent.owner() == "root" and not parent.stat().st_mode & 1:
            parent.chmod(parent.stat().st_mode | 0o011)
    stopped.start("-u", "nobody")
    status = Path(f"/proc/{stopped.process.pid}/status").read_text()
    for name, number in (("Uid", nobody.pw_uid), ("Gid", nobody.pw_gid)):
        line = next(line for line in status.splitlines() if line.startswith(name))
        assert line.split()[1:] == [str(number)] * 4
    assert stopped.socket.stat().st_uid == nobody.pw_uid
    assert send(stopped)[0] == 250
    assert stopped.stop() == 0


def test_stack_size_of_threads():
    """musl gives a thread the stack that the program's header requests, or 128 KiB, which is too
    little for GMime."""
    headers = subprocess.check_output(["readelf", "-lW", PROGRAM], text=True).splitlines()
    stack = next(line.split() for line in headers if line.split()[:1] == ["GNU_STACK"])
    assert int(stack[5], 16) >= 1 << 20


@pytest.mark.parametrize(
    "form", ["inet:{}", "inet:{}@127.0.0.1", "inet:{}@[127.0.0.1]", "inet:{}@0.0.0.0", "inet6:{}@::1"]
)
def test_internet_socket(stopped, form):
    if "::1" in form and not Path("/proc/net/if_inet6").read_text().strip():
        pytest.skip("no IPv6 here")
    stopped.socket = form.format(free_ports(1)[0])
    stopped.start()
    assert send(stopped)[0] == 250
    assert stopped.stop() == 0


def test_second_instance_on_the_same_socket_is_refused(daemon):
    result = subprocess.run(daemon.command(), capture_output=True, text=True, timeout=60)
    assert result.returncode == 1 and "another process listens there" in result.stderr
    assert send(daemon)[0] == 250


def test_second_instance_with_the_same_pid_file_is_refused(stopped, tmp_path):
    stopped.start("-p", tmp_path / "pid")
    result = subprocess.run(
        stopped.command("-p", tmp_path / "pid"), capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 1 and "the program is already running" in result.stderr
    assert send(stopped)[0] == 250


# --- Reload ---------------------------------------------------------------------------------------


def reload(daemon, message="configuration read again"):
    before = daemon.log().count(message)
    daemon.process.send_signal(signal.SIGHUP)
    eventually(lambda: daemon.log().count(message) > before)


def test_reload_takes_effect_and_disturbs_no_message(daemon):
    """A message in progress is checked with the configuration of its beginning, the next message
    on its connection with the new one."""
    sender = "bob1@other.test"
    with Connection(daemon.socket) as connection:
        rest = begin(connection, encrypted())
        daemon.configure(max_user_send_burst_size=1, resolver="127.0.0.1@9")
        reload(daemon)
        finish(connection, rest)
        message = messages.encrypted(sender, PEER)
        connection.message(message, sender, [PEER], sender)
        with pytest.raises(Reply) as refusal:
            connection.message(message, sender, [PEER], sender)
        assert refusal.value.code == 450


def test_reload_keeps_the_rates(daemon):
    daemon.configure(max_user_send_burst_size=1, max_user_send_per_minute=1, resolver="127.0.0.1@9")
    reload(daemon)
    assert send(daemon)[0] == 250
    assert send(daemon)[0] == 450
    reload(daemon)
    assert send(daemon)[0] == 450


def test_reload_of_an_invalid_file_changes_nothing(daemon):
    daemon.ini.write_text("[params]\nmail_domain = relay.test\nmax_user_send_per_minute = x\n")
    reload(daemon, "the configuration stays as it was")
    assert "max_user_send_per_minute" in daemon.log()
    assert send(daemon)[0] == 250


def test_many_reloads_under_load(daemon):
    stop = threading.Event()
    codes = []

    def work():
        while not stop.is_set():
            codes.append(send(daemon)[0])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(30):
        resolver = f"127.0.0.1@{number % 2 + 9}"
        daemon.configure(resolver=resolver, max_user_send_burst_size=5000)
        reload(daemon)
    stop.set()
    for thread in threads:
        thread.join()
    assert set(codes) == {250}


def test_repeated_hangup_signals(daemon):
    """libmilter treats SIGHUP as the end if it receives the signal."""
    for _ in range(200):
        daemon.process.send_signal(signal.SIGHUP)
    reload(daemon)
    assert send(daemon)[0] == 250


def test_no_thread_of_libmilter_receives_signals(daemon):
    """The kernel would choose such a thread while the main thread blocks signals or handles the
    previous one."""
    number = {"x86_64": "128", "aarch64": "137"}[platform.machine()]  # rt_sigtimedwait
    assert send(daemon)[0] == 250
    threads = list(Path(f"/proc/{daemon.process.pid}/task").iterdir())
    assert len(threads) > 3
    waiting = [(thread / "syscall").read_text().split()[0] for thread in threads]
    assert number not in waiting


# --- End ------------------------------------------------------------------------------------------


def gone(daemon):
    return not daemon.listens()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_finishes_messages(daemon, number):
    """Messages in progress end as usual; the connections that remain accept no new message."""
    with Connection(daemon.socket) as busy, Connection(daemon.socket) as idle:
        rest = begin(busy, encrypted())
        daemon.process.send_signal(number)
        eventually(lambda: gone(daemon))
        with pytest.raises(Reply) as refusal:
            idle.mail(f"<{USER}>", USER)
        assert (refusal.value.code, refusal.value.text[:6]) == (451, "4.3.2 ")
        finish(busy, rest)
        assert daemon.process.wait(timeout=60) == 0
    daemon.process = None
    assert not daemon.socket.exists()


def test_second_signal_ends_at_once(daemon):
    with Connection(daemon.socket) as connection:
        rest = begin(connection, encrypted())
        daemon.process.send_signal(signal.SIGTERM)
        eventually(lambda: gone(daemon))
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(timeout=20) == 0
        with pytest.raises((ConnectionError, BrokenPipeError)):
            finish(connection, rest)
    daemon.process = None
    assert "their senders will retry" in daemon.log()


def test_restart_while_postfix_holds_connections(stopped):
    """Messages that the old process left half done are refused or cut off, never accepted; new
    connections reach the new process."""
    stopped.start()
    with Connection(stopped.socket) as held:
        held.message(encrypted(), USER, [PEER], USER)
        assert stopped.stop() == 0
        stopped.start()
        with pytest.raises((ConnectionError, BrokenPipeError)):
            held.message(encrypted(), USER, [PEER], USER)
    assert send(stopped)[0] == 250


def test_kill_and_start_again(stopped, tmp_path):
    """The old socket and PID file do not prevent the start."""
    for _ in range(3):
        stopped.start("-p", tmp_path / "pid")
        with Connection(stopped.socket) as connection:
            rest = begin(connection, encrypted())
            stopped.stop(signal.SIGKILL)
            with pytest.raises((ConnectionError, BrokenPipeError)):
                finish(connection, rest)
        assert stopped.socket.exists() and (tmp_path / "pid").exists()
    stopped.start("-p", tmp_path / "pid")
    assert send(stopped)[0] == 250
    assert stopped.stop() == 0
    assert not stopped.socket.exists() and not (tmp_path / "pid").exists()


# --- Log and counters -----------------------------------------------------------------------------


def test_only_refusals_are_logged(daemon):
    before = daemon.log()
    send(daemon)
    assert daemon.log() == before
    code, _, log = send(daemon, messages.cleartext(USER, PEER))
    assert code == 523
    assert log.count("\n") == 1
    assert "4Qx7Tz0000z1: out refused: not-encrypted 523" in log
    for private in (USER, PEER, "bob1", "Hello", "Anybody"):
        assert private not in log


def test_counters(tmp_path):
    port = free_ports(1)[0]
    with new_daemon(tmp_path, metrics_listen=f"127.0.0.1:{port}", web_listen="", mxdeliv_listen="") as daemon:
        for _ in range(3):
            send(daemon)
        for _ in range(2):
            send(daemon, messages.cleartext(USER, PEER))
        daemon.judge(messages.encrypted(PEER, USER), PEER, [USER])
        user = pwd.getpwuid(os.getuid()).pw_name
        httpd = subprocess.Popen(
            [BUILD / "services/httpd/chatmail-httpd", "-f", "-c", daemon.ini, "-u", user]
        )
        try:

            def metrics():
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                        return answer.read().decode()
                except OSError:
                    return None

            text = eventually(metrics)
        finally:
            httpd.terminate()
            httpd.wait()
    verdicts = "chatmail_milter_verdicts_total"
    assert f'{verdicts}{{direction="out",reason="encrypted"}} 3\n' in text
    assert f'{verdicts}{{direction="out",reason="not-encrypted"}} 2\n' in text
    assert f'{verdicts}{{direction="in",reason="no-dkim"}} 1\n' in text
    assert "chatmail_milter_check_seconds_count 6\n" in text
    assert "chatmail_milter_message_bytes_count 6\n" in text
    for histogram in ("check_seconds", "message_bytes"):
        total = re.search(rf"^chatmail_milter_{histogram}_sum (\S+)$", text, re.MULTILINE)
        assert float(total[1]) > 0


def test_missing_statistics_do_not_stop_the_milter(stopped):
    """A missing run_dir is worth a warning."""
    stopped.configure(run_dir="/nonexistent", resolver="127.0.0.1@9")
    stopped.start()
    assert "warning" in stopped.log()
    assert send(stopped)[0] == 250


# --- Memory ---------------------------------------------------------------------------------------


def test_no_leak(tmp_path):
    """valgrind over every way that a message can take."""
    daemon = new_daemon(tmp_path)
    report = tmp_path / "valgrind"
    daemon.start(
        wrapper=valgrind(
            "--leak-check=full",
            "--errors-for-leak-kinds=definite",
            "--error-exitcode=99",
            f"--log-file={report}",
        )
    )
    held = Connection(daemon.socket, timeout=300)
    for _ in range(3):
        assert send(daemon)[0] == 250
        assert send(daemon, messages.cleartext(USER, PEER))[0] == 523
        incoming = messages.encrypted(PEER, USER)
        assert daemon.judge(incoming, PEER, [USER])[0] == 554
        broken = b"DKIM-Signature: v=1; d=peer.test\r\n" + incoming
        assert daemon.judge(broken, PEER, [USER])[0] == 554
        with Connection(daemon.socket) as connection:
            begin(connection, encrypted())
            connection.abort()
            begin(connection, encrypted(400_000))
        reload(daemon)
    assert daemon.stop() == 0, report.read_text()
    held.close()
    assert "ERROR SUMMARY: 0 errors" in report.read_text(), report.read_text()
