"""Domains with silent name servers: their mail must not delay other mail."""

import secrets
import threading

import pytest

from support.dkim_signer import record, sign
from support.dkim_verdict import LATER, RECIPIENT, VALID, encrypted
from support.dns import DnsServer
from support.milter_daemon import MilterDaemon
from support.wait import eventually

CONNECTIONS = 20

# Without our limits libunbound marks its forwarder as dead after about this many messages that get
# no reply.
WAITED_IN_VAIN = 120


@pytest.fixture
def dns():
    server = DnsServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def milter(tmp_path, dns):
    daemon = MilterDaemon(tmp_path, resolver=dns.resolver)
    daemon.account(RECIPIENT)
    with daemon:
        yield daemon


def signed(key, domain):
    return sign(encrypted(sender=f"x@{domain}"), key, "sel", domain=domain)


def silent_name():
    return f"x{secrets.token_hex(6)}.dead.test"


def flood(milter, key, results, stop):
    while not stop.is_set():
        results.append(milter.judge(signed(key, silent_name()))[0])


def test_mail_of_other_domains_passes(milter, dns, rsa):
    """Each message is from a new domain whose server answers at once."""
    dns.silence("dead.test")
    results, stop = [], threading.Event()
    threads = [
        threading.Thread(target=flood, args=(milter, rsa, results, stop))
        for _ in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: len(results) >= WAITED_IN_VAIN, timeout=300)
        sound = [f"good{secrets.token_hex(4)}.test" for _ in range(50)]
        for domain in sound:
            dns.txt(f"sel._domainkey.{domain}", record(rsa))
        codes = [milter.judge(signed(rsa, domain))[0] for domain in sound]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert codes == [VALID] * len(sound)
    assert set(results) == {LATER}
