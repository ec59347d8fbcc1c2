"""chatmail-milter run for real without Postfix: the protocol, by miltertest's scripts and by a
client of the tests' own; start, reload and end; many connections; what it logs and counts."""

import base64
import grp
import os
import pwd
import re
import resource
import signal
import socket
import stat
import struct
import subprocess
import threading
import urllib.request
from pathlib import Path

import pytest

from support import messages
from support.milter import NR_BODY, NR_HDR, NR_RCPT, STEPS, Connection, Reply, split_header
from support.milter_daemon import BUILD, PROGRAM, MilterDaemon
from support.ports import free_ports
from support.wait import eventually

SCRIPTS = Path(__file__).parent / "miltertest"
USER, PEER = "bob1@relay.test", "alice@peer.test"


def new_daemon(directory, **ini):
    """Its senders' rate is no hindrance, and it asks nobody for keys."""
    ini = {"max_user_send_burst_size": 5000, "resolver": "127.0.0.1@9", **ini}
    return MilterDaemon(directory, **ini)


@pytest.fixture
def daemon(tmp_path):
    with new_daemon(tmp_path) as instance:
        yield instance


@pytest.fixture
def stopped(tmp_path):
    instance = new_daemon(tmp_path)
    yield instance
    instance.stop(signal.SIGKILL)


def encrypted(size=500):
    return messages.encrypted(USER, PEER, size)


def send(daemon, message=None):
    return daemon.judge(message or encrypted(), USER, [PEER], USER)


