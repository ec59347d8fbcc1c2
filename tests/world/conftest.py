"""One world for all tests; a test's own thread is on the host of the clients."""

import pytest

from support.internet import Internet
from support.world import World


@pytest.fixture(scope="session")
def the_world(stages):
    if not Internet.is_possible():
        pytest.skip("this kernel or container has no network namespaces, veth and bridges")
    world = World(stages)
    world.start()
    yield world
    world.stop()


@pytest.fixture
def world(the_world):
    with the_world.at("clients"):
        yield the_world


@pytest.fixture
def north(world):
    return world.relays["north"]


@pytest.fixture
def south(world):
    return world.relays["south"]


@pytest.fixture
def literal(world):
    return world.relays["literal"]
