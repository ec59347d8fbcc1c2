"""chatmail-transport; the tests play Postfix over its sockets, with real HTTPS peers."""

import contextlib
import signal
import socket
import time
from pathlib import Path

import pytest

from support.mxdeliv_world import REDIRECTS
from support.network import network_of
from support.transport import BODY, Lmtp, Transport, has_ended
from support.wait import eventually



def sent_since(world, count):
    return world.requests()[count:]


def test_a_message_is_posted_unchanged(transport, world):
    before = len(world.requests())
    assert transport.send(["b@good.test", "c@Good.Test"])["b@good.test"] == "250 2.0.0 Accepted over HTTPS"
    (request,) = sent_since(world, before)
    assert request == {
        "host": "mx.good.test",
        "path": "/mxdeliv",
        "source": "127.0.0.1",
        "from": "a@relay.test",
        "to": ["b@good.test", "c@Good.Test"],
        "length": len(BODY),
        "body": BODY.decode(),
    }


@pytest.mark.parametrize("peer, source", [("both", "127.0.0.1"), ("six", "::1")])
def test_ipv4_is_preferred(transport, world, peer, source):
    before = len(world.requests())
    for _ in range(3):
        assert transport.send([f"b@{peer}.test"])[f"b@{peer}.test"].startswith("250 ")
    assert {entry["source"] for entry in sent_since(world, before)} == {source}


def test_a_bounce_has_no_sender(transport, world):
    before = len(world.requests())
    assert transport.send(["b@good.test"], sender="")["b@good.test"].startswith("250 ")
    assert sent_since(world, before)[0]["from"] is None


def test_a_large_message_is_buffered_in_a_file(transport, world):
    before = len(world.requests())
    body = BODY + b"x" * 70 + b"\r\n" + b"\r\n".join([b"y" * 76] * 20000) + b"\r\n"
    assert transport.send(["b@good.test"], body)["b@good.test"].startswith("250 ")
    (request,) = sent_since(world, before)
    assert request["length"] == len(body)


