"""Which signatures pass, and which are refused, each for its own reason."""

import base64
import hashlib

import pytest

from support.dkim_signer import SIGNATURE, record, sign, split
from support.dkim_verdict import INVALID, LATER, VALID, encrypted, expect, name_of, with_preamble

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
with_tags("t= is no number", INVALID, "t= is not a time", t="yesterday")
with_tags("x= is no number", INVALID, "x= is not a time", x="-1")
with_tags("x= of thirteen digits", INVALID, "x= is not a time", x="9999999999999")
with_tags("identity of the domain", VALID, "", i="@peer.test")
with_tags("identity of a subdomain", VALID, "", i="alice@mail.peer.test")
with_tags("identity of another domain", INVALID, "i= is outside", i="alice@relay.test")
with_tags("identity of a lookalike", INVALID, "i= is outside", i="alice@notpeer.test")
with_tags("identity without a domain", INVALID, "i= is outside", i="alice")
with_tags("folded identity", VALID, "", i="=20alice@\r\n\tpeer.test")
with_tags(
    "identity and copied fields in UTF-8", VALID, "", z="Subject:\u00fc", i="\u00fc@peer.test"
)
with_tags("d= in capitals", VALID, "", d="PEER.TEST")
with_tags("d= with a final dot", INVALID, "d= is missing or not a domain", d="peer.test.")
with_tags("d= of a literal", INVALID, "d= is missing or not a domain", d="[127.0.0.1]")
with_tags("an invalid selector", INVALID, "s= is missing or not a selector", s="a/b")
with_tags(
    "names that are too long", INVALID, "the key's name is too long", s=".".join(["s" * 60] * 4)
)
with_tags("no From in h=", INVALID, "h= does not name From", headers=("to", "subject"))
with_tags("an empty h=", INVALID, "empty name", h="")
with_tags("an empty name in h=", INVALID, "empty name", headers=("from", "", "to"))
with_tags("oversigned", VALID, "", headers=("from", "from", "to", "to", "subject", "subject"))
with_tags("absent fields in h=", VALID, "", headers=("from", "to", "resent-from", "list-id"))
with_tags("names with blanks in h=", VALID, "", headers=("From ", " To", "\r\n\tSubject", "\tDate"))
with_tags("too many names", INVALID, "too many names", headers=("from",) * 257)
with_tags("many names", VALID, "", headers=("from",) * 256)
with_tags("bh= is no hash", INVALID, "bh= is missing or not a SHA-256", bh="AAAA")
with_tags(
    "bh= of another body", INVALID, "the body is not", bh=base64.b64encode(bytes(32)).decode()
)
with_tags("b= is not base64", INVALID, "b= is missing or not a signature", b="%%%")
with_tags("b= is too long", INVALID, "b= is missing or not a signature", b="A" * 2000)
with_tags("b= of zeros", INVALID, "not of this header and key", b="A" * 342)
with_tags("a= in capitals", VALID, "", a="RSA-SHA256")
with_tags("a= names the wrong kind of key", INVALID, "another algorithm", a="ed25519-sha256")
with_tags("unknown tags", VALID, "", xb="1", z="", r="y")
with_tags("too many tags", INVALID, "malformed tag list", **{f"x{n}": "1" for n in range(40)})
with_tags("a control byte", INVALID, "malformed tag list", n="\x01")
with_tags("the field's name in capitals", VALID, "", name=b"DKIM-SIGNATURE")


@case(INVALID, "a= is not rsa-sha256 or ed25519-sha256")
def rsa_sha1(message, key, selector):
    return sign(message, key, selector, digest=hashlib.sha1, a="rsa-sha1")


@case(INVALID, "malformed tag list")
def a_tag_twice(message, key, selector):
    return sign(message, key, selector, layout=lambda text: text.replace(" c=", " d=a.test; c=", 1))


@case(INVALID, "malformed tag list")
def two_semicolons(message, key, selector):
    return sign(message, key, selector, layout=lambda text: text.replace("; ", ";; ", 1))


