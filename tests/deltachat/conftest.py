"""Fixtures of the suite with real clients."""

import pytest


@pytest.fixture(scope="session")
def core(tmp_path_factory):
    """The process that runs all clients of the session."""
    from support.deltachat import Core

    with Core(tmp_path_factory.mktemp("core") / "accounts") as running:
        yield running
