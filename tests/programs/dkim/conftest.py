"""Fixtures of the tests of DKIM: a milter that queries the tests' DNS server, and keys."""

import pytest

from support.dkim_signer import Ed25519Key, RsaKey
from support.dkim_verdict import RECIPIENT
from support.milter_daemon import MilterDaemon


@pytest.fixture(scope="module")
def milter(tmp_path_factory, dns):
    daemon = MilterDaemon(tmp_path_factory.mktemp("milter"), resolver=dns.resolver)
    daemon.account(RECIPIENT)
    with daemon:
        yield daemon


@pytest.fixture(scope="session")
def rsa():
    return RsaKey()


@pytest.fixture(scope="session")
def ed25519():
    return Ed25519Key()


@pytest.fixture(scope="session")
def selectors():
    """A new selector each time, so that no test gets another test's cached reply."""
    numbers = iter(range(1, 100000))
    return lambda: f"s{next(numbers)}"


@pytest.fixture
def selector(selectors):
    return selectors()
