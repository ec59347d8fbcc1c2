"""chatmailctl user move: an account moves to another machine while mail for it arrives."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.cluster import Cluster
from support.imap import get_metadata, set_metadata
from support.messages import encrypted
from support.network import network_of
from support.relay import LAUNCHER
from support.wait import eventually

TOKEN = "/private/devicetoken"
SSHD = """
Port 22
HostKey /etc/ssh/host_key
AuthorizedKeysFile /etc/ssh/key.pub
StrictModes no
PermitRootLogin yes
UsePAM no
PidFile none
"""
# As an ssh client that an operator has configured.
RSH = ("ssh -q -i /etc/ssh/key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
       "-o BatchMode=yes")  # fmt: skip


@pytest.fixture(scope="module")
def cluster(stages, tmp_path_factory):
    directory = tmp_path_factory.mktemp("cluster")
    made = Cluster(stages, directory, 2)
    ssh = made.etc / "ssh"
    ssh.mkdir(exist_ok=True)
    for name in ("key", "host_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", ssh / name], check=True)
    (ssh / "sshd_config").write_text(SSHD)
    made.start()
    servers = []
    for relay in made.backends.values():
        relay.inside("mkdir", "-p", "/run/sshd")
        servers.append(
            subprocess.Popen(
                [*relay.entrance, LAUNCHER, "exec", relay.home, "/usr/sbin/sshd", "-D", "-e",
                 "-f", "/etc/ssh/sshd_config"]
            )  # fmt: skip
        )
    yield made
    for server in servers:
        server.kill()
        server.wait()
    made.stop()


@pytest.fixture(autouse=True)
def at_the_front(cluster):
    with network_of(cluster.hosts[0].process.pid):
        yield


def move(cluster, account, backend):
    return cluster.front.inside(
        "chatmailctl", "user", "move", "--rsh", RSH, account.address, backend, check=False
    )


def other(cluster, place):
    return next(address for address in cluster.backends if address != place)


def place_of(cluster, account):
    [place] = cluster.places()[account.address]
    return place


def test_everything_moves(cluster):
    sender, account = cluster.front.registered(), cluster.front.registered()
    client = cluster.front.imap(account, select=True)
    assert set_metadata(client, "INBOX", TOKEN, "a-device")[0] == "OK"
    client.create("Archive")
    client.logout()
    messages = [encrypted(sender.address, account.address) for _ in range(5)]
    for message in messages:
        cluster.front.deliver(sender.address, account.address, message)
    before = cluster.front.messages(account, 5)
    old = place_of(cluster, account)
    done = move(cluster, account, other(cluster, old))
    assert (done.returncode, done.stderr) == (0, "")
    assert place_of(cluster, account) == other(cluster, old)
    assert cluster.front.messages(account, 5) == before
    client = cluster.front.imap(account)
    assert get_metadata(client, "INBOX", [TOKEN])[TOKEN] == "a-device"
    assert any(b"Archive" in line for line in client.list()[1])
    client.logout()
    # And back, and to the machine where it is.
    for _ in range(2):
        assert move(cluster, account, old).returncode == 0
        assert place_of(cluster, account) == old
        assert cluster.front.messages(account, 5) == before


def test_no_mail_is_lost_during_a_move(cluster):
    sender, account = cluster.front.registered(), cluster.front.registered()
    stop = threading.Event()
    sent = []

    def send():
        with network_of(cluster.hosts[0].process.pid):
            while not stop.is_set():
                message = encrypted(sender.address, account.address)
                assert cluster.front.send(sender, account.address, message)[0] == 250
                sent.append(message_id(message))

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            time.sleep(2)
            done = move(cluster, account, other(cluster, place_of(cluster, account)))
            assert (done.returncode, done.stderr) == (0, "")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    cluster.front.inside("postqueue", "-f")
    found = [message_id(text) for text in cluster.front.messages(account, len(sent), timeout=180)]
    assert sorted(found) == sorted(sent)


def message_id(message):
    text = message if isinstance(message, bytes) else message.encode()
    [line] = [line for line in text.splitlines() if line.lower().startswith(b"message-id:")]
    return line.split()[1]


def descendants(root):
    """{pid: name} of a process and its children."""
    children, names = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, fields = stat.read_text().rsplit(")", 1)
            pid = int(stat.parent.name)
            names[pid] = name.partition("(")[2]
            children.setdefault(int(fields.split()[1]), []).append(pid)
    found, waiting = {}, [root]
    while waiting:
        pid = waiting.pop()
        found[pid] = names.get(pid, "")
        waiting += children.get(pid, [])
    return found


def writes_to(process, account):
    with contextlib.suppress(OSError):
        return any(
            f"{account.address}/tmp/" in os.readlink(fd) for fd in Path(f"/proc/{process}/fd").iterdir()
        )
    return False


def stop_a_delivery(cluster, sender, account, backend):
    """Stops the process of the backend's LMTP that writes a message; (its PID, the Message-ID)."""
    for _ in range(40):
        message = encrypted(sender.address, account.address, size=12_000_000)
        assert cluster.front.send(sender, account.address, message)[0] == 250
        while cluster.front.queue():
            if not any(backend.mailbox(account).glob("tmp/*")):
                continue
            for process, name in descendants(backend.process.pid).items():
                if name == "lmtp" and writes_to(process, account):
                    os.kill(process, signal.SIGSTOP)
                    if any(backend.mailbox(account).glob("tmp/*")) and cluster.front.queue():
                        return process, message_id(message)
                    os.kill(process, signal.SIGCONT)
    raise AssertionError("each delivery was over before it could be stopped")


