"""No message twice: what becomes of a request that the peer may have accepted.

The result is 451, and one attempt of Postfix is one request with the whole message: no other host
and no other connection gets it. A peer that accepted it has it twice after Postfix's next attempt,
which no sender can avoid, and clients show it once, by its Message-ID."""

import signal

import pytest

from support.transport import BODY, Lmtp, Transport
from support.wait import eventually

IN_DOUBT = "451 4.4.1 The peer accepts no mail over HTTPS now"


def posted(world, peer):
    return [request for request in world.requests() if request["host"] == f"mx.{peer}.test"]


@pytest.mark.parametrize(
    "peer",
    [
        "cut",  # closes the connection as soon as it has the message
        "reset",  # the same with a reset
        "half",  # closes within the status line
        "garbage",  # sends what is not HTTP
        "continue",  # closes after an interim status
        "continue-broken",  # refuses after an interim status
        "broken",  # has an internal failure
        "hang",  # accepts the message, but after the time-out
    ],
)
def test_one_attempt_posts_a_message_in_doubt_once(transport, world, peer):
    before = len(posted(world, peer))
    assert transport.send([f"b@{peer}.test"]) == {f"b@{peer}.test": IN_DOUBT}
    assert len(posted(world, peer)) == before + 1
    # Postfix's next attempt is not made over HTTPS.
    assert transport.ask(f"b@{peer}.test") == "NOTFOUND "


def test_a_late_acceptance_counts_for_no_other_message(transport):
    assert transport.send(["b@hang.test"]) == {"b@hang.test": IN_DOUBT}
    assert transport.send(["absent@hang.test"])["absent@hang.test"].startswith("550 ")


def test_a_backup_host_gets_no_message_in_doubt(transport, world):
    before = len(world.requests())
    assert transport.send(["b@cut-backup.test"]) == {"b@cut-backup.test": IN_DOUBT}
    assert [request["host"] for request in world.requests()[before:]] == ["mx.cut.test"]


def test_a_kept_connection_that_ends_in_doubt(transport, world):
    """libcurl would post the message again on a new connection."""
    lost = {"b@lost.test": "451 4.4.2 The connection ended before the peer replied"}
    assert transport.send(["b@lost.test"])["b@lost.test"].startswith("250 ")
    assert transport.send(["b@lost.test"]) == lost
    assert len(posted(world, "lost")) == 2
    # This says nothing against the peer.
    assert transport.ask("b@lost.test").startswith("OK chatmail:")
    assert transport.send(["b@lost.test"])["b@lost.test"].startswith("250 ")


def test_an_acceptance_before_the_message_is_none(tmp_path, world, authority):
    """A web server that answers 200 to everything does not have the message. This one is larger
    than what the kernel holds for a connection."""
    transport = Transport(tmp_path, world, authority, "https", max_message_size="31457280")
    body = BODY + (b"y" * 76 + b"\r\n") * 380000
    assert transport.send(["b@early.test"], body) == {"b@early.test": IN_DOUBT}
    assert transport.stop() == 0


def test_a_recipient_in_doubt_does_not_affect_the_others(transport, world):
    """The peer refuses the message as a whole, so that each recipient has a request."""
    to = ["b@partial.test", "absent@partial.test", "c@partial.test"]
    replies = transport.send(to)
    assert replies == {to[0]: "250 2.0.0 Accepted over HTTPS", to[1]: IN_DOUBT, to[2]: IN_DOUBT}
    assert [request["to"] for request in posted(world, "partial")] == [to, [to[0]], [to[1]]]


def test_a_kill_doubles_only_what_is_in_progress(transport, world):
    """Postfix gets each recipient's reply when it is known: those are not posted again."""
    with Lmtp(transport.socket) as lmtp:
        lmtp.command("MAIL FROM:<a@relay.test>")
        for name in ("b", "absent", "c"):
            lmtp.command(f"RCPT TO:<{name}@released.test>")
        lmtp.command("DATA")
        lmtp.client.sendall(BODY + b".\r\n")
        assert lmtp.reply() == "250 2.0.0 Accepted over HTTPS"
        eventually(lambda: len(posted(world, "released")) == 3)
        transport.process.send_signal(signal.SIGKILL)
        transport.process.wait()
        assert lmtp.stream.read() == b""
