"""A relay of several machines whose parts fail: clients and other servers learn that it is temporary,
and what works again is used again by itself."""

import imaplib
import json
import re
import smtplib
import threading

import pytest
from test_backends import ask_for_account, check_account

from support.messages import encrypted
from support.network import network_of
from support.wait import eventually

IMAP_TEMPORARY = r"\[(UNAVAILABLE|SERVERBUG)\]"

pytestmark = pytest.mark.usefixtures("at_the_front")


@pytest.fixture(scope="module")
def cluster(make_cluster):
    return make_cluster(2).start()


def of_each(cluster):
    """{backend: an account there}"""
    found = {}
    for _ in range(100):
        account = cluster.front.registered()
        found[cluster.places()[account.address][0]] = account
        if len(found) == len(cluster.backends):
            return found
    raise AssertionError("all accounts have one backend")


def refuses_temporarily(cluster, account):
    with pytest.raises(imaplib.IMAP4.error, match=IMAP_TEMPORARY):
        cluster.front.imap(account)
    with pytest.raises(smtplib.SMTPAuthenticationError) as refusal:
        with cluster.front.submission(account):
            pass
    assert refusal.value.smtp_code // 100 == 4


def can_log_in(cluster, account):
    try:
        cluster.front.imap(account).logout()
    except imaplib.IMAP4.error:
        return False
    return True


def crowd(cluster, account, stop):
    """Forty clients of one account that log in again and again."""

    def log_in():
        with network_of(cluster.hosts[0].process.pid):
            while not stop.is_set():
                can_log_in(cluster, account)

    threads = [threading.Thread(target=log_in) for _ in range(40)]
    for thread in threads:
        thread.start()
    return threads


def test_a_backend_without_power(cluster):
    """It answers nothing, not even refusals."""
    accounts = of_each(cluster)
    dead, alive = cluster.backends
    stop = threading.Event()
    threads = []
    cluster.unplug(dead)
    try:
        threads = crowd(cluster, accounts[dead], stop)
        sender = accounts[alive]
        for _ in range(3):
            for recipient in (accounts[alive], accounts[dead]):
                message = encrypted(sender.address, recipient.address)
                assert cluster.front.send(sender, recipient.address, message)[0] == 250
        cluster.front.messages(sender, 3)
        refuses_temporarily(cluster, accounts[dead])
        # Any new address might exist there.
        refuses_temporarily(cluster, cluster.front.account())
        status, answer = ask_for_account(cluster)
        assert status == 503 and answer["reason"]
        eventually(lambda: [entry for entry in cluster.front.queue()
                            if entry["queue_name"] == "deferred"], 60)  # fmt: skip
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        cluster.plug(dead)
    eventually(lambda: can_log_in(cluster, accounts[dead]), 120)
    eventually(lambda: cluster.front.inside("postqueue", "-f") and cluster.front.queue() == [], 120)
    assert len(cluster.front.messages(accounts[dead], 3)) == 3
    eventually(lambda: can_log_in(cluster, cluster.front.account()), 120)


def test_a_restarted_front(cluster):
    """The front keeps no state, so clients only have to connect again."""
    accounts = of_each(cluster)
    clients = [cluster.front.imap(account, select=True) for account in accounts.values()]
    for service in ("dovecot", "postfix", "milter", "httpd", "nginx"):
        cluster.front.restart_service(service)
    for client in clients:
        client.shutdown()
    one, other = accounts.values()
    eventually(lambda: can_log_in(cluster, one))
    message = encrypted(one.address, other.address)
    assert cluster.front.send(one, other.address, message)[0] == 250
    cluster.front.messages(other)
    check_account(cluster, ask_for_account(cluster)[1])


def record_of(cluster, account):
    record = cluster.front.path(f"/home/vmail/mail/{cluster.front.domain}/moved/{account.address}")
    record.parent.mkdir(exist_ok=True)
    record.parent.chmod(0o755)
    return record


@pytest.mark.parametrize("target", ("nonsense", "10.0.0.99", "-"))
def test_a_wrong_record_of_a_move(cluster, target):
    """The front finds the account by asking the other backends."""
    one, other = of_each(cluster).values()
    record = record_of(cluster, one)
    record.symlink_to(target)
    try:
        assert can_log_in(cluster, one)
        message = encrypted(other.address, one.address)
        assert cluster.front.send(other, one.address, message)[0] == 250
        cluster.front.messages(one)
    finally:
        record.unlink()


@pytest.mark.parametrize("target", ("file", "directory"))
def test_a_broken_record_of_a_move(cluster, target):
    """No new account replaces the one that is somewhere, and mail waits."""
    one, other = of_each(cluster).values()
    record = record_of(cluster, one)
    if target == "file":
        record.touch()
    else:
        record.mkdir()
    try:
        refuses_temporarily(cluster, one)
        message = encrypted(other.address, one.address)
        assert cluster.front.send(other, one.address, message)[0] == 250
        eventually(lambda: [entry for entry in cluster.front.queue()
                            if entry["queue_name"] == "deferred"], 60)  # fmt: skip
        assert can_log_in(cluster, other)
    finally:
        if target == "directory":
            record.rmdir()
        else:
            record.unlink()
    eventually(lambda: cluster.front.inside("postqueue", "-f") and cluster.front.queue() == [], 120)
    assert len(cluster.front.messages(one)) == 1
    assert cluster.front.fetch(other) == []


def test_a_backend_is_added_while_clients_log_in(cluster):
    accounts = list(of_each(cluster).values())
    before = cluster.places()
    stop = threading.Event()
    refused, made = [], []

    def log_in(existing):
        with network_of(cluster.hosts[0].process.pid):
            while not stop.is_set():
                account = existing or cluster.front.account()
                try:
                    cluster.front.imap(account).logout()
                    made.append(account)
                except imaplib.IMAP4.error as error:
                    refused.append(str(error))

    threads = [threading.Thread(target=log_in, args=(each,)) for each in (*accounts, None, None)]
    for thread in threads:
        thread.start()
    try:
        address = cluster.add_backend()
        cluster.backends[address].start()
        cluster.set_backends(cluster.backends)
        eventually(lambda: [address] in cluster.places().values(), 120)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert [text for text in refused if not re.search(IMAP_TEMPORARY, text)] == []
    places = cluster.places()
    # Nobody has two mailboxes, and those who had one still have it.
    assert all(len(places[account.address]) == 1 for account in made)
    assert {name: places[name] for name in before} == before


def findings(relay):
    """{(check, title): health} of `chatmailctl status`."""
    text = relay.inside("chatmailctl", "status", "--json", check=False).stdout
    checks = json.loads(text)["checks"]
    return {(check["check"], check["title"]): check["health"] for check in checks}


# What is not there in this network: a DNS server and the internet.
MISSING = {"dns", "push"}


def test_status_knows_what_each_machine_does(cluster):
    dead = next(iter(cluster.backends))
    for relay in (cluster.front, cluster.backends[dead]):
        relay.limit_inotify(65535)  # enough, on any machine that runs the tests
        found = findings(relay)
        assert {key for (key, _), health in found.items() if health == "fault"} <= MISSING, found
    assert findings(cluster.front)["backend", dead] == "ok"
    assert ("smtp", "port 25") not in findings(cluster.backends[dead])
    cluster.backends[dead].stop_service("dovecot")
    try:
        found = findings(cluster.front)
        assert found["backend", dead] == "fault"
        assert [health for (key, _), health in found.items() if key == "backend"].count("fault") == 1
    finally:
        cluster.backends[dead].start_service("dovecot")
