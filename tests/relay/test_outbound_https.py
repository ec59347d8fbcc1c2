"""Mail leaves over HTTPS: Postfix, chatmail-transport, and peers with /mxdeliv in their own
network."""

import tempfile
import time
from pathlib import Path

import pytest

from support.certificates import Authority
from support.messages import encrypted
from support.mxdeliv_world import World
from support.network import network_of
from support.relay import Relay
from support.wait import eventually


@pytest.fixture(scope="module")
def world():
    # Not below pytest's directory, which other users, such as vmail, cannot read.
    with tempfile.TemporaryDirectory(prefix="chatmail-world-") as directory:
        directory = Path(directory)
        authority = Authority(directory / "ca")
        (directory / "ca.pem").write_bytes(authority.certificate.read_bytes())
        (directory / "ca.pem").chmod(0o644)
        directory.chmod(0o755)
        world = World(directory, authority).start()
        with pytest.MonkeyPatch.context() as patch, network_of(world.process.pid):
            patch.setenv("SSL_CERT_FILE", str(directory / "ca.pem"))
            yield world
        world.stop()


def relay_with(stages, outbound):
    return Relay(stages, ini={"outbound": outbound, "resolver": "127.0.0.1"})


def test_a_message_leaves_over_https(stages, world):
    with relay_with(stages, "https") as relay:
        sender = relay.registered()
        to = ["b@good.test", "absent@picky.test", "c@picky.test"]
        assert relay.send(sender, to, encrypted(sender.address, to[0]))[0] == 250
        eventually(lambda: len(world.requests()) >= 4)
        relay.settle()
        posted = [(request["host"], request["from"], request["to"]) for request in world.requests()]
        assert ("mx.good.test", sender.address, ["b@good.test"]) in posted
        assert ("mx.picky.test", sender.address, ["c@picky.test"]) in posted
        assert all("DKIM-Signature:" in request["body"] for request in world.requests())
        # The sender gets a bounce for the recipient who does not exist.
        (bounce,) = relay.messages(sender)
        assert b"absent@picky.test" in bounce and b"No such user" in bounce
        # Local mail is not looked up.
        relay.stop_service("transport")
        friend = relay.registered()
        assert relay.send(sender, friend.address, encrypted(sender.address, friend.address))[0] == 250
        relay.messages(friend)
        # Other mail waits for the program in the queue.
        assert relay.send(sender, "d@good.test", encrypted(sender.address, "d@good.test"))[0] == 250
        eventually(lambda: [message["queue_name"] for message in relay.queue()] == ["deferred"])
        relay.start_service("transport")

        def delivered():
            relay.inside("postqueue", "-f")
            return ["d@good.test"] in [request["to"] for request in world.requests()]

        eventually(delivered, timeout=60, interval=1)


def test_a_kill_before_the_reply_doubles_the_message_once(stages, world):
    """Postfix cannot know that the peer has accepted the message."""
    with relay_with(stages, "https") as relay:
        sender = relay.registered()
        to = "absent@released.test"

        def posted():
            return [request for request in world.requests() if request["to"] == [to]]

        assert relay.send(sender, to, encrypted(sender.address, to))[0] == 250
        eventually(lambda: len(posted()) == 1)
        (pid,) = relay.inside("pgrep", "-x", "chatmail-transp").stdout.split()
        relay.inside("kill", "-9", pid)
        eventually(lambda: [message["queue_name"] for message in relay.queue()] == ["deferred"])
        (world.directory / "released").touch()
        relay.restart_service("transport")

        def delivered():
            relay.inside("postqueue", "-f")
            return relay.queue() == []

        eventually(delivered, timeout=60, interval=1)
        first, second = posted()
        assert first["body"] == second["body"]
        assert relay.fetch(sender) == []


def set_patience(relay, seconds):
    """Seconds that Postfix waits for the reply to a message."""
    relay.inside("postconf", "-P", f"chatmail/unix/lmtp_data_done_timeout={seconds}s")
    relay.inside("postfix", "reload")


@pytest.mark.parametrize("patience, copies", [(5, 2), (None, 1)], ids=["too-short", "as-configured"])
def test_postfix_waits_for_a_late_reply(stages, world, patience, copies):
    """Otherwise it sends the message once more, which the peer has."""
    released = world.directory / "released"
    released.unlink(missing_ok=True)
    with relay_with(stages, "https") as relay:
        if patience:
            set_patience(relay, patience)
        sender = relay.registered()
        to = f"absent{copies}@released.test"

        def posted():
            return [request for request in world.requests() if request["to"] == [to]]

        def deferred():
            return [message["queue_name"] for message in relay.queue()] == ["deferred"]

        assert relay.send(sender, to, encrypted(sender.address, to))[0] == 250
        eventually(lambda: len(posted()) == 1)
        if patience:
            eventually(deferred)
        else:
            time.sleep(20)
            assert not deferred()
        released.touch()

        def delivered():
            relay.inside("postqueue", "-f")
            return relay.queue() == []

        eventually(delivered, timeout=60, interval=1)
        assert len(posted()) == copies
        assert relay.fetch(sender) == []


def test_postfix_waits_longer_than_an_attempt_takes(stages):
    """Three hosts, each five minutes for the request and some for the DNS (services/transport)."""
    with relay_with(stages, "https") as relay:
        name = "chatmail/unix/lmtp_data_done_timeout"
        assert relay.inside("postconf", "-P", "-h", name).stdout == "1800s\n"


def test_an_unknown_domain_is_probed(stages, world):
    """No server listens on port 25 here, so the first attempt is deferred."""
    with relay_with(stages, "auto") as relay:
        sender = relay.registered()
        before = len(world.requests())
        assert relay.send(sender, "b@good.test", encrypted(sender.address, "b@good.test"))[0] == 250

        def delivered():
            relay.inside("postqueue", "-f")
            return len(world.requests()) > before

        eventually(delivered, timeout=60, interval=1)
        relay.settle()
        assert relay.queue() == []
