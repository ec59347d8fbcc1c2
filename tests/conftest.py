"""Fixtures of the suites that use a complete private relay.

A session has one shared relay (`relay`) with its own DNS server (`dns`); a test that needs another
chatmail.ini, or stops services, makes a relay with `make_relay`."""

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
    """A DNS server that knows only the records that tests publish."""
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
    """Makes a started relay: make_relay(ini={...}, settings={...}, without=[...]). All of them
    stop at the end of the module."""
    from support.relay import Relay

    instances = []

    def make(ini=None, **options):
        instance = Relay(stages, ini={"resolver": dns.resolver, **(ini or {})}, **options)
        instances.append(instance)
        return instance.start()

    yield make
    for instance in instances:
        instance.stop()
