"""The manual's snippets for front machines and other web servers, run here."""

import http.client
import json
import re
import socket
import subprocess

import pytest
from support.manual import block
from support.ports import free_ports
from support.relay import transact, trusting
from support.wait import eventually
from test_web import Imap, smtp

FRONT = "127.0.0.2"  # the address where the relay listens for the front machine
PUBLIC = {25: "smtp", 587: "submission", 465: "smtps", 143: "imap", 993: "imaps", 443: "https", 80: "http"}


@pytest.fixture(scope="module")
def relay(make_relay):
    """Its only public ports are those of the front."""
    return make_relay(ini={
        "front_listen": FRONT, "front_network": "127.0.0.1", "log_addresses": "true",
        "max_new_accounts_per_ip_per_hour": "3",
    })  # fmt: skip


class Front:
    """The front machine: the public ports of a relay on another machine."""

    def __init__(self, relay, kind, directory):
        self.relay = relay
        self.ports = dict(zip(PUBLIC, free_ports(len(PUBLIC))))
        text = block("defaults\n" if kind == "haproxy" else "stream {\n")
        for public, port in self.ports.items():
            text = text.replace(f":::{public} v4v6", f"127.0.0.1:{port}")
            text = text.replace(f"[::]:{public} ipv6only=off", f"127.0.0.1:{port}")
        for usual, name in (("10026", "smtp_proxy"), ("10587", "submission_proxy"), ("10465", "smtps_proxy"),
                            ("10143", "imap_proxy"), ("10993", "imaps_proxy"), ("8443", "https_proxy")):  # fmt: skip
            text = text.replace(f"10.0.0.2:{usual}", f"{FRONT}:{relay.ports[name + '_port']}")
        text = text.replace("10.0.0.2:80", f"127.0.0.1:{relay.ports['http_port']}")
        config = directory / "front.conf"
        if kind == "haproxy":
            command = ["haproxy", "-db", "-f", config]
        else:
            modules = "include /etc/nginx/modules-enabled/*.conf;\n"
            text = f"{modules}daemon off;\npid {directory}/pid;\nerror_log stderr;\nevents {{}}\n" + text
            command = ["nginx", "-c", config]
        assert "10.0.0.2" not in text and ":::" not in text
        config.write_text(text)
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        eventually(self.answers)

    def answers(self):
        assert self.process.poll() is None
        try:
            socket.create_connection(("127.0.0.1", self.ports[80])).close()
            return True
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def connect(self, public, source):
        return socket.create_connection(("127.0.0.1", self.ports[public]), 60, (source, 0))

    def tls(self, public, source, alpn=None):
        context = trusting()
        if alpn:
            context.set_alpn_protocols([alpn])
        return context.wrap_socket(self.connect(public, source), server_hostname=self.relay.domain)

    def new(self, source):
        client = http.client.HTTPConnection(self.relay.domain, timeout=60)
        client.sock = self.tls(443, source)
        client.request("POST", "/new")
        answer = client.getresponse()
        return answer.status, json.loads(answer.read())


@pytest.fixture(params=["haproxy", "nginx"], scope="module")
def front(request, relay, tmp_path_factory):
    running = Front(relay, request.param, tmp_path_factory.mktemp(request.param))
    running.network = {"haproxy": "127.0.40", "nginx": "127.0.41"}[request.param]
    yield running
    running.stop()


def test_every_port_sees_the_clients_address(front, relay):
    def source(number):
        return f"{front.network}.{number}"

    status, made = front.new(source(1))
    assert status == 200
    name, password = made["email"], made["password"]
    eventually(lambda: f" {source(1)} 200 POST /new " in relay.log("nginx-access"))

    for number, public, alpn in ((2, 993, None), (3, 443, "imap")):
        Imap(front.tls(public, source(number), alpn)).login(name, password)
    starting = Imap(front.connect(143, source(4)))
    starting.host = relay.domain
    starting.starttls(trusting())
    starting.login(name, password)
    for number in (2, 3, 4):
        eventually(lambda: re.search(rf"imap-login: .*rip={re.escape(source(number))},", relay.log("dovecot")))

    for number, public, alpn in ((5, 465, None), (6, 443, "smtp")):
        smtp(front.tls(public, source(number), alpn)).login(name, password)
    client = smtp(front.connect(587, source(7)))
    client._host = relay.domain
    client.starttls(context=trusting())
    client.login(name, password)
    peer = smtp(front.connect(25, source(8)))
    peer._host = relay.domain
    peer.starttls(context=trusting())
    code, text = transact(peer, "someone@peer.test", name, b"From: someone@peer.test\r\n\r\nx\r\n")
    assert code in (554, 523, 451), text
    for number in (5, 6, 7, 8):
        eventually(lambda: re.search(rf"smtpd.* connect from .*\[{re.escape(source(number))}\]", relay.log("mail")))
    # Port 25 is for other relays: no user logs in there.
    assert not peer.has_extn("auth")


def test_limits_apply_to_each_client(front):
    for source in (f"{front.network}.21", f"{front.network}.22"):
        assert [front.new(source)[0] for _ in range(4)] == [200, 200, 200, 429]


def test_port_80_through_the_front(front, relay):
    client = http.client.HTTPConnection("127.0.0.1", front.ports[80], timeout=60)
    client.request("GET", "/x")
    assert client.getresponse().headers["Location"] == relay.settings["web_url"] + "/x"


