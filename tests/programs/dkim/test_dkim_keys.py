"""The key that verifies a signature: its record, and failures of the DNS."""

import base64
import threading
from pathlib import Path

import pytest

from support.dkim_signer import RsaKey, record, sign
from support.dkim_verdict import (
    INVALID,
    LATER,
    RECIPIENT,
    VALID,
    encrypted,
    expect,
    name_of,
    with_preamble,
)
from support.dns import DnsServer, pieces
from support.milter_daemon import MilterDaemon
from support.ports import free_ports
from support.wait import eventually

# --- The key record


def flags(**tags):
    return lambda key: record(key, **tags)


GOOD_RECORDS = {
    "without v=": flags(v=None),
    "without k=": flags(k=None),
    "notes and unknown tags": flags(n="a note", x_y="1"),
    "sha256 among the hashes": flags(h="sha1:sha256"),
    "service email": flags(s="other:email"),
    "service *": flags(s="*"),
    "test mode": flags(t="y"),
    "t=s without a subdomain": flags(t="s"),
    "blanks everywhere": lambda key: record(key).replace("; ", " ;\t").replace("=", " = ", 1),
    "a final semicolon": lambda key: record(key) + ";",
    "blanks inside p=": lambda key: record(key).replace("p=MIIB", "p=MI IB"),
    "RSAPublicKey": lambda key: record(key, p=base64.b64encode(key.public_pkcs1).decode()),
}


@pytest.mark.parametrize("case", GOOD_RECORDS)
def test_valid_record_is_accepted(milter, dns, rsa, selector, case):
    dns.txt(name_of(selector), GOOD_RECORDS[case](rsa))
    expect(milter, sign(encrypted(), rsa, selector), VALID)


BAD_RECORDS = {
    "revoked": (flags(p=""), "the key is revoked"),
    "no p=": (flags(p=None), "no usable key"),
    "p= is not base64": (flags(p="!!!!"), "no usable key"),
    "p= is not a key": (flags(p="AAAA"), "no usable key"),
    "bytes after the key": (
        lambda key: record(key, p=base64.b64encode(key.public + b"x").decode()),
        "no usable key",
    ),
    "version 2": (flags(v="DKIM2"), "v= is not DKIM1"),
    "v= not first": (
        lambda key: record(key, v=None) + "; v=DKIM1",
        "v= is not DKIM1, or not first",
    ),
    "another key type": (flags(k="ed25519"), "for another algorithm"),
    "unknown key type": (flags(k="dsa"), "for another algorithm"),
    "only sha1": (flags(h="sha1"), "not for sha256"),
    "another service": (flags(s="tlsrpt"), "not for mail"),
    "p= twice": (lambda key: record(key) + "; p=AAAA", "malformed"),
    "no tags": (lambda key: "this is no key record", "malformed"),
    "empty": (lambda key: "", "malformed"),
    "bytes that are not text": (lambda key: b"v=DKIM1; p=\0\x01\xff", "malformed"),
    "too long": (lambda key: record(key) + "; n=" + "x" * 5000, "malformed"),
    "another key": (lambda key: record(RsaKey(2048)), "not of this header and key"),
    "an elliptic curve key": (
        lambda key: record(
            key,
            p=base64.b64encode(
                bytes.fromhex("302a300506032b6570032100") + bytes(range(32))
            ).decode(),
        ),
        "no usable key",
    ),
}


@pytest.mark.parametrize("case", BAD_RECORDS)
def test_invalid_record_is_rejected(milter, dns, rsa, selector, case):
    make, reason = BAD_RECORDS[case]
    dns.txt(name_of(selector), make(rsa))
    expect(milter, sign(encrypted(), rsa, selector), INVALID, reason)


@pytest.mark.parametrize(
    "bits, code", [(768, INVALID), (1023, INVALID), (1024, VALID), (4096, VALID)]
)
def test_rsa_key_size_limits(milter, dns, selector, bits, code):
    """The record of the largest key does not fit into a small UDP reply."""
    key = RsaKey(bits)
    text = record(key, n="x" * 900) if bits == 4096 else record(key)
    dns.txt(name_of(selector), text)
    reason = "" if code == VALID else "too few or too many bits"
    expect(milter, sign(encrypted(), key, selector), code, reason)


def test_record_in_several_strings(milter, dns, rsa, selector):
    dns.txt(name_of(selector), pieces(record(rsa), 7))
    expect(milter, sign(encrypted(), rsa, selector), VALID)


def test_several_records_of_one_name(milter, dns, rsa, selector):
    dns.txt(name_of(selector), "v=spf1 -all", record(rsa, p=""), record(rsa))
    expect(milter, sign(encrypted(), rsa, selector), VALID)


def test_aliases_are_followed(milter, dns, rsa, selector):
    dns.cname(name_of(selector), f"{selector}.keys.host.test")
    dns.cname(f"{selector}.keys.host.test", f"{selector}.more.host.test")
    dns.txt(f"{selector}.more.host.test", record(rsa))
    expect(milter, sign(encrypted(), rsa, selector), VALID)


