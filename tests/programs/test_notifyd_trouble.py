"""chatmail-notifyd in difficulties: a service that fails and recovers, its own death, the limits
of the machine. No notification is lost, and none is repeated without need."""

import collections
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import pytest

from support.notifyd import Notifyd, retry_state, tokens
from support.push_service import HANG, Nghttpx, Nginx
from support.wait import eventually
from support.valgrind import valgrind


def test_retry_after_is_respected(notifyd, backend):
    backend.answer = lambda token: (429, {"Retry-After": "12"})
    notifyd.add("openpgp:a")
    eventually(lambda: "holding back" in notifyd.log())
    backend.answer = lambda token: 200
    notifyd.add("openpgp:b")
    notifyd.wait_until_empty()
    assert min(backend.times("openpgp:b")) - backend.times("openpgp:a")[0] >= 12


def test_server_restarts_in_the_middle(make_notifyd, backend, certificate, tmp_path):
    wanted = tokens(3000)
    server = Nghttpx(tmp_path, backend, certificate).start()
    notifyd = make_notifyd(server.url).start()
    feeder = threading.Thread(target=feed, args=(notifyd, wanted, 6))
    feeder.start()
    for number in (signal.SIGKILL, signal.SIGQUIT, signal.SIGTERM):
        time.sleep(1.5)
        # QUIT is graceful: GOAWAY, then the end when the last client has disconnected
        server.stop(number)
        server.start()
    feeder.join()
    backend.wait_for(wanted, timeout=120)
    notifyd.wait_until_empty()
    server.stop()
    repeated = len(backend.received) - len(wanted)
    print(f"repeated over 3 restarts of the server: {repeated} of {len(wanted)}")
    assert repeated <= len(wanted) // 100


# --- Its own death


# A machine that cannot keep up gets notifications more slowly: with all processors busy, the
# number in flight says nothing about the notifier.
WAITING_MAX = 20


def feed(notifyd, which, seconds):
    """Adds the notifications evenly over the time, or more slowly while many are waiting."""
    start = time.monotonic()
    for number, token in enumerate(which):
        wait = start + seconds * number / len(which) - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        # Failed notifications wait half a minute or more for their next attempt.
        eventually(lambda: len(os.listdir(notifyd.queue)) < WAITING_MAX, timeout=300, interval=0.001)
        notifyd.add(token)


def test_clean_restarts_repeat_nothing(make_notifyd, push_server, backend):
    backend.delay = 0.02
    wanted = tokens(3000)
    notifyd = make_notifyd(push_server.url).start()
    eventually(lambda: "watching the queue" in notifyd.log())
    feeder = threading.Thread(target=feed, args=(notifyd, wanted, 10))
    feeder.start()
    while feeder.is_alive():
        starts = notifyd.log().count("watching the queue")
        time.sleep(random.uniform(0.1, 1))
        assert notifyd.stop() == 0
        notifyd.start()
        # until then a signal ends the program at once
        eventually(lambda: notifyd.log().count("watching the queue") > starts)
    feeder.join()
    notifyd.wait_until_empty()
    assert backend.counts() == {token: 1 for token in wanted}


def test_terminating_waits_for_replies_but_not_long(notifyd, backend):
    backend.delay = 1
    notifyd.add("openpgp:slow")
    eventually(lambda: backend.tokens() == ["openpgp:slow"])
    assert notifyd.stop() == 0
    assert notifyd.entries() == []
    backend.delay = 0
    backend.answer = lambda token: HANG
    notifyd.start()
    notifyd.add("openpgp:hanging")
    eventually(lambda: "openpgp:hanging" in backend.tokens())
    assert notifyd.stop() == 0
    [left] = notifyd.entries()
    assert retry_state(left) == (0, None)  # the full time-out of 30 s is not waited for


def repeats_over_kills(notifyd, backend, wanted, kills):
    """Adds notifications for 40 s and kills the program at these moments; {token: repeats}. All
    must arrive, and only those in flight at a kill may arrive once more for it."""
    feeder = threading.Thread(target=feed, args=(notifyd, wanted, 40))
    start = time.monotonic()
    feeder.start()
    in_flight = collections.Counter()
    for moment in kills:
        time.sleep(max(0, start + moment - time.monotonic()))
        notifyd.kill()
        in_flight.update(path.read_text().split("\n")[2] for path in notifyd.entries())
        notifyd.start()
    feeder.join()
    notifyd.wait_until_empty()
    counts = backend.counts()
    assert counts.keys() == set(wanted)
    repeated = {token: count - 1 for token, count in counts.items() if count > 1}
    assert [token for token, count in repeated.items() if count > in_flight[token]] == []
    return repeated


