"""nginx in front of the relay: one port 443, the client's real address, /new. test_web_pages.py
tests the pages."""

import http.client
import imaplib
import json
import re
import smtplib
import socket
import ssl
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.relay import trusting
from support.wait import eventually

# Every byte that chatmail.ini accepts in these paths and that is rare in one.
ODD = "|&*?!()[]^,@=~+>._-ß日"


@pytest.fixture(scope="module")
def web(make_relay):
    """Three accounts an hour for each address, and a log that contains addresses."""
    return make_relay(ini={"log_addresses": "true", "max_new_accounts_per_ip_per_hour": "3"})


@pytest.fixture(scope="module")
def quiet(make_relay):
    return make_relay()


def tls(relay, source="127.0.0.1", alpn=None, port="https_port", first=b""):
    """A TLS connection from a separate loopback address."""
    context = trusting()
    if alpn:
        context.set_alpn_protocols([alpn] if isinstance(alpn, str) else alpn)
    raw = socket.create_connection(
        ("127.0.0.1", relay.ports[port]), timeout=60, source_address=(source, 0)
    )
    try:
        if first:
            raw.sendall(first)
        return context.wrap_socket(raw, server_hostname=relay.domain)
    except BaseException:
        raw.close()
        raise


class Imap(imaplib.IMAP4):
    """An IMAP client on an existing connection."""

    def __init__(self, connection):
        self.connection = connection
        super().__init__("")

    def _create_socket(self, timeout):
        return self.connection


def smtp(connection):
    client = smtplib.SMTP(local_hostname="client.test", timeout=60)
    client.sock = connection
    code, _ = client.getreply()
    assert code == 220
    client.ehlo_or_helo_if_needed()
    return client


def request(relay, method, path, headers=None, source="127.0.0.1", body=None, **options):
    client = http.client.HTTPConnection(relay.domain, timeout=60)
    client.sock = tls(relay, source, **options)
    client.request(method, path, body=body, headers=headers or {})
    answer = client.getresponse()
    answer.text = answer.read().decode()
    client.close()
    return answer


def new(relay, source="127.0.0.1", path="/new", **headers):
    answer = request(relay, "POST", path, headers, source)
    return answer.status, json.loads(answer.text)


def registered(relay, source):
    """An account made by POST /new."""
    status, made = new(relay, source)
    assert status == 200
    account = relay.account(made["email"].split("@")[0], made["password"])
    assert account.address == made["email"]
    return account


# One port


def test_alpn_selects_imap_smtp_or_the_web(web):
    account = registered(web, "127.0.3.1")
    imap = Imap(tls(web, alpn="imap"))
    assert imap.login(account.address, account.password)[0] == "OK"
    imap.logout()
    client = smtp(tls(web, alpn="smtp"))
    client.login(account.address, account.password)
    client.quit()
    for alpn in (None, "http/1.1"):
        assert request(web, "GET", "/new", alpn=alpn).status == 301
    # RFC 7301 3.2: the web server does not support the protocol.
    for alpn in ("whatimap", "smtpd"):
        with pytest.raises(ssl.SSLError, match="NO_APPLICATION_PROTOCOL|no application protocol"):
            tls(web, alpn=alpn)


def test_http2(web):
    with tls(web, alpn=["h2", "http/1.1"]) as connection:
        assert connection.selected_alpn_protocol() == "h2"


def test_old_tls_is_refused(web):
    context = trusting()
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", web.ports["https_port"]), timeout=60) as raw:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(raw, server_hostname=web.domain)


def test_no_ocsp(web):
    """A client that asks for a stapled answer gets none: authorities have stopped giving them."""
    client = ["openssl", "s_client", "-connect", f"127.0.0.1:{web.ports['https_port']}", "-servername", web.domain, "-status"]
    done = subprocess.run(client, input="", capture_output=True, text=True, timeout=60)
    assert "OCSP response: no response sent" in done.stdout, done.stdout


# The client's address


def test_logs_contain_the_clients_address_if_configured(web):
    account = registered(web, "127.0.4.1")
    Imap(tls(web, "127.0.4.2", "imap")).login(account.address, account.password)
    eventually(lambda: re.search(r"imap-login: .*rip=127\.0\.4\.2,", web.log("dovecot")))
    client = smtp(tls(web, "127.0.4.3", "smtp"))
    client.login(account.address, account.password)
    client.quit()
    eventually(lambda: "smtps-proxy/smtpd" in web.log("mail"))
    eventually(lambda: re.search(r"smtps-proxy/smtpd.* connect from .*\[127\.0\.4\.3\]", web.log("mail")))
    assert request(web, "GET", "/new?secret-token", source="127.0.4.4").status == 301
    eventually(lambda: " 127.0.4.4 301 GET /new " in web.log("nginx-access"))
    assert "secret-token" not in web.log("nginx-access")


