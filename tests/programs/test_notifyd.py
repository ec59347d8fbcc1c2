"""chatmail-notifyd with real HTTP/2 and HTTP/1.1 TLS servers: the effect of each reply, which
notifications are coalesced or dropped, and what happens to invalid files. Network failures are in
test_notifyd_network.py, failures of the machine in test_notifyd_trouble.py."""

import json
import os
import signal
import subprocess
import time
import urllib.request

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from support.notifyd import PROGRAM, UNIX_USER, retry_state
from support.ports import free_ports
from support.push_service import HANG, Nginx
from support.tree import BUILD
from support.wait import eventually

HTTPD = BUILD / "services" / "httpd" / "chatmail-httpd"


def tokens(count, label="token"):
    return [f"openpgp:{label}{number:06}" for number in range(count)]


def metadata(notifyd, address, tokens_then):
    mailbox = notifyd.mailboxes / address
    mailbox.mkdir()
    (mailbox / "password").write_text("{PLAIN}x")
    (mailbox / "metadata.json").write_text(json.dumps({"devicetoken": tokens_then, "other": 1}))
    return mailbox / "metadata.json"


# --- Replies


def test_a_notification_is_a_bare_post_and_its_entry_is_removed(notifyd, backend):
    notifyd.add("openpgp:some/token+with=signs")
    notifyd.wait_until_empty()
    assert backend.tokens() == ["openpgp:some/token+with=signs"]
    request, headers = backend.headers[0]
    assert request == "POST /notify HTTP/1.1"
    assert "content-type" not in headers
    assert "expect" not in headers
    assert notifyd.stop() == 0
    assert notifyd.counted()["sent"] == 1


def test_entries_queued_before_the_start_are_sent(make_notifyd, push_server, backend):
    notifyd = make_notifyd(push_server.url)
    for token in tokens(500):
        notifyd.add(token)
    notifyd.start()
    notifyd.wait_until_empty()
    assert backend.counts() == {token: 1 for token in tokens(500)}


def test_gone_removes_the_token_from_the_account(notifyd, backend):
    backend.answer = lambda token: 410 if "dead" in token else 200
    now = int(time.time())
    path = metadata(notifyd, "someone@relay.test", {"openpgp:dead": now, "openpgp:alive": now})
    other = metadata(notifyd, "another@relay.test", {"openpgp:dead2": now})
    notifyd.add("openpgp:dead")
    notifyd.add("openpgp:alive")
    notifyd.wait_until_empty()
    assert json.loads(path.read_text()) == {"devicetoken": {"openpgp:alive": now}, "other": 1}
    assert json.loads(other.read_text())["devicetoken"] == {"openpgp:dead2": now}
    # without an account nothing is changed or created
    notifyd.add("openpgp:dead3", address="nobody@relay.test")
    notifyd.wait_until_empty()
    assert not (notifyd.mailboxes / "nobody@relay.test").exists()
    notifyd.stop()
    assert notifyd.counted()["dead tokens"] == 2


@pytest.mark.parametrize("linked", [".", "metadata.json", "metadata.json.lock"])
def test_no_symbolic_link_is_followed(notifyd, backend, tmp_path, linked):
    """In place of a mailbox's directory or of a file in it."""
    backend.answer = lambda token: 410
    now = int(time.time())
    outside = metadata(notifyd, "someone@relay.test", {"openpgp:dead": now}).parent
    outside = outside.rename(tmp_path / "outside")
    (outside / "metadata.json.lock").touch()
    place = notifyd.mailboxes / "someone@relay.test"
    if linked != ".":
        place.mkdir()
        (place / "password").write_text("{PLAIN}x")
        place /= linked
    place.symlink_to(outside / linked)

    def content():
        return {path.name: (path.read_bytes(), path.stat().st_ino) for path in outside.iterdir()}

    before = content()
    other = metadata(notifyd, "another@relay.test", {"openpgp:dead2": now})
    notifyd.add("openpgp:dead")
    notifyd.add("openpgp:dead2", address="another@relay.test")
    notifyd.wait_until_empty()
    assert notifyd.stop() == 0
    assert json.loads(other.read_text())["devicetoken"] == {}
    assert content() == before


