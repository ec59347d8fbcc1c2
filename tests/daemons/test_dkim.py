"""DKIM verification of incoming mail by the running daemon: valid signatures of several signers,
and everything that must not pass, each for its own reason, which the log tells."""

import base64
import hashlib
import subprocess
import threading
from pathlib import Path

import dkim
import pytest

from support import messages
from support.dkim_signer import SIGNATURE, Ed25519Key, RsaKey, record, sign, split
from support.dns import DnsServer, pieces
from support.milter import Connection
from support.milter_daemon import BUILD, MilterDaemon
from support.ports import free_ports
from support.wait import eventually

SENDER, RECIPIENT = "alice@peer.test", "bob@relay.test"
VALID, INVALID, NONE, LATER = 250, 554, 554, 451


@pytest.fixture(scope="module")
def milter(tmp_path_factory, dns):
    daemon = MilterDaemon(tmp_path_factory.mktemp("milter"), resolver=dns.resolver)
    daemon.account(RECIPIENT)
    with daemon:
        yield daemon


@pytest.fixture(scope="module")
def rsa():
    return RsaKey()


@pytest.fixture(scope="module")
def other_rsa():
    return RsaKey()


@pytest.fixture(scope="module")
def ed25519():
    return Ed25519Key()


@pytest.fixture(scope="module")
def selectors():
    """A new selector each time, so that no test meets another one's cached answer."""
    numbers = iter(range(1, 100000))
    return lambda: f"s{next(numbers)}"


@pytest.fixture
def selector(selectors):
    return selectors()


def name_of(selector, domain="peer.test"):
    return f"{selector}._domainkey.{domain}"


def encrypted(sender=SENDER):
    return messages.encrypted(sender, RECIPIENT)


def expect(milter, message, code, reason="", sender=SENDER):
    got, text, log = milter.judge(message, sender)
    assert got == code, f"{got} {text}\n{log}"
    assert reason in log
    if code == INVALID:
        assert text.startswith("5.7.1 No ") and "DKIM signature found" in text
    if code == LATER:
        assert text.startswith("4.7.5 ")
    for address in (SENDER, RECIPIENT, sender):
        assert address not in log


# --- Signers --------------------------------------------------------------------------------------