def test_logs_contain_no_client_address_by_default(quiet):
    assert new(quiet, "127.0.4.9")[0] == 200
    request(quiet, "GET", "/nothing", source="127.0.4.9")
    eventually(lambda: " 200 POST /new " in quiet.log("nginx-access"))
    eventually(lambda: " 404 GET /nothing " in quiet.log("nginx-access"))
    with pytest.raises((ssl.SSLError, ConnectionError, TimeoutError)):
        tls(quiet, "127.0.4.9", first=b"nonsense\r\n\r\n")
    for name in ("nginx", "nginx-access", "httpd"):
        assert "127.0.4.9" not in quiet.log(name)


def first_logins(relay, source, count, **options):
    made = 0
    for _ in range(count):
        account = relay.account()
        try:
            Imap(tls(relay, source, "imap", **options)).login(account.address, account.password)
            made += 1
        except imaplib.IMAP4.error:
            pass
    return made


def first_login_by_smtp(relay, source):
    account = relay.account()
    client = smtp(tls(relay, source, port="smtps_port"))
    try:
        return client.login(account.address, account.password)[0] == 235
    except smtplib.SMTPAuthenticationError:
        return False


def test_each_client_has_its_own_limit_of_first_logins(web):
    assert first_logins(web, "127.0.5.1", 5) == 3
    assert first_logins(web, "127.0.5.2", 5) == 3


def test_web_and_logins_share_a_limit(web):
    assert [new(web, "127.0.6.1")[0] for _ in range(5)] == [200, 200, 200, 429, 429]
    assert first_logins(web, "127.0.6.1", 2) == 0
    assert new(web, "127.0.6.2")[0] == 200


def test_clients_of_a_local_proxy_share_a_limit(web):
    """As those of an onion service, on all ports together, unless it passes on their addresses."""
    ways = [
        lambda: first_logins(web, "127.0.0.1", 1, port="imaps_port") == 1,
        lambda: first_login_by_smtp(web, "127.0.0.1"),
        lambda: new(web, "127.0.0.1")[0] == 200,
    ]
    assert [way() for way in ways] == [True] * 3
    assert [way() for way in ways] == [False] * 3
    for number in range(1, 5):
        passed = f"PROXY TCP4 192.0.2.{number} 192.0.2.10 1000 993\r\n".encode()
        assert first_logins(web, "127.0.0.1", 1, port="imaps_proxy_port", first=passed) == 1
    assert [way() for way in ways] == [False] * 3


