"""Fixtures of the suites that use a complete private relay.

A session has one shared relay (`relay`) with its own DNS server (`dns`); a test that needs another
chatmail.ini, or stops services, makes a relay with `make_relay`."""

import os
import signal

import pytest


def pytest_addoption(parser):
    parser.addoption(
        "--dovecot",
        default=os.environ.get("CHATMAIL_DOVECOT"),
        help="the Dovecot that private relays run (default: the installed one)",
    )


def pytest_configure():
    # A shell ignores it for what it runs in the background; programs would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


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
def make_cluster(stages, tmp_path_factory):
    """Makes a Cluster that has not started yet: make_cluster(COUNT OF BACKENDS, ini={...}). All of them
    stop at the end of the module."""
    from support.cluster import Cluster

    clusters = []

    def make(count, **options):
        clusters.append(Cluster(stages, tmp_path_factory.mktemp("cluster"), count, **options))
        return clusters[-1]

    yield make
    for instance in clusters:
        instance.stop()


@pytest.fixture
def at_the_front(cluster):
    """The test's own clients reach only the front of the module's cluster."""
    from support.network import network_of

    with network_of(cluster.hosts[0].process.pid):
        yield


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