def peak(process):
    """Peak memory so far in KiB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def test_memory_does_not_grow_with_the_message(tmp_path, world, authority):
    transport = Transport(tmp_path, world, authority, "https", max_message_size="31457280")
    assert transport.send(["b@good.test"])["b@good.test"].startswith("250 ")
    before = peak(transport.process)
    line = b"x" * 76 + b"\r\n"
    body = BODY + line * (30_000_000 // len(line))
    for _ in range(3):
        assert transport.send(["b@good.test"], body)["b@good.test"].startswith("250 ")
    assert world.requests()[-1]["length"] > 29_000_000
    assert peak(transport.process) - before < 4096
    assert transport.stop() == 0


@pytest.mark.parametrize("split", (1, 2, 3, 4, 5))
def test_the_end_of_data_is_found_across_reads(transport, world, split):
    """The last bytes arrive in separate groups."""
    before = len(world.requests())
    body = b"A: b\r\n\r\n.\r\r\n..\r\n.x\r\n" + b"z" * split + b"\r\n"
    with Lmtp(transport.socket) as lmtp:
        lmtp.command("MAIL FROM:<a@relay.test>")
        lmtp.command("RCPT TO:<b@good.test>")
        lmtp.command("DATA")
        data = body + b".\r\n"
        for start in range(0, len(data), split):
            lmtp.client.sendall(data[start : start + split])
        assert lmtp.reply().startswith("250 ")
    assert sent_since(world, before)[0]["body"].encode() == body


@pytest.mark.parametrize(
    "domain, expected",
    [
        ("refusing.test", "523 Encryption Needed: Invalid Unencrypted Mail"),
        ("busy.test", "451 4.7.1 Try again later"),
        ("odd.test", "451 4.5.0 The peer refused without an SMTP reply"),
        ("small.test", "552 5.3.4 The message is too large for the peer"),
        ("broken.test", "451 4.4.1 The peer accepts no mail over HTTPS now"),
        ("cut.test", "451 4.4.1 The peer accepts no mail over HTTPS now"),
        ("wrong.test", "451 4.4.1 The peer accepts no mail over HTTPS now"),
        ("down.test", "451 4.4.1 The peer accepts no mail over HTTPS now"),
        ("null.test", "556 5.1.10 The domain accepts no mail"),
        ("nowhere.test", "556 5.1.10 The domain accepts no mail"),
        ("silent.test", "451 4.4.3 The DNS gave no reply"),
        ("backup.test", "250 2.0.0 Accepted over HTTPS"),
        ("_self.test", "250 2.0.0 Accepted over HTTPS"),
        ("[127.0.0.1]", "250 2.0.0 Accepted over HTTPS"),
        ("[127.0.0.300]", "550 5.1.2 The address literal is malformed"),
    ],
)
def test_replies_of_a_peer_are_passed_on(transport, domain, expected):
    assert transport.send([f"b@{domain}"]) == {f"b@{domain}": expected}


def test_one_unknown_recipient_does_not_affect_the_others(transport, world):
    before = len(world.requests())
    replies = transport.send(["b@picky.test", "absent@picky.test", "c@picky.test"])
    assert replies == {
        "b@picky.test": "250 2.0.0 Accepted over HTTPS",
        "absent@picky.test": "550 5.1.1 No such user",
        "c@picky.test": "250 2.0.0 Accepted over HTTPS",
    }
    assert [request["to"] for request in sent_since(world, before)[1:]] == [
        ["b@picky.test"],
        ["absent@picky.test"],
        ["c@picky.test"],
    ]


def test_sessions_over_the_limit_wait(transport, world):
    """Postfix's queue holds what the program cannot take now; nobody gets an error."""
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(Lmtp(transport.socket)) for _ in range(600)]
        late = stack.enter_context(socket.socket(socket.AF_UNIX))
        late.connect(str(transport.socket))
        late.settimeout(1)
        with pytest.raises(TimeoutError):
            late.recv(100)
        [reply] = sessions[1].send(["b@good.test"]).values()
        assert reply.startswith("250 ")
        sessions[0].command("QUIT")
        late.settimeout(120)
        assert late.recv(100).startswith(b"220 ")


def test_a_recipient_of_another_domain_is_deferred(transport):
    replies = transport.send(["b@good.test", "b@picky.test"])
    assert replies["b@good.test"].startswith("250 ")
    assert replies["b@picky.test"].startswith("452 ")


def test_a_message_that_is_too_large_is_refused(transport, world):
    before = len(world.requests())
    body = b"\r\n".join([b"y" * 76] * 30000) + b"\r\n"
    assert transport.send(["b@good.test"], body)["b@good.test"].startswith("552 ")
    assert sent_since(world, before) == []


def test_a_domain_is_probed_and_then_gets_its_mail_over_https(transport):
    assert transport.ask("b@good.test") == "NOTFOUND "
    answer = eventually(lambda: (a := transport.ask("b@GOOD.test")).startswith("OK ") and a)
    assert answer == f"OK chatmail:unix:{transport.run_dir}/transport/good.test"
    with Lmtp(transport.run_dir / "transport/good.test") as lmtp:
        assert lmtp.send(["b@good.test"])["b@good.test"].startswith("250 ")


@pytest.mark.parametrize("domain", ("smtp-only.test", "down.test", "wrong.test", "null.test"))
def test_a_domain_without_https_is_left_to_smtp(transport, world, domain):
    for _ in range(3):
        assert transport.ask(f"b@{domain}") == "NOTFOUND "
        transport.ask("b@good.test")
    eventually(lambda: transport.ask("b@good.test").startswith("OK "))
    assert transport.ask(f"b@{domain}") == "NOTFOUND "


def test_a_failing_peer_is_left_to_smtp(transport):
    eventually(lambda: transport.ask("b@broken.test").startswith("OK "))
    assert transport.send(["b@broken.test"])["b@broken.test"].startswith("451 ")
    assert transport.ask("b@broken.test") == "NOTFOUND "