def test_a_slow_delivery_is_not_lost(cluster):
    sender, account = cluster.front.registered(), cluster.front.registered()
    old = place_of(cluster, account)
    new = other(cluster, old)
    moved = cluster.front.path(f"/home/vmail/mail/{cluster.front.domain}/moved/{account.address}")
    writer, late = stop_a_delivery(cluster, sender, account, cluster.backends[old])
    try:
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(move_from_thread, cluster, account, new)
            # The front uses the new backend, and the old one still has the account.
            eventually(lambda: moved.is_symlink() and os.readlink(moved) == new, timeout=120)
            time.sleep(8)
            assert not done.done() and old in cluster.places()[account.address]
            os.kill(writer, signal.SIGCONT)
            assert (done.result().returncode, done.result().stderr) == (0, "")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(writer, signal.SIGCONT)
    assert place_of(cluster, account) == new
    assert late in [message_id(text) for text in cluster.front.messages(account, 1)]


def move_from_thread(*arguments):
    with network_of(arguments[0].hosts[0].process.pid):
        return move(*arguments)


def test_an_interrupted_move_is_completed(cluster):
    sender, account = cluster.front.registered(), cluster.front.registered()
    cluster.front.deliver(sender.address, account.address, encrypted(sender.address, account.address))
    old = place_of(cluster, account)
    link = cluster.front.path(f"/home/vmail/mail/{cluster.front.domain}/moved/{account.address}")
    link.parent.mkdir(exist_ok=True)
    owner = link.parent.parent.stat()
    os.chown(link.parent, owner.st_uid, owner.st_gid)
    link.symlink_to(f"-{old}")
    # No login succeeds, and no mail bounces.
    with pytest.raises(Exception, match="UNAVAILABLE|SERVERBUG|temporarily"):
        cluster.front.imap(account)
    assert move(cluster, account, other(cluster, old)).returncode == 0
    assert place_of(cluster, account) == other(cluster, old)
    assert len(cluster.front.messages(account, 1)) == 1


def test_invalid_moves_are_refused(cluster):
    account = cluster.front.registered()
    done = move(cluster, account, "10.0.0.99")
    assert done.returncode != 0 and "10.0.0.99: not in backends" in done.stderr
    done = move(cluster, cluster.front.account(), next(iter(cluster.backends)))
    assert done.returncode != 0
    backend = next(iter(cluster.backends.values()))
    done = backend.inside("chatmailctl", "user", "move", account.address, "10.0.0.11", check=False)
    assert done.returncode != 0 and "this is not a front" in done.stderr


def test_a_failed_move_changes_nothing(cluster):
    sender, account = cluster.front.registered(), cluster.front.registered()
    old = place_of(cluster, account)
    new = other(cluster, old)
    cluster.front.deliver(sender.address, account.address, encrypted(sender.address, account.address))
    cluster.backends[new].stop_service("dovecot")
    try:
        done = move(cluster, account, new)
        assert done.returncode != 0 and new in done.stderr
        assert len(cluster.front.messages(account, 1)) == 1
    finally:
        cluster.backends[new].start_service("dovecot")
    assert move(cluster, account, new).returncode == 0
    assert place_of(cluster, account) == new
    assert len(cluster.front.messages(account, 1)) == 1
