"""Fixtures of the tests that run one of our programs."""

import os
import signal

import pytest


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """A certificate authority that the programs under test trust."""
    from support.certificates import Authority

    return Authority(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture(scope="session")
def certificate(authority):
    """A valid server certificate for localhost."""
    return authority.issue("localhost")


@pytest.fixture
def backend():
    """A push service without TLS that answers 200."""
    from support.push_service import Backend

    backend = Backend().start()
    yield backend
    backend.stop()


@pytest.fixture
def push_server(tmp_path, backend, certificate):
    """nghttpx in front of the backend: HTTP/2 and TLS."""
    from support.push_service import Nghttpx

    with Nghttpx(tmp_path, backend, certificate) as server:
        yield server


@pytest.fixture
def make_notifyd(tmp_path, authority):
    """Makes a chatmail-notifyd that is not started: make_notifyd(url, ...)."""
    from support.notifyd import Notifyd

    made = []

    def make(url, **options):
        options.setdefault("ca", authority.certificate)
        made.append(Notifyd(tmp_path / f"notifyd{len(made)}", url, **options))
        return made[-1]

    yield make
    for notifyd in made:
        notifyd.kill()


@pytest.fixture
def notifyd(make_notifyd, push_server):
    """A started chatmail-notifyd that sends to push_server."""
    return make_notifyd(push_server.url).start()


@pytest.fixture
def connect_proxy():
    """An HTTP proxy."""
    from support.connect_proxy import ConnectProxy

    proxy = ConnectProxy().start()
    yield proxy
    proxy.stop()


@pytest.fixture
def stopped(tmp_path):
    """A chatmail-milter that is not started."""
    from support.milter_daemon import new_daemon

    instance = new_daemon(tmp_path)
    yield instance
    instance.stop(signal.SIGKILL)


@pytest.fixture
def daemon(stopped):
    """A started chatmail-milter."""
    with stopped as instance:
        yield instance


@pytest.fixture(scope="session")
def world(tmp_path_factory, authority):
    """Peers that accept mail over HTTPS."""
    from support.mxdeliv_world import World

    if os.getuid() != 0:
        pytest.skip("a network namespace needs root")
    world = World(tmp_path_factory.mktemp("world"), authority).start()
    yield world
    world.stop()


@pytest.fixture
def transport(tmp_path, world, authority):
    """A started chatmail-transport beside these peers."""
    from support.transport import Transport

    one = Transport(tmp_path, world, authority, "auto")
    yield one
    if one.process.poll() is None:
        assert one.stop() == 0


@pytest.fixture
def make_web(tmp_path):
    """Starts a chatmail-httpd with these keys of chatmail.ini."""
    from support.web import Web

    made = []

    def make(**ini):
        directory = tmp_path / f"web{len(made)}"
        directory.mkdir()
        made.append(Web(directory, **ini))
        return made[-1].start()

    yield make
    for web in made:
        if web.process.poll() is None:
            web.stop(signal.SIGKILL)


@pytest.fixture
def web(make_web):
    return make_web()