def test_alias_to_a_missing_name(milter, dns, rsa, selector):
    dns.cname(name_of(selector), f"{selector}.absent.test")
    expect(milter, sign(encrypted(), rsa, selector), INVALID, "no such key")


# --- Failures of the DNS


def test_missing_name_is_rejected(milter, rsa, selector):
    expect(milter, sign(encrypted(), rsa, selector), INVALID, "no such key in the DNS")


def test_missing_record_is_rejected(milter, dns, rsa, selector):
    dns.empty(name_of(selector))
    expect(milter, sign(encrypted(), rsa, selector), INVALID, "no such key in the DNS")


@pytest.mark.parametrize("code", ["SERVFAIL", "REFUSED", "FORMERR", "NOTIMP"])
def test_dns_failure_is_temporary(milter, dns, rsa, selector, code):
    dns.code(name_of(selector), code)
    expect(milter, sign(encrypted(), rsa, selector), LATER, "the DNS does not reply now")


def test_alias_loop_is_temporary(milter, dns, rsa, selector):
    dns.cname(name_of(selector), f"{selector}.loop.test")
    dns.cname(f"{selector}.loop.test", name_of(selector))
    expect(milter, sign(encrypted(), rsa, selector), LATER, "the DNS does not reply now")


def test_late_dns_reply_is_used(milter, dns, rsa, selector):
    answer = threading.Event()
    dns.wait(name_of(selector), answer, record(rsa))
    timer = threading.Timer(0.7, answer.set)
    timer.start()
    expect(milter, sign(encrypted(), rsa, selector), VALID)
    timer.join()


def test_silent_dns_is_temporary(milter, dns, rsa, selector):
    never = threading.Event()
    dns.wait(name_of(selector), never)
    try:
        expect(milter, sign(encrypted(), rsa, selector), LATER, "the DNS does not reply now")
    finally:
        never.set()


def test_dns_recovers(tmp_path, rsa, selectors):
    server = DnsServer()
    names = [selectors() for _ in range(3)]
    for name in names:
        server.txt(name_of(name), record(rsa))
    with MilterDaemon(tmp_path, resolver=server.resolver) as milter:
        milter.account(RECIPIENT)
        expect(milter, sign(encrypted(), rsa, names[0]), LATER, "the DNS does not reply now")
        # Messages that need no key are decided meanwhile.
        altered = with_preamble(sign(encrypted(), rsa, names[1]))
        expect(milter, altered, INVALID, "the body is not the one that was signed")
        server.start()
        try:
            eventually(lambda: milter.judge(sign(encrypted(), rsa, names[2]))[0] == VALID)
        finally:
            server.stop()


def test_dns_replies_are_cached(milter, dns, rsa, selector):
    dns.txt(name_of(selector), record(rsa))
    for _ in range(5):
        expect(milter, sign(encrypted(), rsa, selector), VALID)
    assert dns.asked(name_of(selector)) == 1


def test_slow_dns_delays_only_messages_that_need_it(milter, dns, rsa, selectors):
    """200 messages wait for their key; another message passes meanwhile. The 200 pass, too, unless
    the machine is so busy that their time runs out: then they get a temporary reply."""
    answer = threading.Event()
    quick = selectors()
    dns.txt(name_of(quick), record(rsa))
    results = []

    names = [selectors() for _ in range(200)]
    for name in names:
        dns.wait(name_of(name), answer, record(rsa))
    signed = [sign(encrypted(), rsa, name) for name in names]
    threads = [
        threading.Thread(target=lambda m: results.append(milter.judge(m)[0]), args=(message,))
        for message in signed
    ]
    last = sign(encrypted(), rsa, quick)
    try:
        for thread in threads:
            thread.start()
        eventually(lambda: all(dns.asked(name_of(name)) > 0 for name in names))
        expect(milter, last, VALID)
    finally:
        answer.set()
    for thread in threads:
        thread.join()
    assert len(results) == 200 and set(results) <= {VALID, LATER}


def connections_closed(port):
    """The number of recent connections to the port that their client closed."""
    waiting = f":{port:04X} 06 "
    return Path("/proc/net/tcp").read_text().count(waiting)


def test_slow_dns_wakes_workers_of_an_internet_socket(tmp_path, dns, rsa, selector):
    """While a message waits, the daemon connects to its own socket (milter/worker_wakeup.h), as it
    does with a Unix socket."""
    never = threading.Event()
    dns.wait(name_of(selector), never)
    milter = MilterDaemon(tmp_path, resolver=dns.resolver)
    milter.account(RECIPIENT)
    port = free_ports(1)[0]
    milter.socket = f"inet:{port}@127.0.0.1"
    message = sign(encrypted(), rsa, selector)
    with milter:
        before = connections_closed(port)
        waits = threading.Thread(target=lambda: milter.judge(message))
        waits.start()
        try:
            eventually(lambda: connections_closed(port) >= before + 5)
        finally:
            never.set()
            waits.join()