FORMS = ["simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_dkimpy_signs(request, milter, dns, selector, form, kind):
    key = request.getfixturevalue(kind)
    dns.txt(name_of(selector), record(key))
    message = encrypted()
    header = dkim.sign(
        message,
        selector.encode(),
        b"peer.test",
        key.pem if kind == "rsa" else key.seed,
        canonicalize=tuple(part.encode() for part in form.split("/")),
        signature_algorithm=key.algorithm.encode(),
    )
    expect(milter, header + message, VALID)


class OpenDkim(Connection):
    """A real OpenDKIM that signs; a connection to it is the mail server's side."""

    def __init__(self, path):
        self.inserted = []
        super().__init__(path)

    def receive(self):
        while True:
            command, data = super().receive()
            if command == b"i":  # insert a header field: index, name, value
                name, value = data[4:].split(b"\0")[:2]
                self.inserted.append(name + b":" + value.replace(b"\n", b"\r\n"))
            elif command == b"h":
                name, value = data.split(b"\0")[:2]
                self.inserted.append(name + b":" + value.replace(b"\n", b"\r\n"))
            else:
                return command, data

    def signature(self, message):
        self.send(b"C", b"localhost\0" + b"4" + (25).to_bytes(2, "big") + b"127.0.0.1\0")
        self.answer()
        self.send(b"H", b"peer.test\0")
        self.answer()
        self.message(message, SENDER, [RECIPIENT])
        fields = [field for field in self.inserted if field.startswith(b"DKIM-Signature")]
        assert len(fields) == 1
        return fields[0] + b"\r\n"


# Not ed25519 with simple header fields: OpenDKIM 2.11 then signs something else than it sends, and
# dkimpy does not take it either.
@pytest.mark.parametrize(
    "kind, form",
    [*(("rsa", form) for form in FORMS), *(("ed25519", form) for form in FORMS[2:])],
)
def test_opendkim_signs(request, milter, dns, selector, tmp_path, form, kind):
    key = request.getfixturevalue(kind)
    private = tmp_path / "key.pem"
    if kind == "rsa":
        private.write_bytes(key.pem)
    else:
        der = bytes.fromhex("302e020100300506032b657004220420") + bytes(key.key)
        private.write_text(
            "-----BEGIN PRIVATE KEY-----\n"
            + base64.b64encode(der).decode()
            + "\n-----END PRIVATE KEY-----\n"
        )
    private.chmod(0o600)
    socket = tmp_path / "opendkim.sock"
    configuration = tmp_path / "opendkim.conf"
    configuration.write_text(
        f"Mode s\nDomain peer.test\nSelector {selector}\nKeyFile {private}\n"
        f"SignatureAlgorithm {key.algorithm}\nCanonicalization {form}\n"
        f"Socket local:{socket}\nOversignHeaders From\nRequireSafeKeys no\nSyslog no\n"
    )
    process = subprocess.Popen(["opendkim", "-f", "-x", configuration])
    try:
        eventually(socket.exists)
        message = encrypted()
        with OpenDkim(socket) as connection:
            signature = connection.signature(message)
    finally:
        process.kill()
        process.wait()
    dns.txt(name_of(selector), record(key))
    expect(milter, signature + message, VALID)


class Rspamd(OpenDkim):
    """A real rspamd that signs. It answers only at the end of a message, whatever was agreed on."""

    def answer(self):
        pass

    def end_of_message(self, *arguments):
        super().end_of_message(*arguments)
        super().answer()


def rspamd_configuration(directory, selector, key):
    # It compiles the list of top-level domains for 20 seconds, so it gets a short one.
    domains = directory / "domains"
    domains.write_text("test\n")
    return f"""
options {{
  pidfile = "{directory}/pid"; tempdir = "{directory}"; control_socket = "{directory}/control";
  url_tld = "{domains}"; hs_cache_dir = "{directory}"; filters = "dkim";
  dns {{ nameserver = ["127.0.0.1:9"]; }}
}}
logging {{ type = "file"; filename = "{directory}/log"; }}
worker "rspamd_proxy" {{
  bind_socket = "{directory}/rspamd.sock mode=0600"; milter = true; count = 1;
  upstream "local" {{ default = true; self_scan = true; }}
}}
modules {{ path = "/usr/share/rspamd/plugins/dkim_signing.lua"; }}
dkim {{ }}
dkim_signing {{
  path = "{key}"; selector = "{selector}"; sign_authenticated = true; sign_local = true;
  use_domain = "header"; use_esld = false; allow_username_mismatch = true;
}}
"""


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_rspamd_signs(request, milter, dns, selector, tmp_path, kind):
    key = request.getfixturevalue(kind)
    private = tmp_path / "key"
    if kind == "rsa":
        command = ["openssl", "pkcs8", "-topk8", "-nocrypt", "-outform", "DER"]
        private.write_bytes(subprocess.check_output(command, input=key.pem))
    else:
        private.write_bytes(base64.b64encode(bytes(key.key) + key.public))
    configuration = tmp_path / "rspamd.conf"
    configuration.write_text(rspamd_configuration(tmp_path, selector, private))
    socket = tmp_path / "rspamd.sock"
    process = subprocess.Popen(["rspamd", "-f", "-i", "-c", configuration])
    try:
        eventually(socket.exists, timeout=120)  # it compiles patterns first
        message = encrypted()
        with Rspamd(socket) as connection:
            signature = connection.signature(message)
    finally:
        process.terminate()
        process.wait()
    dns.txt(name_of(selector), record(key))
    assert b"h=from:from:" in signature
    expect(milter, signature + message, VALID)


# --- What the key record may be -------------------------------------------------------------------


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
def test_good_record(milter, dns, rsa, selector, case):
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
    "v= not first": (lambda key: record(key, v=None) + "; v=DKIM1", "v= is not DKIM1, or not first"),
    "another key type": (flags(k="ed25519"), "for another algorithm"),
    "unknown key type": (flags(k="dsa"), "for another algorithm"),
    "only sha1": (flags(h="sha1"), "not for sha256"),
    "another service": (flags(s="tlsrpt"), "not for mail"),
    "p= twice": (lambda key: record(key) + "; p=AAAA", "malformed"),
    "no tags": (lambda key: "this is no key record", "malformed"),
    "empty": (lambda key: "", "malformed"),
    "bytes that are no text": (lambda key: b"v=DKIM1; p=\0\x01\xff", "malformed"),
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
def test_bad_record(milter, dns, rsa, selector, case):
    make, reason = BAD_RECORDS[case]
    dns.txt(name_of(selector), make(rsa))
    expect(milter, sign(encrypted(), rsa, selector), INVALID, reason)


@pytest.mark.parametrize("bits, code", [(768, INVALID), (1023, INVALID), (1024, VALID), (4096, VALID)])
def test_rsa_key_size(milter, dns, selector, bits, code):
    """The record of the largest does not fit into a small UDP answer."""
    key = RsaKey(bits)
    text = record(key, n="x" * 900) if bits == 4096 else record(key)
    dns.txt(name_of(selector), text)
    reason = "" if code == VALID else "too few or too many bits"
    expect(milter, sign(encrypted(), key, selector), code, reason)


def test_record_in_several_strings(milter, dns, rsa, selector):
    dns.txt(name_of(selector), pieces(record(rsa), 7))
    expect(milter, sign(encrypted(), rsa, selector), VALID)


def test_several_records(milter, dns, rsa, selector):
    dns.txt(name_of(selector), "v=spf1 -all", record(rsa, p=""), record(rsa))
    expect(milter, sign(encrypted(), rsa, selector), VALID)


def test_aliases(milter, dns, rsa, selector):
    dns.cname(name_of(selector), f"{selector}.keys.host.test")
    dns.cname(f"{selector}.keys.host.test", f"{selector}.more.host.test")
    dns.txt(f"{selector}.more.host.test", record(rsa))
    expect(milter, sign(encrypted(), rsa, selector), VALID)


def test_alias_to_nothing(milter, dns, rsa, selector):
    dns.cname(name_of(selector), f"{selector}.absent.test")
    expect(milter, sign(encrypted(), rsa, selector), INVALID, "no such key")


# --- What the DNS may do --------------------------------------------------------------------------


def test_no_such_name(milter, rsa, selector):
    expect(milter, sign(encrypted(), rsa, selector), INVALID, "no such key in the DNS")


def test_no_such_record(milter, dns, rsa, selector):
    dns.empty(name_of(selector))
    expect(milter, sign(encrypted(), rsa, selector), INVALID, "no such key in the DNS")


@pytest.mark.parametrize("code", ["SERVFAIL", "REFUSED", "FORMERR", "NOTIMP"])
def test_dns_failure(milter, dns, rsa, selector, code):
    dns.code(name_of(selector), code)
    expect(milter, sign(encrypted(), rsa, selector), LATER, "the DNS does not answer now")


def test_alias_loop(milter, dns, rsa, selector):
    dns.cname(name_of(selector), f"{selector}.loop.test")
    dns.cname(f"{selector}.loop.test", name_of(selector))
    expect(milter, sign(encrypted(), rsa, selector), LATER, "the DNS does not answer now")


def test_dns_answers_late(milter, dns, rsa, selector):
    answer = threading.Event()
    dns.wait(name_of(selector), answer, record(rsa))
    timer = threading.Timer(0.7, answer.set)
    timer.start()
    expect(milter, sign(encrypted(), rsa, selector), VALID)
    timer.join()


def test_dns_never_answers(milter, dns, rsa, selector):
    never = threading.Event()
    dns.wait(name_of(selector), never)
    try:
        expect(milter, sign(encrypted(), rsa, selector), LATER, "the DNS does not answer now")
    finally:
        never.set()


def test_dns_down_then_up_again(tmp_path, rsa, selectors):
    server = DnsServer()
    names = [selectors() for _ in range(3)]
    for name in names:
        server.txt(name_of(name), record(rsa))
    with MilterDaemon(tmp_path, resolver=server.resolver) as milter:
        milter.account(RECIPIENT)
        expect(milter, sign(encrypted(), rsa, names[0]), LATER, "the DNS does not answer now")
        # What needs no key is decided all the same.
        altered = with_preamble(sign(encrypted(), rsa, names[1]))
        expect(milter, altered, INVALID, "the body is not the one that was signed")
        server.start()
        try:
            eventually(lambda: milter.judge(sign(encrypted(), rsa, names[2]))[0] == VALID)
        finally:
            server.stop()


def test_answers_are_cached(milter, dns, rsa, selector):
    dns.txt(name_of(selector), record(rsa))
    for _ in range(5):
        expect(milter, sign(encrypted(), rsa, selector), VALID)
    assert dns.asked(name_of(selector)) == 1


def test_slow_dns_delays_only_whom_it_concerns(milter, dns, rsa, selectors):
    """200 messages wait for their key; another one passes meanwhile. They pass, too, unless the
    machine is so busy that they have waited too long: then they may try again."""
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
    """How many connections to the port were there a moment ago, closed by who had opened them."""
    waiting = f":{port:04X} 06 "
    return Path("/proc/net/tcp").read_text().count(waiting)


def test_slow_dns_wakes_workers_of_an_internet_socket(tmp_path, dns, rsa, selector):
    """While a message waits the daemon connects to itself (milter/pool.h), as to a Unix socket."""
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


# --- What the signature may be --------------------------------------------------------------------

CASES = {}


def case(code, reason=""):
    def register(function):
        CASES[function.__name__.replace("_", " ")] = (function, code, reason)
        return function

    return register


def without(tag, reason):
    CASES[f"no {tag}="] = (lambda m, k, s: sign(m, k, s, **{tag: None}), INVALID, reason)


without("v", "v= is missing")
without("a", "a= is missing")
without("d", "d= is missing")
without("s", "s= is missing")
without("h", "h= is missing")
without("bh", "bh= is missing")
without("b", "b= is missing")


def with_tags(title, code, reason, **tags):
    CASES[title] = (lambda m, k, s: sign(m, k, s, **tags), code, reason)


with_tags("version 2", INVALID, "v= is missing or not 1", v="2")
with_tags("an unknown canonical form", INVALID, "c= is unknown", c="relaxed/nofws")
with_tags("another query method", INVALID, "q= is not dns/txt", q="http")
with_tags("query methods with dns/txt", VALID, "", q="http : dns/txt")
with_tags("l= of the whole body", INVALID, "l= leaves", l="99999999")
with_tags("l=0", INVALID, "l= leaves", l="0")
with_tags("an empty l=", INVALID, "l= leaves", l="")
with_tags("expired", INVALID, "expired", t="1000000000", x="1000000100")
with_tags("not expired", VALID, "", t="1000000000", x="99999999999")
with_tags("expires before it is made", INVALID, "x= is not after t=", t="1000000000", x="999999999")
with_tags("made in the future", INVALID, "t= is in the future", t="99999999999")
with_tags("t= is no number", INVALID, "t= is no time", t="yesterday")
with_tags("x= is no number", INVALID, "x= is no time", x="-1")
with_tags("x= of thirteen digits", INVALID, "x= is no time", x="9999999999999")
with_tags("identity of the domain", VALID, "", i="@peer.test")
with_tags("identity of a subdomain", VALID, "", i="alice@mail.peer.test")
with_tags("identity of another domain", INVALID, "i= is outside", i="alice@relay.test")
with_tags("identity of a lookalike", INVALID, "i= is outside", i="alice@notpeer.test")
with_tags("identity without a domain", INVALID, "i= is outside", i="alice")
with_tags("folded identity", VALID, "", i="=20alice@\r\n\tpeer.test")
with_tags("identity and copied fields in UTF-8", VALID, "", z="Subject:\u00fc", i="\u00fc@peer.test")
with_tags("d= in capitals", VALID, "", d="PEER.TEST")
with_tags("d= with a final dot", INVALID, "d= is missing or no domain", d="peer.test.")
with_tags("d= of a literal", INVALID, "d= is missing or no domain", d="[127.0.0.1]")
with_tags("a selector that is none", INVALID, "s= is missing or no selector", s="a/b")
with_tags("names that are too long", INVALID, "the key's name is too long", s=".".join(["s" * 60] * 4))
with_tags("no From in h=", INVALID, "h= does not name From", headers=("to", "subject"))
with_tags("an empty h=", INVALID, "empty name", h="")
with_tags("an empty name in h=", INVALID, "empty name", headers=("from", "", "to"))
with_tags("oversigned", VALID, "", headers=("from", "from", "to", "to", "subject", "subject"))
with_tags("absent fields in h=", VALID, "", headers=("from", "to", "resent-from", "list-id"))
with_tags(
    "names with blanks in h=", VALID, "", headers=("From ", " To", "\r\n\tSubject", "\tDate")
)
with_tags("too many names", INVALID, "too many names", headers=("from",) * 257)
with_tags("many names", VALID, "", headers=("from",) * 256)
with_tags("bh= is no hash", INVALID, "bh= is missing or no SHA-256", bh="AAAA")
with_tags("bh= of another body", INVALID, "the body is not", bh=base64.b64encode(bytes(32)).decode())
with_tags("b= is not base64", INVALID, "b= is missing or no signature", b="%%%")
with_tags("b= is too long", INVALID, "b= is missing or no signature", b="A" * 2000)
with_tags("b= of zeros", INVALID, "not of this header and key", b="A" * 342)
with_tags("a= in capitals", VALID, "", a="RSA-SHA256")
with_tags("a= names the wrong kind of key", INVALID, "another algorithm", a="ed25519-sha256")
with_tags("unknown tags", VALID, "", xb="1", z="", r="y")
with_tags("too many tags", INVALID, "no list of tags", **{f"x{n}": "1" for n in range(40)})
with_tags("a control byte", INVALID, "no list of tags", n="\x01")
with_tags("the field's name in capitals", VALID, "", name=b"DKIM-SIGNATURE")


@case(INVALID, "a= is not rsa-sha256 or ed25519-sha256")
def rsa_sha1(message, key, selector):
    return sign(message, key, selector, digest=hashlib.sha1, a="rsa-sha1")


@case(INVALID, "no list of tags")
def a_tag_twice(message, key, selector):
    return sign(message, key, selector, layout=lambda text: text.replace(" c=", " d=a.test; c=", 1))


@case(INVALID, "no list of tags")
def two_semicolons(message, key, selector):
    return sign(message, key, selector, layout=lambda text: text.replace("; ", ";; ", 1))


@case(INVALID, "no list of tags")
def a_word_that_is_no_tag(message, key, selector):
    return sign(message, key, selector, layout=lambda text: text.replace("; ", "; hello; ", 1))


@case(VALID)
def blanks_around_everything(message, key, selector):
    return sign(
        message,
        key,
        selector,
        layout=lambda text: text.replace("=relaxed/relaxed;", " =\r\n\trelaxed/relaxed\r\n ;"),
    )


@case(VALID)
def blanks_around_b(message, key, selector):
    return sign(
        message,
        key,
        selector,
        canonicalization="simple/simple",
        layout=lambda text: text.replace("b=" + SIGNATURE, "b\r\n\t=" + SIGNATURE + "\r\n\t "),
    )


@case(VALID)
def b_in_the_middle(message, key, selector):
    return sign(
        message,
        key,
        selector,
        canonicalization="simple/simple",
        layout=lambda text: " fab=1; b=" + SIGNATURE + ";" + text.replace("b=" + SIGNATURE, "bb=2;"),
    )


@case(INVALID, "not of this header and key")
def a_tag_that_ends_in_b_altered(message, key, selector):
    return sign(message, key, selector, fab="1").replace(b"fab=1", b"fab=2", 1)


@case(VALID)
def names_that_only_begin_like_signed_ones(message, key, selector):
    more = b"From-Line: <eve@other.test>\r\nSubjects: 2\r\nTo-Do: sign\r\n"
    return sign(message.replace(b"\r\n\r\n", b"\r\n" + more + b"\r\n", 1), key, selector)


@case(VALID)
def several_aligned_of_which_the_last_is_good(message, key, selector):
    signed = sign(message, key, selector)
    for _ in range(7):
        signed = sign(message, key, selector, b="A" * 342)[: -len(message)] + signed
    return signed


@case(INVALID, "not of this header and key")
def too_many_bad_before_the_good(message, key, selector):
    signed = sign(message, key, selector)
    for _ in range(8):
        signed = sign(message, key, selector, b="A" * 342)[: -len(message)] + signed
    return signed


@case(VALID)
def many_of_other_domains_before_the_good(message, key, selector):
    signed = sign(message, key, selector)
    for number in range(30):
        signed = sign(message, key, selector, f"d{number}.test")[: -len(message)] + signed
    return signed


@case(VALID)
def broken_ones_before_the_good(message, key, selector):
    signed = sign(message, key, selector)
    for broken in (b"", b" ", b" v=1", b" garbage", b" ;", b" v=1; a=rsa-sha256; d=peer.test"):
        signed = b"DKIM-Signature:" + broken + b"\r\n" + signed
    return signed


@case(INVALID, "d= is not the domain of From")
def of_another_domain(message, key, selector):
    return sign(message, key, selector, "other.test")


@case(INVALID, "d= is not the domain of From")
def of_the_parent_domain(message, key, selector):
    return sign(message, key, selector, "test")


@case(INVALID, "d= is not the domain of From")
def of_a_subdomain(message, key, selector):
    return sign(message, key, selector, "mail.peer.test")


PREAMBLE = b"\r\n\r\nThis is an encrypted message.\r\n--"


def with_preamble(message, preamble=PREAMBLE):
    """Allowed in incoming mail; so an altered body reaches the verdict on its signature."""
    return message.replace(b"\r\n\r\n--", preamble, 1)


@case(INVALID, "the body is not")
def body_altered(message, key, selector):
    return with_preamble(sign(message, key, selector))


@case(INVALID, "the body is not")
def body_altered_under_simple(message, key, selector):
    return with_preamble(sign(message, key, selector, canonicalization="simple/simple"))


@case(VALID)
def empty_lines_appended(message, key, selector):
    return sign(message, key, selector, canonicalization="simple/simple") + b"\r\n\r\n\r\n"


@case(VALID)
def blanks_added_under_relaxed(message, key, selector):
    signed = sign(with_preamble(message), key, selector)
    return signed.replace(b"an encrypted message.", b"an \t encrypted  message. \t ")


@case(INVALID, "the body is not")
def blanks_added_under_simple(message, key, selector):
    signed = sign(with_preamble(message), key, selector, canonicalization="simple/simple")
    return signed.replace(b"an encrypted message.", b"an encrypted message. ")


@case(INVALID, "not of this header and key")
def subject_altered(message, key, selector):
    return sign(message, key, selector).replace(b"Subject: [...]", b"Subject: [....]")


@case(VALID)
def unsigned_field_altered(message, key, selector):
    return sign(message, key, selector).replace(b"Chat-Version: 1.0", b"Chat-Version: 2.0")


@case(VALID)
def field_refolded_under_relaxed(message, key, selector):
    return sign(message, key, selector).replace(b"Subject: [...]", b"SUBJECT:\r\n\t[...]  ")


@case(INVALID, "not of this header and key")
def field_refolded_under_simple(message, key, selector):
    signed = sign(message, key, selector, canonicalization="simple/simple")
    return signed.replace(b"Subject: [...]", b"Subject:  [...]")


@case(VALID)
def odd_blanks_in_the_header_under_simple(message, key, selector):
    message = message.replace(b"Subject: [...]", b"Subject:[...] \t\r\n\t \r\n  x")
    message = message.replace(b"Chat-Version: ", b"Chat-Version:\t  ")
    return sign(
        message,
        key,
        selector,
        canonicalization="simple/simple",
        headers=("from", "subject", "chat-version"),
    )


@case(INVALID, "not of this header and key")
def oversigned_field_added(message, key, selector):
    signed = sign(message, key, selector, headers=("from", "to", "to", "subject", "subject"))
    return b"To: <eve@relay.test>\r\n" + signed


@case(VALID)
def every_field_and_one_more_in_h(message, key, selector):
    """What makes libopendkim 2.11 write behind its memory. Another signature may be signed, never
    itself (RFC 6376 3.5)."""
    message = b"DKIM-Signature: v=1; d=list.test\r\n" + message
    names = [name.decode().lower() for name, _ in split(message)[0]]
    return sign(message, key, selector, headers=(*names, "dkim-signature", "list-id"))


@pytest.mark.parametrize("name", CASES)
def test_signature(milter, dns, rsa, selectors, name):
    make, code, reason = CASES[name]
    selector = selectors()
    dns.txt(name_of(selector), record(rsa))
    expect(milter, make(encrypted(), rsa, selector), code, reason)


@pytest.mark.parametrize(
    "identity, code", [("alice@peer.test", VALID), ("alice@mail.peer.test", INVALID)]
)
def test_key_not_for_subdomains(milter, dns, rsa, selector, identity, code):
    dns.txt(name_of(selector), record(rsa, t="y:s"))
    reason = "" if code == VALID else "the key is not for subdomains"
    expect(milter, sign(encrypted(), rsa, selector, i=identity), code, reason)


def test_from_domain_in_capitals(milter, dns, rsa, selector):
    dns.txt(name_of(selector), record(rsa))
    expect(milter, sign(encrypted("alice@Peer.TEST"), rsa, selector), VALID)


@pytest.mark.parametrize("first, second", [("rsa", "ed25519"), ("ed25519", "rsa")])
def test_both_kinds_at_once(request, milter, dns, selectors, first, second):
    message = encrypted()
    signed = message
    for kind in (first, second):
        key, selector = request.getfixturevalue(kind), selectors()
        dns.txt(name_of(selector), record(key))
        signed = sign(message, key, selector)[: -len(message)] + signed
    expect(milter, signed, VALID)


def test_ed25519_altered(milter, dns, ed25519, selector):
    dns.txt(name_of(selector), record(ed25519))
    signed = sign(encrypted(), ed25519, selector).replace(b"Subject: [...]", b"Subject: [.]")
    expect(milter, signed, INVALID, "not of this header and key")


@pytest.mark.parametrize("key", [bytes(32), bytes(31), bytes(33), b"\xff" * 32])
def test_ed25519_key_that_is_none(milter, dns, ed25519, selector, key):
    dns.txt(name_of(selector), record(ed25519, p=base64.b64encode(key).decode()))
    code, _, log = milter.judge(sign(encrypted(), ed25519, selector))
    assert code == INVALID and "invalid-dkim" in log


def test_one_later_outweighs_one_wrong(milter, dns, rsa, selectors):
    wrong, later = selectors(), selectors()
    dns.code(name_of(later), "SERVFAIL")
    message = encrypted()
    for first, second in ((wrong, later), (later, wrong)):
        signed = sign(message, rsa, first)[: -len(message)] + sign(message, rsa, second)
        expect(milter, signed, LATER, "the DNS does not answer now")


def test_one_valid_outweighs_one_later(milter, dns, rsa, selectors):
    good, later = selectors(), selectors()
    dns.code(name_of(later), "SERVFAIL")
    dns.txt(name_of(good), record(rsa))
    message = encrypted()
    for first, second in ((good, later), (later, good)):
        signed = sign(message, rsa, first)[: -len(message)] + sign(message, rsa, second)
        expect(milter, signed, VALID)


def test_later_of_another_domain_is_nobodys_business(milter, dns, rsa, selectors):
    later = selectors()
    dns.code(name_of(later, "other.test"), "SERVFAIL")
    signed = sign(encrypted(), rsa, later, "other.test")
    expect(milter, signed, INVALID, "d= is not the domain of From")
    assert dns.asked(name_of(later, "other.test")) == 0


# --- Bodies ---------------------------------------------------------------------------------------

BODIES = {
    "empty": b"",
    "one empty line": b"\r\n",
    "empty lines": b"\r\n" * 50,
    "blanks only": b"  \t \r\n \r\n",
    "no final line end": b"text",
    "blanks at line ends": b"a  \t\r\n\tb \r\n  c\t\r\n\r\n",
    "eight bits": b"\xc3\xbc\xff\x80 \xe4\r\n",
    "single CRs": b"a\rb\r\r\n\r\rc\r\n",
    "NULs": b"a\0b\r\n\0\r\n",
    "long lines": b"x" * 100_000 + b"\r\n" + b"y " * 50_000 + b"\r\n",
    "larger than the filter's pieces": b"0123456789 abcdef\t\r\n" * 20_000,
    "a line end between the pieces": b"x" * 65534 + b"\r\n" + b" \r\n" * 3 + b"y\r\n",
    "a CR between the pieces": b"x" * 65534 + b"\r" + b"y\r\n",
    "blanks between the pieces": b"x" * 65530 + b"      \t  y    \r\n",
}


@pytest.mark.parametrize("form", ["simple/simple", "relaxed/relaxed"])
@pytest.mark.parametrize("body", BODIES)
def test_body(milter, dns, rsa, selector, body, form):
    """Bodies that are refused for what they are, but for their signature only if it is wrong: the
    sender's account takes cleartext, and signed it passes."""
    dns.txt(name_of(selector), record(rsa))
    open_account = "open@relay.test"
    mailbox = milter.mailboxes / open_account
    mailbox.mkdir(parents=True, exist_ok=True)
    (mailbox / "password").write_text("{PLAIN}x")
    head = messages.cleartext(SENDER, open_account).partition(b"\r\n\r\n")[0]
    signed = sign(head + b"\r\n\r\n" + BODIES[body], rsa, selector, canonicalization=form)
    code, text, log = milter.judge(signed, SENDER, [open_account])
    assert code == VALID, f"{text}\n{log}"
    code, text, log = milter.judge(signed + b"x", SENDER, [open_account])
    assert code == INVALID and "the body is not the one that was signed" in log


def test_body_with_bare_line_feeds(milter, dns, rsa, selector):
    """As a file on disk has it: a line end is a line end."""
    dns.txt(name_of(selector), record(rsa))
    message = encrypted()
    signed = sign(message, rsa, selector)
    head, _, body = signed.partition(b"\r\n\r\n")
    expect(milter, head + b"\r\n\r\n" + body.replace(b"\r\n", b"\n"), VALID)


# --- Forged results -------------------------------------------------------------------------------

FORGED = [
    b"Authentication-Results: relay.test; dkim=pass header.d=peer.test",
    b"authentication-results: relay.test; dkim=pass header.d=peer.test header.s=s",
    b"Authentication-Results: relay.test;\r\n\tdkim=pass (2048-bit key) header.d=peer.test",
    b"Authentication-Results: relay.test 1; dkim=pass reason=\"good\" header.i=@peer.test",
    b"Authentication-Results:relay.test;dkim=pass header.d=peer.test",
    b"Authentication-Results: localhost; dkim=pass header.d=peer.test; spf=pass; dmarc=pass",
    b"Authentication-Results: (relay.test) relay.test; dkim = pass header . d = peer.test",
    b"ARC-Authentication-Results: i=1; relay.test; dkim=pass header.d=peer.test",
    b"X-DKIM-Result: pass\r\nX-Spam-Status: No\r\nDKIM-Filter: OpenDKIM Filter v2.11.0 relay.test",
    b"Received-SPF: pass\r\nDomainKey-Signature: a=rsa-sha1; d=peer.test; s=s; b=AAAA",
]


@pytest.mark.parametrize("field", FORGED)
@pytest.mark.parametrize("signed", ["unsigned", "invalid", "malformed"])
def test_forged_results_are_not_believed(milter, dns, rsa, selector, field, signed):
    message = encrypted()
    if signed == "invalid":
        dns.txt(name_of(selector), record(rsa))
        message = sign(message, rsa, selector, b="A" * 342)
    elif signed == "malformed":
        message = b"DKIM-Signature: v=1; a=rsa-sha256; d=peer.test\r\n" + message
    for forged in (field + b"\r\n" + message, message.replace(b"\r\n\r\n", b"\r\n" + field + b"\r\n\r\n", 1)):
        code, text, _ = milter.judge(forged)
        assert code == INVALID
        kind = "No DKIM" if signed == "unsigned" else "No valid DKIM"
        assert text == f"5.7.1 {kind} signature found"


def test_two_from_fields(milter, dns, rsa, selector):
    dns.txt(name_of(selector), record(rsa))
    signed = sign(encrypted(), rsa, selector)
    for message in (
        b"From: <eve@other.test>\r\n" + signed,
        signed.replace(b"\r\n\r\n", b"\r\nFrom: <eve@other.test>\r\n\r\n", 1),
    ):
        code, text, _ = milter.judge(message)
        assert (code, text) == (500, "Invalid FROM header")


def test_ip_literal_needs_no_signature(milter):
    expect(milter, encrypted("alice@[127.0.0.1]"), VALID, sender="alice@[127.0.0.1]")


def test_bounce_needs_a_signature(milter, dns, rsa, selector):
    dns.txt(name_of(selector), record(rsa))
    message = messages.bounce(RECIPIENT, "<1@localhost>", "mailer-daemon@peer.test")
    code, _, log = milter.judge(message, "")
    assert code == INVALID and "no-dkim" in log
    assert milter.judge(sign(message, rsa, selector), "")[0] == VALID


def test_memory_stays_flat():
    """Messages of every kind, each with its DNS questions; tests/bench/dkim runs many more."""
    subprocess.run(
        [BUILD / "tests/bench/bench_dkim", "memory", "8000"], check=True, stdout=subprocess.DEVNULL
    )


# --- chatmailctl check, which verifies as the milter does ------------------------------------------


def check(milter, path, sender=SENDER):
    return subprocess.run(
        [
            *(BUILD / "ctl/chatmailctl", "check", "--direction", "in"),
            *("--from", sender, "--to", RECIPIENT, "-c", milter.ini, path),
        ],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_check_agrees(milter, dns, rsa, selectors, tmp_path, line_end):
    good, later = selectors(), selectors()
    dns.txt(name_of(good), record(rsa))
    dns.code(name_of(later), "SERVFAIL")
    path = tmp_path / "message"
    for message, code in (
        (sign(encrypted(), rsa, good), VALID),
        (with_preamble(sign(encrypted(), rsa, good)), INVALID),
        (FORGED[0] + b"\r\n" + encrypted(), NONE),
        (sign(encrypted(), rsa, later), LATER),
    ):
        path.write_bytes(message.replace(b"\r\n", line_end))
        result = check(milter, path)
        expected, text, _ = milter.judge(message)
        assert expected == code
        if code == VALID:
            assert (result.returncode, result.stdout.split()[0]) == (0, "accept")
        else:
            assert result.returncode == 1
            assert result.stdout.startswith(f"{code} {text}")