def test_only_the_front_may_set_addresses(relay):
    """Neither Dovecot nor nginx trusts another machine that reaches the ports."""
    forged = b"PROXY TCP4 192.0.2.9 192.0.2.10 1000 993\r\n"
    for port in ("imap_proxy_port", "imaps_proxy_port", "https_proxy_port"):
        with socket.create_connection((FRONT, relay.ports[port]), 60, ("127.0.0.3", 0)) as client:
            client.sendall(forged)
            if port == "https_proxy_port":
                connection = trusting().wrap_socket(client, server_hostname=relay.domain)
                connection.sendall(b"GET /forged HTTP/1.0\r\n\r\n")
                client = connection
            try:
                while client.recv(4096):
                    pass
            except OSError:
                pass
    eventually(lambda: " 127.0.0.3 404 GET /forged" in relay.log("nginx-access"))
    assert "192.0.2.9" not in relay.log("nginx-access")
    assert "rip=192.0.2.9" not in relay.log("dovecot")


# Caddy


@pytest.fixture(scope="module")
def caddy(make_relay, tmp_path_factory):
    directory = tmp_path_factory.mktemp("caddy")
    port, web, mxdeliv = free_ports(3)
    relay = make_relay(
        ini={"web_listen": f"127.0.0.1:{web}", "mxdeliv_listen": f"127.0.0.1:{mxdeliv}", "max_new_accounts_per_ip_per_hour": "3"},
        without=["nginx", "dovecot", "notifyd", "opendkim", "transport"],
    )  # fmt: skip
    text = block("relay.example, ")
    names, rest = text.split(" {\n", 1)
    names = ", ".join(f"https://{name.replace('example', 'test')}:{port}" for name in names.split(", "))
    rest = rest.replace("127.0.0.1:8090", f"127.0.0.1:{web}").replace("127.0.0.1:8091", f"127.0.0.1:{mxdeliv}")
    rest = rest.replace("/var/lib/chatmail/www", str(relay.home / "lib/chatmail/www"))
    keys = relay.path("/etc/ssl/relay/cert.pem"), relay.path("/etc/ssl/relay/key.pem")
    options = "{\n    admin off\n    auto_https off\n    skip_install_trust\n}\n"
    config = directory / "Caddyfile"
    config.write_text(f"{options}{names} {{\n    tls {keys[0]} {keys[1]}\n{rest}")
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            ["caddy", "run", "--adapter", "caddyfile", "--config", config],
            env={"HOME": str(directory), "PATH": "/usr/bin:/bin"}, stdout=log, stderr=log,
        )  # fmt: skip

    def request(method, path, source="127.0.0.1", host="relay.test", **options):
        client = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=60, context=trusting(), source_address=(source, 0)
        )
        # Caddy chooses the site by the name in TLS.
        raw = socket.create_connection(("127.0.0.1", port), 60, (source, 0))
        client.sock = trusting().wrap_socket(raw, server_hostname=host)
        client.request(method, path, headers={"Host": f"{host}:{port}", **options.pop("headers", {})}, **options)
        answer = client.getresponse()
        answer.text = answer.read().decode()
        client.close()
        return answer

    def ready():
        assert process.poll() is None, (directory / "log").read_text()
        try:
            return request("GET", "/robots.txt")
        except OSError:
            return False

    eventually(ready)
    request.relay = relay
    yield request
    process.terminate()
    process.wait()


def test_caddy_creates_accounts(caddy):
    for source in ("127.0.50.1", "127.0.50.2"):
        forged = {"X-Forwarded-For": "192.0.2.1"}
        assert [caddy("POST", "/new", source, headers=forged).status for _ in range(4)] == [200, 200, 200, 429]
    assert caddy("GET", "/new").status == 301
    assert caddy("POST", "/invite/qr", body="abcdefghijkmnpqrstuvwxyz23").text.startswith("<svg ")


def test_caddy_serves_the_pages(caddy):
    assert "Welcome to" in caddy("GET", "/").text
    for path in ("/invite", "/privacy", "/de/", "/de/privacy", "/fa/invite"):
        answer = caddy("GET", path)
        assert answer.status == 200 and "<html lang=" in answer.text, path
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    for host, path in (("relay.test", "/.well-known/autoconfig/mail/config-v1.1.xml"), ("autoconfig.relay.test", "/mail/config-v1.1.xml")):
        assert "<clientConfig" in caddy("GET", path, host=host).text
    assert "STSv1" in caddy("GET", "/.well-known/mta-sts.txt", host="mta-sts.relay.test").text
    assert "Contact:" in caddy("GET", "/.well-known/security.txt").text
    for path in ("/nothing", "/../etc/passwd", "/.git/config", "/metrics"):
        assert caddy("GET", path).status in (400, 404)


def test_caddy_accepts_mail(caddy):
    headers = {"X-MAIL-FROM": "a@peer.test", "X-MAIL-TO": "b@relay.test"}
    answer = caddy("POST", "/mxdeliv", headers=headers, body=b"From: a@peer.test\r\n\r\nx\r\n")
    assert answer.status == 400 and re.match(r"[45]\d\d ", answer.text), answer.text
    assert caddy("GET", "/mxdeliv").status == 405
