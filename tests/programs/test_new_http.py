"""How chatmail-httpd reads requests to /new: where it redirects browsers, whose requests it takes, and hostile ones."""

import re

import pytest

TOKEN = "abcdefghijkmnpqrstuvwxyz23"


@pytest.mark.parametrize("host, expected", [
    ("relay.test:8443", "dcaccount:https://relay.test:8443/new"),
    ("evil.test", "dcaccount:https://relay.test/new"),
    ("relay.test:99999999", "dcaccount:https://relay.test/new"),
    ("relay.test:1/evil", "dcaccount:https://relay.test/new"),
])
def test_a_browser_is_redirected_to_the_client(web, host, expected):
    assert web.request("GET", "/new", {"Host": host}).headers["location"] == expected


@pytest.mark.parametrize("query, kept", [
    (f"?{TOKEN}", f"?{TOKEN}"), (f"?t={TOKEN}", f"?{TOKEN}"), (f"?x=1&t={TOKEN}", f"?{TOKEN}"),
    ("?evil", ""), ("?t=%0d%0aSet-Cookie:x", ""), (f"?{TOKEN}x", ""), ("?" + "a" * 4000, ""),
])  # fmt: skip
def test_the_redirect_contains_only_a_valid_token(web, query, kept):
    assert web.request("GET", f"/new{query}").headers["location"] == f"dcaccount:https://relay.test/new{kept}"


@pytest.mark.parametrize("query", [f"?&{TOKEN}", f"?t=&t={TOKEN}", f"?{TOKEN}=", f"?utm=1&{TOKEN}&x"])
def test_odd_queries_with_a_token(web, query):
    assert web.request("GET", f"/new{query}").headers["location"] == f"dcaccount:https://relay.test/new?{TOKEN}"


@pytest.mark.parametrize("path", ["/new", "/cgi-bin/newemail.py"])
@pytest.mark.parametrize("site, status", [("cross-site", 403), ("same-site", 200), ("same-origin", 200), ("none", 200)])
def test_pages_of_other_sites_create_no_accounts(web, path, site, status):
    """A page can make its visitors' browsers post here, but not read the answer. Links from there work."""
    fields = {"Sec-Fetch-Site": site}
    answer = web.request("POST", path, fields)
    assert answer.status == status
    assert set(answer.json) == ({"reason"} if status == 403 else {"email", "password"})
    assert len(web.accounts()) == (status == 200)
    assert web.request("GET", path, fields).status == 301


def test_methods(web):
    """HEAD is answered like GET, without a body, and creates nothing."""
    for path in ("/new", "/cgi-bin/newemail.py"):
        answer = web.request("HEAD", path)
        assert (answer.status, answer.headers["location"], answer.body) == (301, "dcaccount:https://relay.test/new", b"")
        for method in ("OPTIONS", "PUT", "DELETE"):
            answer = web.request(method, path)
            assert (answer.status, answer.headers["allow"]) == (405, "POST, GET, HEAD")
            assert answer.headers["cache-control"] == "no-store" and "access-control-allow-origin" not in answer.headers
    assert web.request("GET", "/invite/qr").headers["allow"] == "POST"
    assert not web.accounts()


# Hostile HTTP

HOSTILE = {
    "garbage": bytes(range(256)) * 20,
    "TLS": bytes.fromhex("16030100c6010000c20303") + bytes(195),
    "huge header": b"POST /new HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "many headers": b"POST /new HTTP/1.1\r\nHost: a\r\n" + b"X-Forwarded-For: 1.2.3.4\r\n" * 50_000 + b"\r\n",
    "huge query": b"POST /new?" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "large body": b"POST /new HTTP/1.1\r\nHost: a\r\nContent-Length: 1025\r\n\r\n" + b"a" * 1025,
    "short body": b"POST /new HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nh",
    "endless chunk": b"POST /new HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n" + b"a" * 65536,
    "other path": b"POST /new/ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "dots": b"POST /../new HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "escaped": b"POST /ne%77 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "NUL": b"POST /new%00 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "PUT": b"PUT /new HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "metrics": b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_requests_create_no_account(web, name):
    answer = web.raw(HOSTILE[name])
    assert answer == b"" or re.match(rb"HTTP/1\.[01] 4\d\d ", answer)
    assert not web.accounts()
    assert web.post().status == 200


NEW = b"POST /new HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
AMBIGUOUS = {
    "none": b"Content-Length: 0\r\n\r\n",
    "both lengths": b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(NEW),
    "two lengths, the larger first": b"Content-Length: %d\r\nContent-Length: 0\r\n\r\n" % len(NEW),
    "blank before the colon": b"Content-Length : 0\r\n\r\n",
    "bare CR": b"X: y\rContent-Length: %d\r\n\r\n" % len(NEW),
    "NUL": b"X: \0\r\n\r\n",
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_a_connection_carries_one_request(web, name):
    """Whatever libmicrohttpd takes for the end of the first request, the second is never read."""
    answer = web.raw(b"POST /new HTTP/1.1\r\nHost: a\r\n" + AMBIGUOUS[name] + NEW)
    created = answer.startswith(b"HTTP/1.1 200 ")
    assert created or answer == b"" or re.match(rb"HTTP/1\.1 4\d\d ", answer), answer
    assert created or name != "none"
    assert answer.count(b'"email"') == len(web.accounts()) == created


INVALID_LENGTHS = {
    "signed": b"Content-Length: +0\r\n\r\n",
    "hexadecimal": b"Content-Length: 0x0\r\n\r\n",
    "empty": b"X: y\r\n Content-Length: 0\r\nContent-Length: \r\n\r\n",
    "odd coding": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two codings": b"Transfer-Encoding:\tchunked, identity\r\n\r\n0\r\n\r\n",
    "too long chunk": b"Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
}


@pytest.mark.parametrize("name", INVALID_LENGTHS)
def test_invalid_lengths_are_refused(web, name):
    answer = web.raw(b"POST /new HTTP/1.1\r\nHost: a\r\n" + INVALID_LENGTHS[name] + NEW)
    assert answer == b"" or re.match(rb"HTTP/1\.1 [45]\d\d ", answer), answer
    assert not web.accounts()
