"""chatmailctl user move: an account moves to another machine while mail for it arrives, also through
a front that knows nothing of the move."""

import contextlib
import imaplib
import json
import os
import signal
import smtplib
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

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
SSH = ("ssh -q -i /etc/ssh/key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
       "-o BatchMode=yes -o ControlMaster=auto -o ControlPath=/run/ssh-%h -o ControlPersist=60")  # fmt: skip
# Counts its runs. Waits before the run in the file "wait", until the file disappears. Run number
# "lost" is the last one: its command runs, but its result and later ones are lost.
RSH = f"""#!/bin/sh
cd /etc/ssh
echo >>runs
number=$(wc -l <runs)
while [ -e wait ] && [ "$(cat wait)" = "$number" ]; do
	touch waiting
	sleep 0.2
done
lost=$(cat lost 2>/dev/null)
[ -z "$lost" ] || [ "$number" -le "$lost" ] || exit 255
{SSH} "$@" || exit
[ "$number" != "$lost" ]
"""
# The run after which the old copy is blocked.
BLOCKS = 6

pytestmark = pytest.mark.usefixtures("at_the_front")


@pytest.fixture(scope="module")
def cluster(make_cluster):
    made = make_cluster(2, fronts=2)
    ssh = made.etc / "ssh"
    ssh.mkdir(exist_ok=True)
    for name in ("key", "host_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", ssh / name], check=True)
    (ssh / "sshd_config").write_text(SSHD)
    (ssh / "rsh").write_text(RSH)
    (ssh / "rsh").chmod(0o755)
    made.start()
    servers = []
    for relay in (*made.backends.values(), made.front_relays[1]):
        relay.inside("mkdir", "-p", "/run/sshd")
        # bash, started by sshd, would run the one of this machine's root.
        relay.inside("sh", "-c", "[ ! -e ~root/.bashrc ] || mount --bind /dev/null ~root/.bashrc")
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


def move(cluster, account, backend, rsh="/etc/ssh/rsh", **files):
    """files: what the script has to read."""
    ssh = cluster.front.path("/etc/ssh")
    for name in ("runs", "wait", "waiting", "lost"):
        (ssh / name).unlink(missing_ok=True)
    for name, text in files.items():
        (ssh / name).write_text(f"{text}\n")
    with network_of(cluster.hosts[0].process.pid):
        return cluster.front.inside(
            "chatmailctl", "user", "move", "--json", "--rsh", rsh, account.address, backend, check=False
        )


def complaints(done):
    """Its errors, unless other tests use the machine's inotify instances meanwhile."""
    lines = done.stderr.splitlines(keepends=True)
    return "".join(line for line in lines if "Inotify instance limit" not in line)


@contextlib.contextmanager
def at_the_other_front(cluster):
    with network_of(cluster.hosts[1].process.pid):
        yield cluster.front_relays[1]


def at_each_front(cluster):
    yield cluster.front
    with at_the_other_front(cluster) as front:
        yield front


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
    assert (done.returncode, complaints(done)) == (0, "")
    assert json.loads(done.stdout) == {"address": account.address, "backend": other(cluster, old)}
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


def test_a_blocked_account_moves(cluster):
    sender, account = cluster.front.registered(), cluster.front.registered()
    cluster.front.deliver("", account.address, encrypted(sender.address, account.address))
    before = cluster.front.messages(account)
    old = place_of(cluster, account)
    new = other(cluster, old)
    cluster.backends[old].inside("chatmailctl", "user", "block", account.address)
    done = move(cluster, account, new)
    assert (done.returncode, complaints(done)) == (0, "")
    assert place_of(cluster, account) == new
    with pytest.raises(imaplib.IMAP4.error):
        cluster.front.imap(account)
    cluster.backends[new].inside("chatmailctl", "user", "unblock", account.address)
    assert cluster.front.messages(account) == before


def test_the_command_may_have_any_number_of_words(cluster):
    account = cluster.front.registered()
    new = other(cluster, place_of(cluster, account))
    done = move(cluster, account, new, rsh=f"env {'X=1 ' * 40} /etc/ssh/rsh")
    assert (done.returncode, complaints(done)) == (0, "")
    assert place_of(cluster, account) == new


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
    """Its message must not get into the old copy after the last look at that."""
    sender, account = cluster.front.registered(), cluster.front.registered()
    old = place_of(cluster, account)
    new = other(cluster, old)
    writer, late = stop_a_delivery(cluster, sender, account, cluster.backends[old])
    try:
        done = move(cluster, account, new)
        assert (done.returncode, complaints(done)) == (0, "")
        assert place_of(cluster, account) == new
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(writer, signal.SIGCONT)
    flush(cluster)
    assert [message_id(text) for text in cluster.front.messages(account, 1)].count(late) == 1
    assert place_of(cluster, account) == new


def flush(cluster):
    """Delivers all mail that waits."""

    def empty():
        queue = cluster.front.queue() + cluster.front_relays[1].queue()
        for relay in cluster.front_relays:
            relay.inside("postqueue", "-f")
        return not queue

    eventually(empty, 120)


def refuses_for_a_while(front, account):
    with pytest.raises(imaplib.IMAP4.error, match=r"\[(UNAVAILABLE|SERVERBUG)\]"):
        front.imap(account)
    with pytest.raises(smtplib.SMTPAuthenticationError) as refusal, front.submission(account):
        pass
    assert refusal.value.smtp_code // 100 == 4
    [(code, _)] = front.deliver("", account.address, encrypted("", account.address)).values()
    assert code // 100 == 4