def begin(connection, message):
    """A message up to the middle of its body; returns the rest."""
    body = split_header(message)[1]
    connection.mail(f"<{USER}>", USER)
    connection.recipient(f"<{PEER}>")
    connection.headers(message)
    connection.body(body[: len(body) // 2])
    return body[len(body) // 2 :]


def finish(connection, rest):
    connection.body(rest)
    connection.end_of_message()


# --- miltertest -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script", [path.name for path in sorted(SCRIPTS.glob("*.lua")) if path.name != "support.lua"]
)
def test_miltertest(tmp_path, script):
    payload = messages.packet(1, b"\3" + bytes(8) + b"\x12" + os.urandom(40))
    payload += messages.packet(18, b"\1" + os.urandom(60))
    with MilterDaemon(tmp_path, resolver="127.0.0.1@9") as daemon:
        result = subprocess.run(
            [
                "miltertest",
                *("-D", f"socket=unix:{daemon.socket}"),
                *("-D", f"support={SCRIPTS}/support.lua"),
                *("-D", f"payload={base64.b64encode(payload).decode()}"),
                *("-s", SCRIPTS / script),
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert result.returncode == 0, result.stdout + result.stderr + daemon.log()
        # Whatever the script did, the daemon goes on.
        assert send(daemon)[0] == 250


# --- The protocol ---------------------------------------------------------------------------------


def test_what_is_negotiated(daemon):
    with Connection(daemon.socket) as connection:
        assert connection.steps & 0x100000, "leading space of header fields"
        assert not connection.steps & 0x800, "recipients that Postfix refuses are not wanted"
        assert connection.actions == 0x151, "no right to change more than header and sender"
        lists = connection.macro_lists
    for name in ("{auth_authen}", "{mail_addr}", "{client_addr}"):
        assert name in lists[2]
    assert lists[5] == "i" and lists[6] == "i"


def test_header_fields_are_changed_by_their_place_among_those_of_one_name(daemon):
    extra = ["X-Own: a", "subject: b", "x-own: c", "To: d", "Cc: Carol <carol@peer.test>"]
    message = messages.encrypted(USER, PEER, subject="Private", extra=extra)
    with Connection(daemon.socket) as connection:
        connection.message(message, USER, [PEER], USER)
        assert connection.changes == [
            ("Cc", 1, b" <carol@peer.test>"),
            ("To", 2, b""),
            ("x-own", 2, b""),
            ("subject", 2, b""),
            ("X-Own", 1, b""),
            ("Subject", 1, b" [...]"),
        ]


def test_a_message_of_delta_chat_is_not_changed(daemon):
    with Connection(daemon.socket) as connection:
        connection.message(encrypted(), USER, [PEER], USER)
        assert connection.changes == []


def test_nothing_is_changed_in_mail_of_others(daemon, tmp_path):
    sender = "carol@[192.0.2.9]"
    daemon.account("reader@relay.test")
    message = messages.encrypted(sender, "reader@relay.test", subject="Private", extra=["X-Own: a"])
    with Connection(daemon.socket) as connection:
        connection.message(message, sender, ["reader@relay.test"])
        assert connection.changes == []
        assert connection.sender == "<>", "nothing proves the literal"


def test_the_rate_is_refused_to_every_recipient(tmp_path):
    many = [f"x{number}@peer.test" for number in range(5)]
    with (
        MilterDaemon(tmp_path, max_user_send_per_minute=1, max_user_send_burst_size=2) as daemon,
        Connection(daemon.socket) as connection,
    ):
        # What has no recipient does not count: Postfix has not compared sender and login yet.
        for _ in range(5):
            connection.mail(f"<{USER}>", USER)
            connection.abort()
        for _ in range(2):
            connection.message(encrypted(), USER, many, USER)
        connection.mail(f"<{USER}>", USER)
        for recipient in many:
            with pytest.raises(Reply) as refusal:
                connection.recipient(f"<{recipient}>")
            assert refusal.value.code == 450
            assert refusal.value.text == f"4.7.1: Too much mail from <{USER}>"
        connection.abort()
        with pytest.raises(Reply) as refusal:
            connection.message(encrypted(), USER, many, USER)
        assert refusal.value.code == 450
        assert daemon.log().count("out refused: rate-limit") == 2


def test_many_messages_on_one_connection(daemon):
    with Connection(daemon.socket) as connection:
        for number in range(50):
            if number % 3 == 2:
                with pytest.raises(Reply) as refusal:
                    connection.message(messages.cleartext(USER, PEER), USER, [PEER], USER)
                assert refusal.value.code == 523
            else:
                connection.message(encrypted(), USER, [PEER], USER)


def test_no_refusal_outlives_its_message(daemon):
    """Wherever it is found out, and also if the server gives the message up."""
    many = [f"x{number}@peer.test" for number in range(1001)]
    second = f"From: <{PEER}>\r\n".encode()
    refused = [
        (452, encrypted(), many),
        (500, second + encrypted(), [PEER]),
        (523, messages.cleartext(USER, PEER), [PEER]),
        (523, encrypted() + b"more\r\n", [PEER]),
        (523, encrypted() + b"more", [PEER]),
    ]
    with Connection(daemon.socket) as connection:
        for code, message, recipients in refused:
            with pytest.raises(Reply) as refusal:
                connection.message(message, USER, recipients, USER)
            assert refusal.value.code == code
            connection.message(encrypted(), USER, [PEER], USER)
        connection.mail(f"<{USER}>", USER)
        connection.header(b"From", b" <a@b.test>")
        connection.header(b"From", b" <a@b.test>")
        connection.abort()
        connection.message(encrypted(), USER, [PEER], USER)


def test_mail_server_that_wants_every_reply(daemon):
    with Connection(daemon.socket, steps=STEPS & ~(NR_HDR | NR_RCPT | NR_BODY)) as connection:
        assert not connection.steps & (NR_HDR | NR_RCPT | NR_BODY)
        for _ in range(3):
            connection.message(encrypted(200_000), USER, [PEER], USER)
            with pytest.raises(Reply) as refusal:
                connection.message(encrypted() + b"more", USER, [PEER], USER)
            assert refusal.value.code == 523


@pytest.mark.parametrize("stage", ["header", "end of headers", "body", "end of message"])
def test_event_without_a_message_is_not_accepted(daemon, stage):
    with Connection(daemon.socket) as connection:
        connection.mail(f"<{USER}>", USER)
        connection.abort()
        with pytest.raises((Reply, ConnectionError, socket.timeout)):
            connection.socket.settimeout(1)
            if stage == "header":
                connection.header(b"From", b" <a@b.test>")
                connection.end_of_headers()
            elif stage == "end of headers":
                connection.end_of_headers()
            elif stage == "body":
                connection.body(b"hello\r\n")
                connection.end_of_message()
            else:
                connection.end_of_message()
    assert send(daemon)[0] == 250


GARBAGE = {
    "nothing": b"",
    "zeros": bytes(64),
    "a huge length": struct.pack(">I", 0xFFFFFFFF) + b"O",
    "a length and no more": struct.pack(">I", 100),
    "an unknown command": struct.pack(">I", 1) + b"Z",
    "text": b"EHLO relay.test\r\n" * 10,
    "random": os.urandom(4096),
    "negotiation cut short": struct.pack(">I", 5) + b"O" + bytes(4),
    "MAIL FROM without its end": struct.pack(">I", 3) + b"M<a",
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage(daemon, kind):
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(daemon.socket))
        raw.sendall(GARBAGE[kind])
        raw.shutdown(socket.SHUT_WR)
        raw.settimeout(30)
        try:
            while raw.recv(4096):
                pass
        except ConnectionResetError:
            pass
    assert send(daemon)[0] == 250


@pytest.mark.parametrize("command", [b"M", b"R", b"L", b"D", b"B", b"C", b"H"])
def test_malformed_event_after_negotiation(daemon, command):
    """Strings without their NUL, and none at all."""
    for data in (b"", b"x", b"\0", b"x\0y", b"M"):
        with Connection(daemon.socket) as connection:
            if command not in (b"M", b"D"):
                connection.mail(f"<{USER}>", USER)
            connection.send(command, data)
            connection.socket.shutdown(socket.SHUT_WR)
            try:
                while connection.socket.recv(4096):
                    pass
            except ConnectionResetError:
                pass
    assert send(daemon)[0] == 250


def test_percent_sign_in_a_reply(daemon):
    """Sendmail takes replies for formats, so libmilter wants the sign doubled."""
    sender = "b%s%n1@relay.test"
    with Connection(daemon.socket) as connection:
        connection.mail(f"<{sender}>", sender)
        connection.recipient(f"<{PEER}>")
        connection.header(b"From", b" <other%d@relay.test>")
        connection.macros(b"N", {"i": "1"})
        connection.send(b"N")
        command, data = connection.receive()
    assert command == b"y"
    assert data == b"500 Invalid FROM <other%%d@relay.test> for <b%%s%%n1@relay.test>\0"


@pytest.mark.parametrize("sender", ["b" * 4000, "%" * 1500, "b" * 500 + "@relay.test", "\x01\x7f\n"])
def test_reply_to_an_odd_sender(daemon, sender):
    """Longer than a reply may be, or with bytes that no reply may have."""
    with Connection(daemon.socket) as connection:
        with pytest.raises(Reply) as refusal:
            connection.mail(f"<{sender}>", sender)
        assert refusal.value.code == 500
        assert len(refusal.value.text) < 980
        assert refusal.value.text.isprintable()
        connection.message(encrypted(), USER, [PEER], USER)


def test_internationalized_addresses(daemon):
    """SMTPUTF8: bytes of UTF-8 are bytes like others, and never in a reply."""
    sender = "b\u00fcro1@relay.test"
    message = messages.encrypted(USER, PEER).replace(USER.encode(), sender.encode())
    assert daemon.judge(message, sender, ["\u00e4@peer.test"], sender)[0] == 250
    code, text, log = daemon.judge(messages.encrypted(USER, PEER), sender, [PEER], sender)
    assert code == 500 and text.isascii()
    assert "b\u00fcro1" not in log


def test_large_message(daemon):
    assert send(daemon, encrypted(25_000_000))[0] == 250


# --- Many connections -----------------------------------------------------------------------------


def test_many_connections_at_once(daemon):
    """Each in the middle of a message, more than select() has descriptors for."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    connections = []
    try:
        for _ in range(1100):
            connection = Connection(daemon.socket)
            connections.append((connection, begin(connection, encrypted())))
        for connection, rest in connections:
            finish(connection, rest)
        # And all of them once more, from several threads.
        failures = []

        def again(part):
            for connection, _ in part:
                try:
                    connection.message(encrypted(), USER, [PEER], USER)
                except (Reply, OSError) as trouble:
                    failures.append(trouble)

        threads = [
            threading.Thread(target=again, args=(connections[start::8],)) for start in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
    finally:
        for connection, _ in connections:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


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
def test_bad_start(stopped, foreground, ini, options, complaint):
    stopped.configure(**ini)
    command = stopped.command(*options)
    if not foreground:
        command.remove("-f")
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert complaint in result.stderr


def test_background(stopped, tmp_path):
    """It listens when the starting process ends, and takes its socket away."""
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


def test_stack_of_threads():
    """musl gives a thread what the program's header asks for, or 128 KiB: little for GMime."""
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


def test_no_second_one_on_the_same_socket(daemon):
    result = subprocess.run(daemon.command(), capture_output=True, text=True, timeout=60)
    assert result.returncode == 1 and "another process listens there" in result.stderr
    assert send(daemon)[0] == 250


def test_no_second_one_with_the_same_pid_file(stopped, tmp_path):
    stopped.start("-p", tmp_path / "pid")
    result = subprocess.run(
        stopped.command("-p", tmp_path / "pid"), capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 1 and "runs already" in result.stderr
    assert send(stopped)[0] == 250


# --- Reload ---------------------------------------------------------------------------------------


def reload(daemon, message="configuration read again"):
    before = daemon.log().count(message)
    daemon.process.send_signal(signal.SIGHUP)
    eventually(lambda: daemon.log().count(message) > before)


def test_reload_takes_effect_and_disturbs_nobody(daemon):
    """A message under way is judged by what it began with, the next one on its connection by what
    is in force then."""
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


def test_reload_forgets_no_rate(daemon):
    daemon.configure(max_user_send_burst_size=1, max_user_send_per_minute=1, resolver="127.0.0.1@9")
    reload(daemon)
    assert send(daemon)[0] == 250
    assert send(daemon)[0] == 450
    reload(daemon)
    assert send(daemon)[0] == 450


def test_reload_of_a_bad_file_changes_nothing(daemon):
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


def test_hangup_signals_in_a_row(daemon):
    """libmilter takes SIGHUP for the end, if it gets it."""
    for _ in range(200):
        daemon.process.send_signal(signal.SIGHUP)
    reload(daemon)
    assert send(daemon)[0] == 250


# --- End ------------------------------------------------------------------------------------------


def gone(daemon):
    return not daemon.listens()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_finishes_messages(daemon, number):
    """Those under way end as usual; on the connections that are left no message begins."""
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
    assert "they are tried again" in daemon.log()


def test_restart_while_postfix_holds_connections(stopped):
    """What the old process left half done is refused or cut off, never accepted; new connections
    reach the new process."""
    stopped.start()
    with Connection(stopped.socket) as held:
        held.message(encrypted(), USER, [PEER], USER)
        assert stopped.stop() == 0
        stopped.start()
        with pytest.raises((ConnectionError, BrokenPipeError)):
            held.message(encrypted(), USER, [PEER], USER)
    assert send(stopped)[0] == 250


def test_kill_and_start_again(stopped, tmp_path):
    """The socket and the pid file it left are no hindrance."""
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


def test_one_line_for_a_refusal_and_none_for_the_rest(daemon):
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


def test_no_statistics_no_hindrance(stopped):
    """A run_dir that is not there is worth a warning."""
    stopped.configure(run_dir="/nonexistent", resolver="127.0.0.1@9")
    stopped.start()
    assert "warning" in stopped.log()
    assert send(stopped)[0] == 250


# --- Memory ---------------------------------------------------------------------------------------


def test_no_leak(tmp_path):
    """valgrind over every way a message can take."""
    daemon = new_daemon(tmp_path)
    report = tmp_path / "valgrind"
    daemon.start(
        wrapper=[
            "valgrind",
            "--leak-check=full",
            "--errors-for-leak-kinds=definite",
            "--error-exitcode=99",
            f"--log-file={report}",
        ]
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