@pytest.mark.parametrize("status", [201, 204, 301, 302, 400, 401, 404, 413, 429, 500, 502, 503])
def test_any_other_status_is_retried_later(notifyd, backend, status):
    backend.answer = lambda token: (status, {"Location": "/elsewhere"})
    before = int(time.time())
    path = notifyd.add("openpgp:a")
    eventually(lambda: retry_state(path)[0] == 1)
    assert backend.tokens() == ["openpgp:a"]
    assert before + 8 <= retry_state(path)[1] <= time.time() + 8 + 1 + 1
    notifyd.stop()
    assert path.exists()


def test_the_second_try_comes_after_the_first_delay(notifyd, backend):
    answers = iter([500, 200])
    backend.answer = lambda token: next(answers)
    notifyd.add("openpgp:a")
    notifyd.wait_until_empty()
    first, second = backend.times("openpgp:a")
    assert second - first >= 8


@pytest.mark.parametrize("failures, delay", [(1, 64), (2, 512), (3, 4096), (4, 4096)])
def test_the_schedule_goes_on_after_a_restart(make_notifyd, push_server, backend, failures, delay):
    backend.answer = lambda token: 500
    notifyd = make_notifyd(push_server.url)
    now = time.time()
    due = notifyd.add("openpgp:due", failures=failures, due=now - 1)
    later = notifyd.add("openpgp:later", failures=failures, due=now + 3000)
    notifyd.start()
    eventually(lambda: retry_state(due)[0] == failures + 1)
    assert now + delay <= retry_state(due)[1] <= time.time() + delay * 9 / 8 + 1
    assert retry_state(later) == (failures, int(now + 3000))
    notifyd.stop()
    assert backend.tokens() == ["openpgp:due"]


def test_dropped_five_hours_after_the_message(notifyd, backend):
    notifyd.add("openpgp:old", arrival=time.time() - 5 * 3600)
    notifyd.add("openpgp:young", arrival=time.time() - 5 * 3600 + 60)
    notifyd.wait_until_empty()
    assert backend.tokens() == ["openpgp:young"]
    # no further attempt fits into the time
    backend.answer = lambda token: 500
    notifyd.add("openpgp:last", arrival=time.time() - 5 * 3600 + 5)
    notifyd.wait_until_empty()
    assert backend.tokens() == ["openpgp:young", "openpgp:last"]
    notifyd.stop()
    assert notifyd.counted()["dropped"] == 2


def test_dropped_in_time_while_it_waits_for_its_next_attempt(notifyd, backend):
    now = time.time()
    path = notifyd.add("openpgp:a", arrival=now - 5 * 3600 + 2, failures=3, due=now + 3000)
    eventually(lambda: not path.exists())
    assert backend.tokens() == []
    notifyd.stop()
    assert notifyd.counted()["dropped"] == 1


def test_dropped_even_if_the_clock_was_set_back(notifyd, backend):
    backend.answer = lambda token: 500
    notifyd.add("openpgp:a", arrival=time.time() + 10 * 365 * 86400, failures=15, due=time.time())
    notifyd.wait_until_empty()
    assert backend.tokens() == ["openpgp:a"]


# --- Coalescing


def test_messages_within_moments_share_one_post(make_notifyd, push_server, backend):
    notifyd = make_notifyd(push_server.url)
    for _ in range(20):
        notifyd.add("openpgp:busy")
    notifyd.add("openpgp:other")
    notifyd.start()
    notifyd.wait_until_empty()
    assert backend.counts() == {"openpgp:busy": 1, "openpgp:other": 1}
    notifyd.stop()
    assert notifyd.counted()["coalesced"] == 19