@pytest.mark.parametrize("field", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP"])
def test_a_client_cannot_set_its_own_address(web, field):
    source = "127.0.7." + str(1 + ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP"].index(field))
    statuses = [new(web, source, **{field: f"192.0.2.{i}"})[0] for i in range(5)]
    assert statuses == [200, 200, 200, 429, 429]


PROXY_V1 = b"PROXY TCP4 192.0.2.9 192.0.2.10 1000 443\r\n"
PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([192, 0, 2, 9, 192, 0, 2, 10, 3, 232, 1, 187])


@pytest.mark.parametrize("forged", [PROXY_V1, PROXY_V2], ids=["v1", "v2"])
@pytest.mark.parametrize("port", ["https_port", "imaps_port", "smtps_port"])
def test_proxy_protocol_on_a_public_port_has_no_effect(web, port, forged):
    with pytest.raises((ssl.SSLError, ConnectionError, TimeoutError)):
        tls(web, "127.0.8.1", "imap", port, first=forged)
    for log in ("dovecot", "mail", "nginx-access"):
        assert "192.0.2.9" not in web.log(log)


@pytest.mark.parametrize("port", ["smtp_port", "submission_port", "imap_port"])
def test_proxy_protocol_without_tls_has_no_effect(web, port):
    with socket.create_connection(("127.0.0.1", web.ports[port]), timeout=60) as client:
        client.sendall(PROXY_V1 + b"a001 LOGOUT\r\nQUIT\r\n")
        while client.recv(4096):
            pass
    # Postfix logs input that came too early, too, as a line of a client at loopback.
    assert "[192.0.2.9]" not in web.log("mail")
    assert "rip=192.0.2.9" not in web.log("dovecot")


# The web


def test_bodies_and_methods(quiet):
    assert request(quiet, "PUT", "/new").status == 405
    assert request(quiet, "POST", "/new", body=b"x" * 5000).status == 413
    try:
        status = request(quiet, "POST", "/new", {"X": "a" * 300_000}).status
    except OSError:
        status = None  # the server closed the connection in the middle
    assert status in (None, 400, 431, 494)


@pytest.mark.parametrize("path", ["/new/", "//new/..", "/%2e%2e/etc/passwd", "/../../etc/chatmail.ini", "/.git/config",
                                  "/metrics", "/new%00", "/.well-known/acme-challenge/../../www"])
def test_other_paths_are_not_found(quiet, path):
    assert request(quiet, "POST" if "new" in path else "GET", path).status in (400, 404, 405)


def test_without_chatmail_httpd_the_user_gets_an_explanation(quiet):
    quiet.stop_service("httpd")
    try:
        status, answer = new(quiet)
        assert status == 503
        assert "try again later" in answer["reason"]
        # A person with a browser gets a page.
        for method in ("GET", "HEAD"):
            answer = request(quiet, method, "/new", {"Accept-Language": "de"})
            assert (answer.status, answer.headers["Content-Type"]) == (503, "text/html; charset=utf-8")
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
            assert '<html lang="de"' in answer.text or method == "HEAD"
    finally:
        quiet.start_service("httpd")
    eventually(lambda: new(quiet)[0] == 200)


def test_a_flood_from_one_address_is_limited(quiet):
    """The refusal is a page for a browser, and other clients are not affected."""
    answers = []

    def ask(_):
        client = http.client.HTTPConnection(quiet.domain, timeout=60)
        client.sock = tls(quiet, "127.0.9.1")
        # As fast as this machine can, until the limit is reached.
        while 429 not in (status for status, _ in answers) and len(answers) < 50_000:
            client.request("GET", "/new")
            answer = client.getresponse()
            answers.append((answer.status, answer.read()))
        client.close()

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(ask, range(20)))
    assert {status for status, _ in answers} == {301, 429}
    assert all(b"<h1>Please try again later</h1>" in text for status, text in answers if status == 429)
    assert new(quiet, "127.0.9.2")[0] == 200


def test_a_flood_by_http2_is_limited(quiet):
    """Many streams on many connections from one address: they are limited, and another client is
    served."""
    url = f"https://127.0.0.1:{quiet.ports['https_port']}/new"
    done = subprocess.run(
        ["h2load", "-n", "20000", "-c", "50", "-m", "100", url], capture_output=True, text=True, timeout=300
    )
    [served] = re.findall(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", done.stdout)
    assert int(served[2]) > 0 and int(served[3]) == 0, done.stdout
    assert new(quiet, "127.0.9.3")[0] == 200


def plain(relay, path, host):
    client = http.client.HTTPConnection("127.0.0.1", relay.ports["http_port"], timeout=60)
    client.request("GET", path, headers={"Host": host})
    answer = client.getresponse()
    answer.text = answer.read().decode()
    client.close()
    return answer


def test_port_80(quiet):
    challenges = quiet.home / "lib/chatmail/acme/.well-known/acme-challenge"
    (challenges / "abc").write_text("proof")
    assert plain(quiet, "/.well-known/acme-challenge/abc", "autoconfig.relay.test").text == "proof"
    assert plain(quiet, "/.well-known/acme-challenge/other", "relay.test").status == 404
    answer = plain(quiet, "/invite?x=y", "evil.test")
    assert answer.status == 301
    assert answer.headers["Location"] == quiet.settings["web_url"] + "/invite?x=y"


def test_sockets_with_unusual_names(make_relay):
    """nginx and chatmail-httpd read the same paths."""
    ini = {
        "web_listen": f"unix:/run/chatmail-web/a{ODD}b.sock",
        "mxdeliv_listen": f"unix:/run/chatmail-web/c{ODD}d.sock",
    }
    relay = make_relay(ini=ini, without=["dovecot", "opendkim", "notifyd"])
    assert new(relay)[0] == 200
    for path in ini.values():
        assert relay.path(path.removeprefix("unix:")).is_socket()
    headers = {"Mail-From": "a@peer.test", "Mail-To": "nobody@relay.test"}
    assert request(relay, "POST", "/mxdeliv", headers, body=b"").status not in (404, 502, 503)


# Certificates


def serial(relay, alpn):
    with tls(relay, alpn=alpn) as connection:
        return connection.getpeercert(binary_form=True)


@pytest.mark.skipif("config.getoption('--dovecot') != '2.3'", reason="doveadm is elsewhere")
def test_a_new_certificate_is_used_at_once(make_relay):
    relay = make_relay()
    before = {alpn: serial(relay, alpn) for alpn in ("imap", "smtp", None)}
    assert len(set(before.values())) == 1
    names = "subjectAltName=DNS:relay.test"
    renew = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    relay.inside(*renew, "-subj", "/CN=x", "-addext", names, "-keyout", "/etc/ssl/relay/key.pem", "-out", "/etc/ssl/relay/cert.pem")
    done = relay.inside("chatmailctl", "certificate", "deployed")
    assert [line for line in done.stdout.splitlines() if line.startswith("reloaded")] == [
        "reloaded nginx", "reloaded Dovecot", "reloaded Postfix",
    ]  # fmt: skip
    for alpn in ("imap", "smtp", None):
        eventually(lambda: serial(relay, alpn) != before[alpn])
    # A pair that does not match is not used by any server.
    relay.inside("cp", "/etc/ssl/relay/cert.pem", "/etc/ssl/relay/key.pem")
    done = relay.inside("chatmailctl", "certificate", "deployed", check=False)
    assert done.returncode == 2 and "key.pem: not a private key" in done.stderr
    assert serial(relay, None) != before[None]
