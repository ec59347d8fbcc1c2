"""packaging/demo as a new user runs it: a client opens the link that it prints."""

import hashlib
import http.client
import json
import re
import signal
import subprocess
from pathlib import Path

import pytest

from support.relay import Dovecot, trusting
from support.tree import SOURCE
from support.wait import eventually


def digest(directory):
    """{name: content} of the files below a directory."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path(directory).rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def processes_about(path):
    """Processes whose command line contains the path."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(path).encode() in (process / "cmdline").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return found


class Demo:
    """A running demo and its output."""

    def __init__(self, output):
        self.output = output
        with open(output, "wb") as stream:
            self.process = subprocess.Popen(
                [SOURCE / "packaging" / "demo"],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
                # A restrictive umask, as some administrators have.
                umask=0o077,
            )

    def printed(self, pattern, timeout=30):
        """The match of the pattern in the output, as soon as there is one."""

        def found():
            ended = self.process.poll() is not None
            match = re.search(pattern, self.output.read_text(), re.M)
            assert match or not ended, self.output.read_text()
            return match

        return eventually(found, timeout, message=f"{pattern} was not printed")

    def files(self):
        """The directory of the relay, once it runs."""
        self.printed("Ctrl-C ends", 600)
        files = Path(self.printed(r"files +(\S+)").group(1))
        assert files.is_dir()
        assert processes_about(files)
        return files


@pytest.fixture
def start_demo(request, tmp_path):
    """Starts a demo; all of them end with the test."""
    if Dovecot(request.config.getoption("--dovecot")).root is not None:
        pytest.skip("the demo runs the machine's own Dovecot")
    demos = []

    def start():
        demos.append(Demo(tmp_path / f"output-{len(demos)}"))
        return demos[-1]

    yield start
    for demo in demos:
        if demo.process.poll() is None:
            demo.process.terminate()
            demo.process.wait(60)


def test_the_next_demo_removes_a_killed_one(start_demo):
    killed = start_demo()
    left = killed.files()
    # Not earlier: each demo takes ports that are free at its start.
    kept = start_demo().files()
    killed.process.kill()
    killed.process.wait()
    eventually(lambda: not processes_about(left), message="its processes outlive a killed demo")
    assert left.is_dir()
    start_demo().printed("^Building", 600)
    assert not left.parent.exists()
    assert kept.is_dir()


def test_a_demo_that_ends_while_it_starts_leaves_nothing(start_demo):
    def starting():
        return set((SOURCE / "build").glob("demo-relay.*/relay/etc*"))

    others = starting()
    demo = start_demo()
    [etc, *_] = eventually(lambda: starting() - others, 600, message="it did not start a relay")
    demo.process.terminate()
    assert demo.process.wait(60) == 0
    assert not etc.parent.parent.exists()
    eventually(lambda: not processes_about(etc.parent), message="its processes outlive it")


def test_the_link_works_and_the_demo_leaves_nothing(core, start_demo):
    machine = {name: digest(name) for name in ("/etc/postfix", "/etc/dovecot")}
    homes = sorted(Path("/home").iterdir())
    demo = start_demo()
    files = demo.files()
    address = demo.printed(r"^dclogin:\S+$").group()
    assert "█" in demo.output.read_text()

    account = core.accounts.add_account()
    account.add_transport_from_qr(address)
    assert account.is_configured()
    demo.printed("(?is)Ctrl-C ends.*login")

    # The page's button works, too.
    page = demo.printed(r"https://127\.0\.0\.1:(\d+)/$")
    client = http.client.HTTPSConnection("127.0.0.1", int(page.group(1)), context=trusting(), timeout=60)
    client.request("GET", "/")
    assert 'href="/new"' in client.getresponse().read().decode()
    client.request("GET", "/new")
    account = core.accounts.add_account()
    account.add_transport_from_qr(client.getresponse().headers["Location"])
    assert account.is_configured()
    client.close()

    command = demo.printed(r"^packaging/private-relay exec \S+ chatmailctl status --quick$").group()
    status = subprocess.run(command.split(), cwd=SOURCE, capture_output=True, text=True)
    assert (status.returncode in (0, 1), status.stderr) == (True, "")
    done = subprocess.run([*command.split(), "--json"], cwd=SOURCE, capture_output=True, text=True)
    checks = json.loads(done.stdout)["checks"]
    # Many machines have the kernel's default of inotify instances.
    faults = {check["check"] for check in checks if check["health"] == "fault"} - {"inotify"}
    assert checks and not faults, done.stdout
    assert re.search(r"^  created +2\b", status.stdout, re.M), status.stdout

    demo.process.send_signal(signal.SIGINT)
    demo.printed("Ending the relay")
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(60) == 0
    assert not files.parent.exists()
    for directory, before in machine.items():
        assert digest(directory) == before
    assert sorted(Path("/home").iterdir()) == homes
    assert processes_about(files) == []
