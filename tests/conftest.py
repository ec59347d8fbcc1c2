"""Fixtures of the suites that talk to a complete private relay.

A session has one relay for everybody (`relay`) with a DNS server of its own (`dns`); a test that
wants another chatmail.ini, or stops parts of it, makes one with `make_relay`."""

import os

import pytest


def pytest_addoption(parser):
    parser.addoption(
        "--dovecot",
        default=os.environ.get("CHATMAIL_DOVECOT"),
        help="the Dovecot that private relays run (default: the installed one)",
    )


def pytest_report_header(config):
    return f"relays run Dovecot {config.getoption('--dovecot') or 'as installed'}"


@pytest.fixture(scope="session")
def stages(request, tmp_path_factory):
    """The installed trees."""
    from support.relay import Dovecot, Stages

    dovecot = Dovecot(request.config.getoption("--dovecot"))
    return Stages(tmp_path_factory.mktemp("stages"), dovecot)


@pytest.fixture(scope="session")
def dns():
    """A DNS server that knows nothing but what tests publish."""
    from support.dns import DnsServer

    server = DnsServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def relay(stages, dns):
    """The relay of the session: relay.test, open for registration."""
    from support.relay import Relay

    with Relay(stages, ini={"resolver": dns.resolver}) as instance:
        yield instance


@pytest.fixture(scope="module")
def make_relay(stages, dns):
    """Makes a started relay: make_relay(ini={...}, settings={...}, without=[...]). All of them end
    with the module."""
    from support.relay import Relay

    instances = []

    def make(ini=None, **options):
        instance = Relay(stages, ini={"resolver": dns.resolver, **(ini or {})}, **options)
        instances.append(instance)
        return instance.start()

    yield make
    for instance in instances:
        instance.stop()