def test_killed_fifty_times(make_notifyd, backend, certificate, tmp_path):
    """10,000 notifications in 40 s, kill -9 at 50 random moments."""
    wanted = tokens(10000)
    kills = sorted(random.uniform(0, 40) for _ in range(50))
    with Nginx(tmp_path / "nginx", backend, certificate) as server:
        repeated = repeats_over_kills(make_notifyd(server.url).start(), backend, wanted, kills)
    print(f"repeated over 50 kills: {sum(repeated.values())} of {len(wanted)}")
    # No more are added at this time.
    assert sum(repeated.values()) <= len(kills) * WAITING_MAX


# --- The machine's limits

LIMIT = "/proc/sys/user/max_inotify_instances"
OWN_LIMITS = ["unshare", "--user", "--map-root-user"]


@pytest.mark.skipif(
    subprocess.run([*OWN_LIMITS, "test", "-w", LIMIT], check=False).returncode != 0,
    reason="needs a user namespace",
)
def test_without_inotify(make_notifyd, push_server, backend):
    """Idle clients use inotify, too, as the same user."""
    prefix = [*OWN_LIMITS, "sh", "-c", f'echo 0 > {LIMIT} && exec "$@"', "sh"]
    # The user cannot change groups in there, so it keeps its own.
    notifyd = make_notifyd(push_server.url, prefix=prefix).start(user="")
    eventually(lambda: "max_user_instances" in notifyd.log())
    for token in tokens(3):
        notifyd.add(token)
        notifyd.wait_until_empty()
    enter = ["nsenter", "--user", f"--target={notifyd.process.pid}", "--preserve-credentials"]
    subprocess.run([*enter, "sh", "-c", f"echo 100 > {LIMIT}"], check=True)
    eventually(lambda: "watching the queue" in notifyd.log())
    notifyd.add("openpgp:seen")
    notifyd.wait_until_empty()
    assert backend.tokens() == [*tokens(3), "openpgp:seen"]
    assert notifyd.log().count("max_user_instances") == 1


@pytest.fixture
def open_notifyd(push_server, authority):
    """A chatmail-notifyd in a directory that other users than root can enter."""
    with tempfile.TemporaryDirectory(prefix="notifyd-") as directory:
        os.chmod(directory, 0o755)
        ca = shutil.copy(authority.certificate, directory)
        os.chmod(ca, 0o644)
        notifyd = Notifyd(directory, push_server.url, ca=ca)
        shutil.chown(notifyd.queue, "nobody")
        yield notifyd
        notifyd.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to run it as somebody else")
def test_nothing_is_sent_while_files_cannot_be_removed(open_notifyd, backend):
    """Otherwise a sent notification would be sent again after the next start."""
    backend.answer = lambda token: HANG
    notifyd = open_notifyd.start(user="nobody")

    def add(token):
        shutil.chown(notifyd.add(token), "nobody")

    eventually(lambda: "watching" in notifyd.log())
    notifyd.queue.chmod(0o555)
    first = notifyd.add("openpgp:first")
    shutil.chown(first, "nobody")
    backend.wait_for(["openpgp:first"])
    backend.release()
    eventually(lambda: "cannot remove files" in notifyd.log())
    add("openpgp:second")
    # nor after a restart
    assert notifyd.stop() == 0
    notifyd.start(user="nobody")
    eventually(lambda: "cannot be read and written" in notifyd.log())
    assert notifyd.stop() == 0
    assert backend.tokens() == ["openpgp:first"]

    first.unlink()
    notifyd.queue.chmod(0o755)
    notifyd.start(user="nobody")
    notifyd.wait_until_empty()
    assert backend.tokens() == ["openpgp:first", "openpgp:second"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to run it as somebody else")
def test_continues_when_files_can_be_removed_again(open_notifyd, backend):
    notifyd = open_notifyd.start(user="nobody")
    eventually(lambda: "watching" in notifyd.log())
    notifyd.queue.chmod(0o555)
    shutil.chown(notifyd.add("openpgp:first"), "nobody")
    eventually(lambda: "cannot remove files" in notifyd.log())
    notifyd.queue.chmod(0o755)
    shutil.chown(notifyd.add("openpgp:second"), "nobody")
    notifyd.wait_until_empty()
    assert backend.tokens() == ["openpgp:first", "openpgp:second"]
    assert "can be removed again" in notifyd.log()


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="needs valgrind")
def test_no_leak(make_notifyd, push_server, backend):
    backend.answer = lambda token: int(token[-3:])
    prefix = valgrind("--quiet", "--leak-check=full", "--error-exitcode=9")
    notifyd = make_notifyd(push_server.url, prefix=prefix).start()
    for number in range(200):
        notifyd.add(f"openpgp:{number % 150}-{(200, 410, 404)[number % 3]}")
    (notifyd.queue / "invalid").write_text("x")
    backend.wait_for(f"openpgp:{number}-{(200, 410, 404)[number % 3]}" for number in range(150))
    notifyd.url += "/other"
    notifyd.configure()
    notifyd.hangup()
    notifyd.add("openpgp:last-200")
    backend.wait_for(["openpgp:last-200"])
    assert notifyd.stop() == 0, notifyd.log()
