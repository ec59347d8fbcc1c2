"""A front and one backend: what the backend does for its accounts by itself."""

import json
import os
import time

import pytest

from support.messages import encrypted
from support.network import network_of
from support.push_relay import Device, push_relay, queue
from support.wait import eventually

DAY = 86400

pytestmark = pytest.mark.usefixtures("at_the_front")


@pytest.fixture(scope="module")
def cluster(make_cluster):
    made = make_cluster(1)

    def start(ini):
        [backend] = made.backends.values()
        backend.ini.update(ini)
        made.start()
        return backend

    with network_of(made.hosts[1].process.pid), push_relay(start) as made.backend:
        yield made


@pytest.fixture
def bob(cluster):
    """Has one message."""
    alice, account = cluster.front.registered(), cluster.front.registered()
    message = encrypted(alice.address, account.address)
    assert cluster.front.send(alice, account.address, message)[0] == 250
    cluster.front.messages(account)
    return account


def test_the_backend_sends_notifications(cluster, bob):
    device = Device(cluster.front, bob)
    assert not cluster.front.deliver("", bob.address, encrypted("", bob.address))
    cluster.backend.push.wait_for([device.token])
    eventually(lambda: queue(cluster.backend) == [])
    assert cluster.backend.push.counts()[device.token] == 1
    assert queue(cluster.front) == []


def expire(cluster):
    output = cluster.backend.inside("chatmail-expire", "--json", "--force").stdout
    return json.loads(output)


def test_the_backend_deletes_old_messages(cluster, bob):
    [path] = [*cluster.backend.mailbox(bob).glob("cur/*"), *cluster.backend.mailbox(bob).glob("new/*")]
    os.utime(path, (time.time() - 21 * DAY,) * 2)
    assert expire(cluster)["messages_deleted"] == 1
    assert cluster.front.fetch(bob) == []


def test_the_backend_deletes_unused_accounts(cluster, bob):
    os.utime(cluster.backend.mailbox(bob) / "password", (time.time() - 91 * DAY,) * 2)
    assert expire(cluster)["accounts_deleted"] == 1
    [(code, _)] = cluster.front.deliver("", bob.address, encrypted("", bob.address)).values()
    assert code == 550


def moves(cluster):
    text = cluster.backend.inside("chatmailctl", "status", "--json", check=False).stdout
    [check] = [check for check in json.loads(text)["checks"] if check["check"] == "moves"]
    return check


def test_status_reports_a_move_that_did_not_end(cluster, bob):
    links = cluster.backend.mailbox(bob).parent / "moved"
    links.mkdir()
    (links / bob.address).symlink_to("10.0.0.99")
    (links / "gone@_relay.test").symlink_to("10.0.0.99")
    assert moves(cluster)["health"] == "ok"
    for link in links.iterdir():
        os.utime(link, (time.time() - 7200,) * 2, follow_symlinks=False)
    assert moves(cluster)["health"] == "fault"
    assert moves(cluster)["text"].endswith(": 1")
    (links / bob.address).unlink()
    assert moves(cluster)["health"] == "ok"
