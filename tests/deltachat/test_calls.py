"""Calls: core's signalling, and media by ICE through the relay's coturn, between two clients that
cannot reach each other directly."""

import subprocess
import sys

import pytest

from support.deltachat import Client
from support.media import call
from support.namespace import OwnCore, OwnRelay
from support.wire import Host, Wire

TURN = "192.0.2.1"


@pytest.fixture(scope="module")
def hosts():
    """A relay's host between two other hosts, which it does not connect."""
    relay = Host(f"{TURN}/24")
    alice, bob = Host("192.0.2.2/24"), Host("198.51.100.2/24")
    Wire(relay, alice)
    Wire(relay, bob, addresses=["198.51.100.1/24"])
    alice.run("ip", "route", "add", "default", "via", TURN)
    bob.run("ip", "route", "add", "default", "via", "198.51.100.1")
    yield relay, alice, bob
    for host in (relay, alice, bob):
        host.stop()


@pytest.fixture(scope="module")
def relay(stages, hosts):
    ini = {"turn_secret_file": "/etc/chatmail-turn.secret", "turn_host": TURN}
    made = OwnRelay(stages, hosts[0], ini=ini)
    made.settings["listen"] = ""
    made.start()
    made.start_service("turn")
    yield made
    made.stop()


def test_a_call_goes_through_coturn(relay, hosts, tmp_path):
    _, alice_host, bob_host = hosts
    with OwnCore(hosts[0], tmp_path / "core", [relay.domain]) as core:
        clients = [Client(relay, core.accounts.add_account()) for _ in range(2)]
        for client in clients:
            client.account.add_transport_from_qr(
                f"dcaccount:{relay.domain}"
            )
            client.account.start_io()
        alice, bob = clients
        for client in clients:
            client.login.address = client.account.get_config("configured_addr")
        to_alice, to_bob = bob.join(alice)

        [server] = [s for s in alice.account.ice_servers() if any("turn:" in url for url in s["urls"])]
        assert server["urls"] == [f"turn:{TURN}:3478"]

        call(alice, to_bob, alice_host, bob, bob_host)


def test_a_call_without_coturn_fails(hosts):
    """Otherwise the test above would prove nothing."""
    _, alice_host, _ = hosts
    done = subprocess.run(
        alice_host.command(sys.executable, "-c",
                           "import socket; s = socket.create_connection(('198.51.100.2', 9), 5)"),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0 and "refused" not in done.stderr
