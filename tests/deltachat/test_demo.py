"""packaging/demo as a new user runs it: a client opens the link that it prints."""

import hashlib
import re
import signal
import subprocess
from pathlib import Path

import pytest

from support.relay import SOURCE
from support.wait import eventually


def digest(directory):
    """What the files below a directory are, by name."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path(directory).rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def processes_about(path):
    """Processes whose command line names the path."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(path).encode() in (process / "cmdline").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return found


@pytest.fixture
def demo(tmp_path):
    """The running program and what it prints."""
    output = tmp_path / "output"
    with open(output, "wb") as stream:
        process = subprocess.Popen(
            [SOURCE / "packaging" / "demo"],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            # As in a terminal, even if whoever started the tests ignores it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    yield process, output
    if process.poll() is None:
        process.terminate()
        process.wait(30)


def test_link_works_and_nothing_is_left(request, core, demo):
    if request.config.getoption("--dovecot") != "2.3":
        pytest.skip("the demo runs the machine's own Dovecot")
    machine = {name: digest(name) for name in ("/etc/postfix", "/etc/dovecot")}
    homes = sorted(Path("/home").iterdir())
    process, output = demo

    def link():
        assert process.poll() is None, output.read_text()
        return re.search(r"^dclogin:\S+$", output.read_text(), re.M)

    address = eventually(link, 600, message="no link was printed").group()
    eventually(lambda: "Ctrl-C ends" in output.read_text())
    assert "█" in output.read_text()
    files = Path(re.search(r"files +(\S+)", output.read_text()).group(1))
    assert files.is_dir()
    assert processes_about(files)

    account = core.accounts.add_account()
    account.add_transport_from_qr(address)
    assert account.is_configured()
    eventually(lambda: "login" in output.read_text().lower().split("ctrl-c ends")[1])

    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert not files.parent.exists()
    for directory, before in machine.items():
        assert digest(directory) == before
    assert sorted(Path("/home").iterdir()) == homes
    assert processes_about(files) == []
