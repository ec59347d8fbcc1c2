"""Fixtures of the suite with real clients."""

import pytest


@pytest.fixture(scope="session")
def core(tmp_path_factory):
    """The process that runs all clients of the session."""
    from support.deltachat import Core

    with Core(tmp_path_factory.mktemp("core") / "accounts") as running:
        yield running


@pytest.fixture(scope="module")
def network():
    """A network for relays on their usual ports."""
    from support.namespace import Network

    running = Network()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def pair(core, relay):
    """Two clients that register at the same time, each by IMAP and SMTP at the same time."""
    return core.clients(relay, 2)


@pytest.fixture(scope="module")
def chats(pair):
    """Both ends of the chat that begins when Bob scans Alice's QR code."""
    alice, bob = pair
    of_bob, of_alice = bob.join(alice)
    return of_alice, of_bob