@case(INVALID, "malformed tag list")
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
        layout=lambda text: (
            " fab=1; b=" + SIGNATURE + ";" + text.replace("b=" + SIGNATURE, "bb=2;")
        ),
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
    """A message that makes libopendkim 2.11 write out of bounds. A signature may sign another
    signature, but not itself (RFC 6376 3.5)."""
    message = b"DKIM-Signature: v=1; d=list.test\r\n" + message
    names = [name.decode().lower() for name, _ in split(message)[0]]
    return sign(message, key, selector, headers=(*names, "dkim-signature", "list-id"))


@pytest.mark.parametrize("name", CASES)
def test_signature_verdict(milter, dns, rsa, selectors, name):
    make, code, reason = CASES[name]
    selector = selectors()
    dns.txt(name_of(selector), record(rsa))
    expect(milter, make(encrypted(), rsa, selector), code, reason)


@pytest.mark.parametrize(
    "identity, code", [("alice@peer.test", VALID), ("alice@mail.peer.test", INVALID)]
)
def test_key_is_not_valid_for_subdomains(milter, dns, rsa, selector, identity, code):
    dns.txt(name_of(selector), record(rsa, t="y:s"))
    reason = "" if code == VALID else "the key is not for subdomains"
    expect(milter, sign(encrypted(), rsa, selector, i=identity), code, reason)


def test_from_domain_in_upper_case(milter, dns, rsa, selector):
    dns.txt(name_of(selector), record(rsa))
    expect(milter, sign(encrypted("alice@Peer.TEST"), rsa, selector), VALID)


@pytest.mark.parametrize("first, second", [("rsa", "ed25519"), ("ed25519", "rsa")])
def test_rsa_and_ed25519_in_one_message(request, milter, dns, selectors, first, second):
    message = encrypted()
    signed = message
    for kind in (first, second):
        key, selector = request.getfixturevalue(kind), selectors()
        dns.txt(name_of(selector), record(key))
        signed = sign(message, key, selector)[: -len(message)] + signed
    expect(milter, signed, VALID)


def test_altered_ed25519_signature(milter, dns, ed25519, selector):
    dns.txt(name_of(selector), record(ed25519))
    signed = sign(encrypted(), ed25519, selector).replace(b"Subject: [...]", b"Subject: [.]")
    expect(milter, signed, INVALID, "not of this header and key")


@pytest.mark.parametrize("key", [bytes(32), bytes(31), bytes(33), b"\xff" * 32])
def test_invalid_ed25519_key(milter, dns, ed25519, selector, key):
    dns.txt(name_of(selector), record(ed25519, p=base64.b64encode(key).decode()))
    code, _, log = milter.judge(sign(encrypted(), ed25519, selector))
    assert code == INVALID and "invalid-dkim" in log


def test_temporary_failure_outweighs_invalid_signature(milter, dns, rsa, selectors):
    wrong, later = selectors(), selectors()
    dns.code(name_of(later), "SERVFAIL")
    message = encrypted()
    for first, second in ((wrong, later), (later, wrong)):
        signed = sign(message, rsa, first)[: -len(message)] + sign(message, rsa, second)
        expect(milter, signed, LATER, "the DNS does not reply now")


def test_valid_signature_outweighs_temporary_failure(milter, dns, rsa, selectors):
    good, later = selectors(), selectors()
    dns.code(name_of(later), "SERVFAIL")
    dns.txt(name_of(good), record(rsa))
    message = encrypted()
    for first, second in ((good, later), (later, good)):
        signed = sign(message, rsa, first)[: -len(message)] + sign(message, rsa, second)
        expect(milter, signed, VALID)


def test_temporary_failure_of_another_domain_is_ignored(milter, dns, rsa, selectors):
    later = selectors()
    dns.code(name_of(later, "other.test"), "SERVFAIL")
    signed = sign(encrypted(), rsa, later, "other.test")
    expect(milter, signed, INVALID, "d= is not the domain of From")
    assert dns.asked(name_of(later, "other.test")) == 0