def test_a_message_during_a_post_gets_its_own(notifyd, backend):
    backend.answer = lambda token: HANG
    notifyd.add("openpgp:a")
    eventually(lambda: backend.tokens() == ["openpgp:a"])
    # The phone may have woken up and checked its mail before this message arrived.
    for _ in range(5):
        notifyd.add("openpgp:a")
    backend.release()
    notifyd.wait_until_empty()
    assert backend.tokens() == ["openpgp:a"] * 2


# --- Connections


def test_http2_streams_share_connections(make_notifyd, backend, certificate, tmp_path):
    backend.delay = 0.05
    with Nginx(tmp_path / "nginx", backend, certificate) as server:
        notifyd = make_notifyd(server.url)
        for token in tokens(600):
            notifyd.add(token)
        notifyd.start()
        notifyd.wait_until_empty()
        log = server.access_log()
    assert {protocol for _, protocol, _ in log} == {"HTTP/2.0"}
    assert len({connection for connection, _, _ in log}) <= 4
    assert backend.most_open_requests > 20
    assert backend.counts() == {token: 1 for token in tokens(600)}


def test_http1_only(make_notifyd, backend, certificate, tmp_path):
    backend.delay = 0.02
    with Nginx(tmp_path / "nginx", backend, certificate, http2=False) as server:
        notifyd = make_notifyd(server.url)
        for token in tokens(400):
            notifyd.add(token)
        notifyd.start()
        notifyd.wait_until_empty()
        log = server.access_log()
    assert {protocol for _, protocol, _ in log} == {"HTTP/1.1"}
    assert len({connection for connection, _, _ in log}) <= 20
    assert backend.most_open_requests <= 16
    assert backend.counts() == {token: 1 for token in tokens(400)}


def test_goaway_loses_nothing(make_notifyd, backend, certificate, tmp_path):
    """nginx sends GOAWAY after a number of requests and closes. The requests in flight fail, and a
    client cannot always know whether the server saw them."""
    wanted = tokens(2000)
    with Nginx(tmp_path / "nginx", backend, certificate, keepalive_requests=100) as server:
        notifyd = make_notifyd(server.url).start()
        for token in wanted:
            notifyd.add(token)
        notifyd.wait_until_empty(timeout=180)
        connections = {connection for connection, _, _ in server.access_log()}
    assert len(connections) >= len(wanted) / 101
    assert backend.counts().keys() == set(wanted)
    assert len(backend.received) - len(wanted) < len(wanted) // 100
    assert "holding back" not in notifyd.log()


def test_through_a_proxy(make_notifyd, push_server, backend, tmp_path, connect_proxy):
    proxy = {"https_proxy": f"http://127.0.0.1:{connect_proxy.port}"}
    notifyd = make_notifyd(push_server.url, environment=proxy).start()
    notifyd.add("openpgp:a")
    notifyd.wait_until_empty()
    assert backend.tokens() == ["openpgp:a"]
    assert connect_proxy.targets == [f"localhost:{push_server.port}"]


# --- Invalid files


def make_old(path):
    os.utime(path, (time.time() - 120,) * 2, follow_symlinks=False)


def test_invalid_files_are_removed_without_a_request(make_notifyd, push_server, backend, tmp_path):
    notifyd = make_notifyd(push_server.url)
    good = f"someone@relay.test\n{int(time.time())}\nopenpgp:secret"
    secret = tmp_path / "secret"
    secret.write_text(good)
    invalid = {
        "empty": b"",
        "binary": bytes(range(256)),
        "huge": b"x" * 1000000,
        "no-token": b"someone@relay.test\n1\n",
        "no-time": b"someone@relay.test\nsoon\nopenpgp:x",
        "no-address": b"someone\n1\nopenpgp:x",
        "foreign": good.replace("relay.test", "elsewhere.test").encode(),
        "climbing": good.replace("someone", "../../etc").encode(),
        "two-tokens": good.encode() + b" openpgp:y",
        "control": good.encode() + b"\x01",
    }
    for name, content in invalid.items():
        (notifyd.queue / name).write_bytes(content)
    (notifyd.queue / "link").symlink_to(secret)
    os.mkfifo(notifyd.queue / "fifo")
    for path in notifyd.entries():
        make_old(path)
    count = len(notifyd.entries())
    (notifyd.queue / "directory").mkdir()
    kept = ["young-invalid", ".tmp.written-now", "upstream.tmp"]
    for name in kept:
        (notifyd.queue / name).write_text("someone@rel" if "young" in name else good)
    notifyd.start()
    notifyd.add("openpgp:good")
    eventually(lambda: {p.name for p in notifyd.queue.iterdir()} == {*kept, "directory"})
    notifyd.stop()
    assert backend.tokens() == ["openpgp:good"]
    assert secret.read_text() == good
    assert f"{count} files in the queue were not notifications" in notifyd.log()