def test_a_peer_that_accepted_mail_is_tried_again_soon(transport):
    """Its web server was restarted. A peer without a port 25 gets nothing meanwhile."""
    assert transport.send(["b@restarting.test"])["b@restarting.test"].startswith("250 ")
    assert transport.send(["absent@restarting.test"])["absent@restarting.test"].startswith("451 ")
    assert transport.ask("b@restarting.test") == "NOTFOUND "
    again = lambda: transport.ask("b@restarting.test").startswith("OK ")  # noqa: E731
    eventually(again, timeout=180, interval=1)
    assert transport.send(["b@restarting.test"])["b@restarting.test"].startswith("250 ")


@pytest.mark.parametrize(
    "address", ("b", "b@", "b@../../etc", "b@a/b", "b@.hidden", "b@good.test b", "*", "b@" + "a" * 300),
    ids=range(8),
)
def test_an_invalid_domain_is_left_to_smtp(transport, address):
    assert transport.ask(address) == "NOTFOUND "
    assert transport.ask(address) == "NOTFOUND "
    assert not (transport.run_dir / "transport").exists() or not any(
        (transport.run_dir / "transport").iterdir()
    )


@pytest.mark.parametrize(
    "request_", (b"x", b"99999999:", b"-1:a,", b"3:abc;", b"2000:" + b"a" * 1500, b":,", b"3:abc,"),
    ids=range(7),
)
def test_a_malformed_map_request_ends_the_session(transport, request_):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(transport.map))
        client.sendall(request_)
        client.shutdown(socket.SHUT_WR)
        assert has_ended(client)
    assert transport.ask("b@smtp-only.test") == "NOTFOUND "


def test_https_only(tmp_path, world, authority):
    transport = Transport(tmp_path, world, authority, "https")
    assert transport.ask("b@smtp-only.test").startswith("OK chatmail:unix:")
    assert transport.stop() == 0


def test_a_changed_list_takes_effect_at_once(tmp_path, world, authority):
    denied = tmp_path / "denied"
    transport = Transport(tmp_path, world, authority, "auto", federation_deny_file=denied)
    eventually(lambda: transport.ask("b@good.test").startswith("OK chatmail:"))
    denied.write_text("good.test # they send spam\n.null.test\n")
    refused = "OK error:5.7.1 This relay does not exchange mail with "
    assert transport.ask("b@Good.test") == refused + "good.test"
    assert transport.ask("b@sub.null.test") == refused + "sub.null.test"
    assert transport.ask("b@null.test") == "NOTFOUND "
    denied.write_text("good.test until 2020-01-01\n")
    assert transport.ask("b@good.test").startswith("OK chatmail:")
    assert transport.stop() == 0


@pytest.mark.parametrize("outbound", ("auto", "smtp", "https"))
def test_listed_domains_only(tmp_path, world, authority, outbound):
    """With `outbound = smtp` the map names no transport."""
    (tmp_path / "allowed").write_text("good.test\n[192.0.2.1]\n")
    transport = Transport(
        tmp_path, world, authority, outbound,
        federation="listed", federation_allow_file=tmp_path / "allowed",
    )  # fmt: skip
    for address in ("b@busy.test", "b@[192.0.2.2]"):
        assert transport.ask(address).startswith("OK error:5.7.1 ")
    for address in ("b@good.test", "b@[192.0.2.1]", "b@relay.test"):
        assert not transport.ask(address).startswith("OK error:")
    if outbound == "smtp":
        assert transport.ask("b@good.test") == "NOTFOUND "
    assert transport.stop() == 0


