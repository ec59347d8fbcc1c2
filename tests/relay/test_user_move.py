"""chatmailctl user move: an account changes its machine while mail for it arrives."""

import subprocess
import threading
import time

import pytest

from support.cluster import Cluster
from support.imap import get_metadata, set_metadata
from support.messages import encrypted
from support.network import network_of
from support.relay import LAUNCHER

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
# As a client of ssh that an operator has set up.
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
    # And back, and to where it is.
    for _ in range(2):
        assert move(cluster, account, old).returncode == 0
        assert place_of(cluster, account) == old
        assert cluster.front.messages(account, 5) == before


def test_nothing_is_lost_under_delivery(cluster):
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


def test_an_interrupted_move_is_completed(cluster):
    sender, account = cluster.front.registered(), cluster.front.registered()
    cluster.front.deliver(sender.address, account.address, encrypted(sender.address, account.address))
    old = place_of(cluster, account)
    link = cluster.front.path(f"/home/vmail/mail/{cluster.front.domain}/moved/{account.address}")
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(f"-{old}")
    # Nobody gets in, and no mail bounces.
    with pytest.raises(Exception, match="UNAVAILABLE|SERVERBUG|temporarily"):
        cluster.front.imap(account)
    assert move(cluster, account, other(cluster, old)).returncode == 0
    assert place_of(cluster, account) == other(cluster, old)
    assert len(cluster.front.messages(account, 1)) == 1


def test_refusals(cluster):
    account = cluster.front.registered()
    done = move(cluster, account, "10.0.0.99")
    assert done.returncode != 0 and "10.0.0.99: not in backends" in done.stderr
    done = move(cluster, cluster.front.account(), next(iter(cluster.backends)))
    assert done.returncode != 0
    backend = next(iter(cluster.backends.values()))
    done = backend.inside("chatmailctl", "user", "move", account.address, "10.0.0.11", check=False)
    assert done.returncode != 0 and "this is no front" in done.stderr


def test_a_move_that_fails_changes_nothing(cluster):
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