def test_bounds_of_file_size_name_and_token(notifyd, backend):
    longest = "openpgp:" + "x" * (4096 - 8)
    notifyd.add(longest)
    notifyd.add("openpgp:named", name="n" * 200)
    make_old(notifyd.add(longest + "x"))
    backend.wait_for([longest, "openpgp:named"])
    assert len(backend.tokens()) == 2


def test_logs_contain_no_address_and_no_token(notifyd, backend):
    backend.answer = lambda token: int(token[-3:])
    for status in (200, 410, 500):
        notifyd.add(f"openpgp:verysecret{status}", address="verysecret@relay.test")
    make_old(notifyd.add("openpgp:verysecret200", address="verysecret@elsewhere.test"))
    backend.wait_for(f"openpgp:verysecret{status}" for status in (200, 410, 500))
    notifyd.stop()
    assert "sent 1" in notifyd.log()
    assert "verysecret" not in notifyd.log()


def metrics(notifyd):
    """The values of chatmail_push_ metrics that chatmail-httpd serves from the same run directory,
    by name."""
    port = free_ports(1)[0]
    notifyd.configure(metrics_listen=f"127.0.0.1:{port}", web_listen="", mxdeliv_listen="")
    httpd = subprocess.Popen([HTTPD, "-f", "-c", notifyd.ini, "-u", UNIX_USER])

    def answer():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
                return response.read().decode()
        except OSError:
            return None

    text = eventually(answer, message="no metrics")
    httpd.terminate()
    httpd.wait()
    return {
        sample.name.removeprefix("chatmail_push_"): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("chatmail_push_") and "le" not in sample.labels
    }


def test_statistics(make_notifyd, push_server, backend):
    backend.answer = lambda token: int(token[-3:])
    notifyd = make_notifyd(push_server.url)
    for number in range(10):
        notifyd.add(f"openpgp:{number}-200")
    for _ in range(4):
        notifyd.add("openpgp:busy-200")
    for number in range(3):
        notifyd.add(f"openpgp:{number}-410")
    arrival = time.time() - 600
    waiting = [notifyd.add(f"openpgp:{number}-500", arrival=arrival) for number in range(2)]
    notifyd.add("openpgp:old-200", arrival=time.time() - 6 * 3600)
    make_old(notifyd.add("openpgp:foreign-200", address="someone@elsewhere.test"))
    notifyd.start()
    eventually(lambda: sorted(notifyd.entries()) == sorted(waiting))
    eventually(lambda: all(retry_state(path)[0] for path in waiting))
    assert notifyd.stop() == 0
    values = metrics(notifyd)
    assert 600 <= values.pop("queue_age_seconds") < 700
    assert values.pop("delay_seconds_sum") > 0
    assert values == {
        "sent_total": 11,
        "collapsed_total": 3,
        "token_gone_total": 3,
        "retries_total": 2,
        "dropped_total": 2,
        "queue_length": 2,
        "delay_seconds_count": 17,
        "queued_total": 0,
        "tokens_set_total": 0,
    }


# --- Signals, options