def test_no_front_uses_an_account_that_is_blocked(cluster):
    sender, account = cluster.front.registered(), cluster.front.registered()
    old = place_of(cluster, account)
    new = other(cluster, old)
    sent = []
    with ThreadPoolExecutor(1) as pool:
        try:
            done = pool.submit(move, cluster, account, new, wait=BLOCKS + 1)
            eventually(lambda: cluster.front.path("/etc/ssh/waiting").exists(), 120)
            # Backends know which copy is which; the other front has no record.
            assert link_of(cluster.backends[old], account) == new
            assert link_of(cluster.backends[new], account) == f"-{old}"
            assert link_of(cluster.front_relays[1], account) is None
            for front in at_each_front(cluster):
                refuses_for_a_while(front, account)
                message = encrypted(sender.address, account.address)
                assert front.send(sender, account.address, message)[0] == 250
                sent.append(message_id(message))
        finally:
            cluster.front.path("/etc/ssh/wait").unlink(missing_ok=True)
        assert (done.result().returncode, complaints(done.result())) == (0, "")
    flush(cluster)
    for front in at_each_front(cluster):
        assert sorted(message_id(text) for text in front.messages(account, 2)) == sorted(sent)
        with front.submission(account):
            pass
    # The old backend may still be asked.
    with network_of(cluster.hosts[0].process.pid), smtplib.LMTP(old, 10024, timeout=60) as client:
        client.mail("")
        assert client.rcpt(account.address)[0] == 451


def link_of(relay, account):
    with contextlib.suppress(FileNotFoundError):
        return os.readlink(relay.path(f"/home/vmail/mail/{relay.domain}/moved/{account.address}"))
    return None


def test_a_move_to_and_fro_under_mail_through_both_fronts(cluster):
    """Nothing is lost or doubled, whichever front it comes through; refused logins are temporary."""
    sender, account = cluster.front.registered(), cluster.front.registered()
    stop, sent, wrong = threading.Event(), [], []

    def work(host, front, step):
        with network_of(host.process.pid):
            while not stop.is_set():
                step(front)

    def send(front):
        message = encrypted(sender.address, account.address)
        if front.send(sender, account.address, message)[0] == 250:
            sent.append(message_id(message))

    def log_in(front):
        try:
            front.imap(account).logout()
        except imaplib.IMAP4.error as refusal:
            if "[UNAVAILABLE]" not in str(refusal) and "[SERVERBUG]" not in str(refusal):
                wrong.append(str(refusal))

    with ThreadPoolExecutor(4) as pool:
        works = [
            pool.submit(work, host, front, step)
            for host, front in zip(cluster.hosts, cluster.front_relays)
            for step in (send, log_in)
        ]
        try:
            for _ in range(4):
                done = move(cluster, account, other(cluster, place_of(cluster, account)))
                assert (done.returncode, complaints(done)) == (0, "")
        finally:
            stop.set()
        for one in works:
            one.result()
    assert not wrong
    flush(cluster)
    for front in at_each_front(cluster):
        found = [message_id(text) for text in front.messages(account, len(sent), timeout=60)]
        assert sorted(found) == sorted(sent)


def test_a_move_that_ends_at_any_step_is_completed(cluster):
    """Or undone, every other time."""
    sender, account = cluster.front.registered(), cluster.front.registered()
    sent, step, done = [], 0, None
    while done is None or done.returncode != 0:
        step += 1
        old = place_of(cluster, account)
        new = other(cluster, old)
        done = move(cluster, account, new, lost=step)
        for front in at_each_front(cluster):
            message = encrypted(sender.address, account.address)
            assert front.send(sender, account.address, message)[0] == 250
            sent.append(message_id(message))
        chosen = new if step % 2 else old
        again = move(cluster, account, chosen)
        assert (again.returncode, complaints(again)) == (0, ""), step
        assert place_of(cluster, account) == chosen
        flush(cluster)
        for front in at_each_front(cluster):
            assert sorted(map(message_id, front.messages(account, len(sent)))) == sorted(sent), step
    assert step > BLOCKS


def test_fronts_that_do_not_search_know_the_new_place(cluster):
    """One of the two places is not that of the hash, so that they find it only by a record."""
    sender, account = cluster.front.registered(), cluster.front.registered()
    cluster.set_backends(cluster.backends, search=False)
    try:
        for count in (1, 2):
            done = move(cluster, account, other(cluster, place_of(cluster, account)))
            assert (done.returncode, complaints(done)) == (0, "")
            for front in at_each_front(cluster):
                assert not front.deliver("", account.address, encrypted("", account.address))
                front.imap(account).logout()
            assert len(cluster.front.messages(account, 2 * count)) == 2 * count
    finally:
        cluster.set_backends(cluster.backends)
    assert len(cluster.places()[account.address]) == len(cluster.places()[sender.address]) == 1


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


@pytest.mark.parametrize("what", ["mailbox", "record"])
def test_root_follows_no_link_of_the_mailboxes_owner(cluster, what):
    """Root gave the link's target to vmail."""
    account = cluster.front.registered()
    old = place_of(cluster, account)
    new = cluster.backends[other(cluster, old)]
    mailbox = new.mailbox(account)
    path = mailbox if what == "mailbox" else mailbox.parent / "moved"
    new.inside("mkdir", "-p", "/etc/secret")
    secret = new.path("/etc/secret")
    aside = path.with_name(".aside")
    if path.exists():
        path.rename(aside)
    path.symlink_to("/etc/secret")
    try:
        assert move(cluster, account, other(cluster, old)).returncode != 0
        assert secret.stat().st_uid == 0 and not os.listdir(secret)
    finally:
        path.unlink()
        if aside.exists():
            aside.rename(path)
    assert move(cluster, account, other(cluster, old)).returncode == 0
    assert place_of(cluster, account) == other(cluster, old)
