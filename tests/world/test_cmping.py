"""cmping, a program of others that tests relays: it creates accounts and exchanges messages."""

import os
import re
import sys
from pathlib import Path

import pytest

CMPING = Path(sys.executable).parent / "cmping"


@pytest.fixture(scope="module")
def test_cmping_with_a_named_relay(the_world):
    """A relay whose name begins with '_', so that clients accept its certificate: cmping does not
    trust the tests' authority."""
    the_world.add_host("test")
    relay = the_world.make_relay("test")
    the_world.relays["test"] = relay
    relay.start()
    the_world.publish("_test", the_world.zone(relay))
    yield relay
    the_world.relays.pop("test").stop()


@pytest.mark.parametrize("direction", ["to the address", "from the address", "alone"])
def test_pings_arrive(the_world, test_cmping_with_a_named_relay, tmp_path, direction):
    address = the_world.relays["literal"].address
    relays = {
        "to the address": [test_cmping_with_a_named_relay.domain, address],
        "from the address": [address, test_cmping_with_a_named_relay.domain],
        "alone": [test_cmping_with_a_named_relay.domain],
    }[direction]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PATH": f"{CMPING.parent}:{os.environ['PATH']}"}
    done = the_world.run_at("clients", CMPING, "-c", 5, *relays, env=environment, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"5 transmitted, 5 received", done.stdout), done.stdout