def test_hangup_reads_the_configuration_again(notifyd, backend, certificate, tmp_path):
    notifyd.add("openpgp:before")
    notifyd.wait_until_empty()
    with Nginx(tmp_path / "nginx", backend, certificate) as server:
        notifyd.url = server.url
        notifyd.configure()
        notifyd.hangup()
        notifyd.add("openpgp:after")
        notifyd.wait_until_empty()
        assert len(server.access_log()) == 1
        # an invalid configuration changes nothing
        notifyd.configure(max_user_send_per_minute="many")
        notifyd.hangup()
        assert "max_user_send_per_minute" in notifyd.log()
        notifyd.add("openpgp:still")
        notifyd.wait_until_empty()
    assert backend.tokens() == ["openpgp:before", "openpgp:after", "openpgp:still"]
    assert notifyd.stop() == 0


def test_hangup_to_another_directory(notifyd, backend, tmp_path):
    notifyd.add("openpgp:here")
    notifyd.wait_until_empty()
    notifyd.mailboxes = tmp_path / "elsewhere"
    notifyd.queue = notifyd.mailboxes / "pending_notifications"
    notifyd.mailboxes.mkdir()
    notifyd.configure()
    notifyd.hangup()
    eventually(notifyd.queue.is_dir)
    notifyd.add("openpgp:there")
    notifyd.wait_until_empty()
    assert backend.tokens() == ["openpgp:here", "openpgp:there"]


def test_two_hangups_at_once(notifyd, backend):
    """The second signal comes while the program waits for replies because of the first."""
    backend.answer = lambda token: HANG if "hang" in token else 200
    notifyd.add("openpgp:hang")
    backend.wait_for(["openpgp:hang"])
    first = notifyd.url
    notifyd.url = first + "/second"
    notifyd.configure()
    notifyd.hangup()
    notifyd.url = first + "/third"
    notifyd.configure()
    notifyd.process.send_signal(signal.SIGHUP)
    backend.release()
    eventually(lambda: notifyd.log().count("configuration read again") == 2)
    notifyd.add("openpgp:after")
    notifyd.wait_until_empty()
    assert backend.tokens() == ["openpgp:hang", "openpgp:after"]
    assert "/third" in backend.headers[-1][0]


def move_away(notifyd):
    notifyd.queue.rename(notifyd.mailboxes / "moved-away")


def remove(notifyd):
    notifyd.queue.rmdir()


def replace(notifyd):
    """As when a file system is mounted after the start."""
    notifyd.mailboxes.rename(notifyd.mailboxes.with_name("before"))
    notifyd.queue.mkdir(parents=True, exist_ok=True)


@pytest.mark.parametrize("lose", [move_away, remove, replace])
def test_the_directory_is_created_again(notifyd, backend, lose):
    notifyd.add("openpgp:a")
    notifyd.wait_until_empty()
    lose(notifyd)
    eventually(notifyd.queue.is_dir)
    notifyd.add("openpgp:b")
    notifyd.wait_until_empty()
    assert backend.tokens() == ["openpgp:a", "openpgp:b"]
    assert "removed or replaced" in notifyd.log()


def test_hangup_while_the_queue_is_missing(make_notifyd, push_server, backend):
    notifyd = make_notifyd(push_server.url)
    notifyd.configure(mailboxes_dir=notifyd.ini / "none")
    notifyd.start()
    eventually(lambda: "cannot be created" in notifyd.log())
    notifyd.configure()
    notifyd.hangup()
    notifyd.add("openpgp:a")
    notifyd.wait_until_empty()
    assert backend.tokens() == ["openpgp:a"]


def test_background_start(make_notifyd, push_server, backend, tmp_path):
    notifyd = make_notifyd(push_server.url)
    pid_file = tmp_path / "pid"
    command = [PROGRAM, "-c", notifyd.ini, "-p", pid_file, "-u", UNIX_USER]
    subprocess.run(command, check=True, env=notifyd.environment, timeout=30)
    pid = int(pid_file.read_text())
    notifyd.add("openpgp:a")
    notifyd.wait_until_empty()
    assert backend.tokens() == ["openpgp:a"]
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: not pid_file.exists())
