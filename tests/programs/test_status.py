"""chatmailctl status: its findings, as text and as JSON."""

import html
import json
import os
import pty
import re
import signal
import subprocess
from pathlib import Path

import pytest
from support.ports import free_ports
from support.tree import BUILD
from test_httpd import HTTPD, PATIENCE, count

CTL = BUILD / "ctl/chatmailctl"


class Place:
    """A chatmail.ini, its directories, and a Postfix queue."""

    def __init__(self, directory):
        self.directory = directory
        self.ini = directory / "chatmail.ini"
        self.mail = directory / "mail"
        self.queue = directory / "queue"
        self.mail.mkdir()
        self.queue.mkdir()
        self.configure()

    def configure(self, *lines):
        keys = {
            "mail_domain": "relay.test",
            "run_dir": self.directory,
            "mailboxes_dir": self.mail,
            "max_load_1m": 10000,
            "min_available_memory": "1M",
            "min_free_disk_space": "1M",
        }
        keys.update(line.split(" = ") for line in lines)
        self.ini.write_text("[params]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items()))

    def command(self, *options):
        return [CTL, "status", "-c", self.ini, "--quick", "--queue-directory", self.queue, *options]

    def run(self, *options):
        return subprocess.run(
            self.command(*options), capture_output=True, text=True, timeout=PATIENCE
        )

    def json(self):
        result = self.run("--json")
        assert result.stderr == ""
        return json.loads(result.stdout)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def metrics(status):
    return {(m["metric"], *sorted(m.get("labels", {}).values())): m for m in status["metrics"]}


def test_counters(place):
    count(place.directory, "LOGINS", 7, "VERDICT_OUT_ENCRYPTED", 12, "VERDICT_OUT_ARMOR", 3)
    count(place.directory, "REGISTRATION_LOAD", 2, *["MILTER_CHECK_MICROSECONDS", 300] * 9)
    count(place.directory, "MILTER_CHECK_MICROSECONDS", 70000, "EXPIRE_ACCOUNTS_LEFT", 99)
    count(place.directory, *["MILTER_MESSAGE_BYTES", 1000] * 9, "MILTER_MESSAGE_BYTES", 3_000_000)
    count(place.directory, "PUSH_QUEUE_AGE_SECONDS", 900)
    rows = metrics(place.json())
    assert rows[("chatmail_logins_total",)]["value"] == 7
    assert rows[("chatmail_milter_verdicts_total", "armor", "out")]["value"] == 3
    assert rows[("chatmail_milter_verdicts_total", "armor", "in")]["value"] == 0
    assert rows[("chatmail_registration_refusals_total", "load")]["value"] == 2
    assert rows[("chatmail_expire_accounts_left",)]["value"] == 99
    times = rows[("chatmail_milter_check_seconds",)]
    assert (times["count"], times["sum"]) == (10, pytest.approx(0.0727))
    assert times["p50"] == pytest.approx(0.000512)
    assert times["p99"] == pytest.approx(0.131072)
    assert rows[("chatmail_push_delay_seconds",)]["p50"] is None

    count(place.directory, "REGISTRATIONS", 9, "REGISTRATIONS_AUTOMATIC", 4, "REGISTRATIONS_WEB", 5)
    text = place.run().stdout
    for line in (
        "  created          9: automatic 4, web 5\n",
        "  out, accepted    12: encrypted 12\n",
        "  out, refused     3: armor 3\n",
        "  in, refused      0\n",
        "  logins           7\n",
        "  not created      2: load 2\n",
        "half within 512 us, 95 % within 131.1 ms",
        "  size             half up to 1.0 KiB, 95 % up to 4.0 MiB, 99 % up to 4.0 MiB\n",
        "  oldest waiting   15 min\n",
    ):
        assert line in text


def test_no_statistics(place):
    place.configure("run_dir = /nonexistent")
    result = place.run()
    assert "There are no statistics: /nonexistent/stats: cannot be mapped" in result.stdout
    assert place.json()["metrics"] is None


@pytest.mark.parametrize(
    "line, state, why",
    [
        ("registration = open", "open", ""),
        ("registration = invite", "invite", "registration = invite"),
        ("registration = closed", "closed", "registration = closed"),
        ("min_free_disk_space = 999999G", "closed", "min_free_disk_space = 999999G is not met: "),
        ("min_available_memory = 999999G", "closed", "min_available_memory = 999999G is not met: "),
        # As after a boot that did not create run_dir: every registration is refused.
        ("run_dir = /nonexistent", "closed", "/nonexistent/limits: cannot be mapped: No such file"),
    ],
)
def test_registration(place, line, state, why):
    if Path("/etc/chatmail-nocreate").exists():
        pytest.skip("this machine has /etc/chatmail-nocreate")
    place.configure(line)
    registration = place.json()["registration"]
    assert registration["state"] == state
    assert registration["why"].startswith(why) and bool(registration["why"]) == bool(why)


def test_queues(place):
    for name in ("active/1", "incoming/2", "maildrop/3", "deferred/A/4", "deferred/B/0/5", "hold/6"):
        file = place.queue / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    pending = place.mail / "pending_notifications"
    pending.mkdir()
    for name in ("a", "b", ".tmp.c"):
        (pending / name).touch()
    queues = place.json()["queues"]
    assert queues == {"postfix_active": 3, "postfix_deferred": 2, "postfix_hold": 1, "push": 2}
    text = place.run().stdout
    assert "waiting 2" in text


def test_unreadable_queue(place):
    place.queue.rmdir()
    queues = place.json()["queues"]
    assert queues == {
        "postfix_active": None,
        "postfix_deferred": None,
        "postfix_hold": None,
        "push": 0,
    }


def test_disk(place):
    space = os.statvfs(place.mail)
    disk = place.json()["disk"]
    assert disk["size"] == space.f_blocks * space.f_frsize
    assert 0 < disk["free"] <= disk["size"]
    assert (disk["inodes_free"] is None) == (space.f_files == 0)
    place.mail.rmdir()
    assert place.json()["disk"] == {"free": None, "size": None, "inodes_free": None}
    assert f"{place.mail} cannot be examined" in place.run().stdout


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a namespace of processes")
def test_programs(place):
    """In its own PID namespace, where only the programs of this test run."""
    place.configure(f"metrics_listen = 127.0.0.1:{free_ports(1)[0]}", "web_listen = ", "mxdeliv_listen = ")
    master = place.directory / "postfix" / "master"
    stranger = place.directory / "elsewhere" / "master"
    for copy in (master, stranger):
        copy.parent.mkdir()
        copy.write_bytes(Path("/bin/sleep").read_bytes())
        copy.chmod(0o755)
    script = f"""
        {" ".join(map(str, place.command("--json")))} >{place.directory}/before && exit 9
        {stranger} 1000 & {HTTPD} -f -c {place.ini} -u root 2>/dev/null & httpd=$!
        {master} 1000 & master=$!
        until grep -q httpd /proc/$httpd/cmdline && grep -q master /proc/$master/cmdline; do :; done
        {" ".join(map(str, place.command("--json")))} >{place.directory}/after
        echo $httpd $master
    """
    result = subprocess.run(
        ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", script],
        capture_output=True, text=True, timeout=PATIENCE, check=True,
    )  # fmt: skip
    before = json.loads((place.directory / "before").read_text())
    assert before["good"] is False
    states = {name: p["state"] for name, p in before["programs"].items()}
    for name in ("opendkim", "coturn", "iroh-relay"):
        assert states.pop(name) == "off"
    assert set(states.values()) == {"stopped"}
    httpd, master = map(int, result.stdout.split())
    after = json.loads((place.directory / "after").read_text())
    assert after["programs"]["httpd"] == {"state": "running", "pid": httpd}
    assert after["programs"]["postfix"] == {"state": "running", "pid": master}
    assert after["programs"]["milter"] == {"state": "stopped"}


def test_disabled_services_are_no_fault(place):
    place.configure("mail_domain = 192.0.2.1", "web_listen = ", "mxdeliv_listen = ")
    # Other relays may run on this machine, so only "stopped" would be wrong here.
    programs = place.json()["programs"]
    assert programs["httpd"]["state"] in ("off", "running")
    assert programs["opendkim"]["state"] in ("off", "running")


def test_colour_on_a_terminal_only(place):
    assert "\033" not in place.run().stdout
    cases = (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False))
    for environment, coloured in cases:
        main, terminal = pty.openpty()
        subprocess.run(
            place.command(), stdout=terminal, timeout=PATIENCE,
            env={k: v for k, v in os.environ.items() if k != "NO_COLOR"}
            | {"TERM": "xterm"}
            | environment,
        )  # fmt: skip
        os.close(terminal)
        assert ("\033" in read_terminal(main)) == coloured