def test_private_addresses_are_not_connected_to(tmp_path, world, authority):
    """All simulated peers are at 127.0.0.1."""
    transport = Transport(tmp_path, world, authority, "https", outbound_private="false")
    before = len(world.requests())
    for domain in ("good.test", "backup.test", "_self.test"):
        assert transport.send([f"b@{domain}"])[f"b@{domain}"].startswith("451 ")
    for literal in ("[127.0.0.1]", "[10.0.0.1]", "[IPv6:::1]", "[fe80::1]", "[::ffff:127.0.0.1]"):
        assert transport.ask(f"b@{literal}") == "OK error:5.1.2 Not a public address"
        assert transport.send([f"b@{literal}"])[f"b@{literal}"].startswith("550 5.1.2 ")
    assert transport.ask("b@[192.0.2.1]").startswith("OK chatmail:")
    assert world.requests()[before:] == []
    assert transport.stop() == 0


def test_a_peer_that_replies_twice(transport, world):
    """The second reply must not count for the next message."""
    assert transport.send(["b@twice.test"])["b@twice.test"].startswith("250 ")
    time.sleep(0.5)
    assert transport.send(["absent@twice.test"])["absent@twice.test"].startswith("550 ")


@pytest.mark.parametrize(
    "domain, expected",
    [
        ("reset.test", "451 4.4.1"),  # as soon as it has the message
        ("liar.test", "250 "),  # less than declared, but with status 200
        ("endless.test", "250 "),  # more than the program reads
        ("garbage.test", "451 4.4.1"),  # not HTTP
        ("hang.test", "451 4.4.1"),  # no reply for a minute
    ],
)
def test_a_misbehaving_peer_is_an_error(transport, domain, expected):
    assert transport.send([f"b@{domain}"])[f"b@{domain}"].startswith(expected)
    assert transport.send(["b@good.test"])["b@good.test"].startswith("250 ")


@pytest.mark.parametrize("peer", REDIRECTS)
def test_a_peer_that_redirects_is_not_followed(transport, world, peer):
    """Neither to another peer nor to an address that only this machine reaches."""
    with network_of(world.process.pid):
        inside = socket.create_server(("127.0.0.8", 443))
    inside.setblocking(False)
    # From here on libcurl knows where that peer is.
    assert transport.send(["b@good.test"])["b@good.test"].startswith("250 ")
    before = len(world.requests())
    expected = "451 4.4.1 The peer accepts no mail over HTTPS now"
    assert transport.send([f"b@{peer}.test"]) == {f"b@{peer}.test": expected}
    # What comes after has its own connection, and would come after what the peer asked for.
    assert transport.send(["b@good.test"])["b@good.test"].startswith("250 ")
    assert [request["host"] for request in sent_since(world, before)] == [f"mx.{peer}.test", "mx.good.test"]
    with inside, pytest.raises(BlockingIOError):
        inside.accept()


def test_a_message_in_progress_is_not_lost_at_the_end(transport, world):
    """No reply: Postfix keeps a message whose DATA it has not completed."""
    with Lmtp(transport.socket) as lmtp:
        lmtp.command("MAIL FROM:<a@relay.test>")
        lmtp.command("RCPT TO:<b@good.test>")
        assert lmtp.command("DATA").startswith("354 ")
        lmtp.client.sendall(BODY)
        transport.process.send_signal(signal.SIGTERM)
        assert transport.process.wait(60) == 0
        assert has_ended(lmtp.client)


def test_the_end_begins_no_message(transport, world):
    """It could be cut off when the peer has it, which would get it once more."""
    released = world.directory / "released"
    to = "absent.at-the-end@released.test"
    with Lmtp(transport.socket) as busy, Lmtp(transport.socket) as other:
        busy.command("MAIL FROM:<a@relay.test>")
        busy.command(f"RCPT TO:<{to}>")
        busy.command("DATA")
        busy.client.sendall(BODY + b".\r\n")
        eventually(lambda: [to] in [request["to"] for request in world.requests()])
        transport.process.send_signal(signal.SIGTERM)
        ending = "421 4.3.2 The program is about to end"
        eventually(lambda: other.command("MAIL FROM:<a@relay.test>") == ending, timeout=10)
        assert has_ended(other.client)
        try:
            released.touch()
            assert busy.reply() == "250 2.0.0 Accepted over HTTPS"
        finally:
            released.unlink()
    assert transport.process.wait(60) == 0