def read_terminal(main):
    text = ""
    try:
        while part := os.read(main, 65536).decode():
            text += part
    except OSError:  # EIO: the other end is closed
        pass
    os.close(main)
    return text


@pytest.mark.parametrize(
    "command",
    [
        [CTL, "status", "-c"],
        [CTL, "status", "--json", "-c"],
        [CTL, "report", "-c"],
        [BUILD / "services/expire/chatmail-expire", "-c"],
        ["stdbuf", "-o0", BUILD / "services/expire/chatmail-expire", "-c"],
    ],
    ids=lambda command: "-".join([getattr(word, "name", word) for word in command[:-1]]),
)
def test_lost_output_is_an_error(place, command):
    """If it is lost before the end, as without a buffer or on musl, the reason is unknown then."""
    with open("/dev/full", "w") as full:
        result = subprocess.run([*command, place.ini], stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 2
    lost = ": cannot write the output: (No space left on device|a write failed)$"
    assert re.search(lost, result.stderr, re.M), result.stderr


def test_usage_errors(place):
    result = subprocess.run([CTL, "status", "--help"], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("usage: chatmailctl status ")
    wrong = place.run("--wat")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("chatmailctl status: ")
    assert wrong.stderr.endswith("Try chatmailctl status --help\n")
    assert place.run("extra").returncode == 2
    place.ini.unlink()
    result = place.run()
    assert result.returncode == 2
    assert str(place.ini) in result.stderr


def test_page_for_browsers(place, tmp_path):
    """The page shows the same checks as the text, and is replaced as a whole."""
    page = tmp_path / "status.html"
    page.write_text("an old page")
    result = place.run("--html", page)
    assert result.returncode == 1 and result.stderr == ""
    text = page.read_text()
    assert "an old page" not in text and text.rstrip().endswith("</html>")
    assert "<script" not in text
    for check in place.json()["checks"]:
        assert html.escape(check["title"]) in text
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("status")] == ["status.html"]


def test_page_that_cannot_be_written(place):
    result = place.run("--html", "/nonexistent/status.html")
    assert result.returncode == 2
    assert "/nonexistent/status.html: cannot be" in result.stderr


def test_watch_repeats_until_interrupted(place):
    command = place.command("--watch", "1", "--json")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        reports = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    assert all(report["checks"] for report in reports)


def test_only_some_subjects(place):
    """The container's healthcheck: what a restart cannot repair does not count."""
    everything = {check["subject"] for check in place.json()["checks"]}
    assert everything == {"Programs", "Mail", "Machine"}
    some = json.loads(place.run("--json", "--only", "mail", "--only", "machine").stdout)
    assert {check["subject"] for check in some["checks"]} == {"Mail", "Machine"}
    assert "  Postfix  " in place.run("--only", "programs").stdout
    assert "  Postfix  " not in place.run("--only", "machine").stdout
    wrong = place.run("--only", "weather")
    assert wrong.returncode == 2 and "must be programs, ports" in wrong.stderr
