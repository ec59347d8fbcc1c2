"""Peers that accept mail over HTTPS, in their own network namespace.

Run as a program, under `unshare --net`, this module simulates the world: a DNS server at
127.0.0.1:53 and peers at port 443 of 127.0.0.1 and ::1 whose names determine their behaviour. `World` starts it
and programs beside it."""

import json
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from support.http2 import answer_once
from support.wait import eventually

REFUSED = re.compile(r"<?absent")
# Another peer, and a machine inside the operator's network.
MOVED_TO = {"away": "https://mx.good.test/moved", "inside": "https://127.0.0.8/moved"}
REDIRECTS = [f"moved-{status}-{where}" for status in (301, 302, 303, 307, 308) for where in MOVED_TO]


class Peer(BaseHTTPRequestHandler):
    """One peer; the host name selects its behaviour: see answer()."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def reply(self, status, text="", headers=()):
        body = text.encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/moved" or self.host() == "mx.noted.test":
            self.record(b"")
        self.reply(404 if self.host() == "mx.smtp-only.test" else 405)

    def host(self):
        return self.headers["Host"]

    def do_POST(self):
        if self.host() == "mx.early.test":
            self.reply(200, "250 2.0.0 Ok")
            self.close_connection = True
            return
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        self.record(body)
        self.answer(self.host().removeprefix("mx.").removesuffix(".test"), body)

    def record(self, body):
        entry = {
            "host": self.host(),
            "path": self.path,
            "source": self.client_address[0],
            "from": self.headers["X-MAIL-FROM"],
            "to": self.headers.get_all("X-MAIL-TO"),
            "length": len(body),
            "body": body[:10000].decode("latin-1"),
        }
        self.server.record(entry)

    def answer(self, peer, body):
        recipients = self.headers.get_all("X-MAIL-TO")
        if peer == "refusing":
            self.reply(400, "523 Encryption Needed: Invalid Unencrypted Mail")
        elif peer == "picky" and any(map(REFUSED.match, recipients)):
            self.reply(400, "550 5.1.1 No such user")
        elif peer == "busy":
            self.reply(400, "451 4.7.1 Try again later")
        elif peer == "odd":
            self.reply(400, "what?")
        elif peer == "small":
            self.reply(413)
        elif peer.startswith("moved-"):
            _, status, where = peer.split("-")
            self.reply(int(status), headers=[("Location", MOVED_TO[where])])
        elif peer == "broken":
            self.reply(500, "oops")
        elif peer == "restarting" and any(map(REFUSED.match, recipients)):
            self.reply(502)
        elif peer == "cut":
            self.connection.shutdown(socket.SHUT_RDWR)
        elif peer == "reset":
            # SO_LINGER of zero: RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif peer == "liar":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n250 2.0.0 Ok")
            self.close_connection = True
        elif peer == "endless":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n" + 1000000 * b"250 2.0.0 Ok\r\n")
            self.close_connection = True
        elif peer == "garbage":
            self.wfile.write(b"250 2.0.0 Ok\r\n")
            self.close_connection = True
        elif peer == "half":
            self.wfile.write(b"HTTP/1.1 20")
            self.close_connection = True
        elif peer == "continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.close_connection = True
        elif peer == "continue-broken":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.reply(503, "451 4.3.0 Later")
        elif peer == "partial" and len(recipients) > 1:
            self.reply(400, "550 5.1.1 No such user")
        elif peer == "partial" and any(map(REFUSED.match, recipients)):
            self.connection.shutdown(socket.SHUT_RDWR)
        elif peer == "released" and len(recipients) > 1:
            self.reply(400, "550 5.1.1 No such user")
        elif peer == "released" and any(map(REFUSED.match, recipients)):
            eventually((self.server.journal.parent / "released").exists)
            self.reply(200, "250 2.0.0 Ok")
        elif peer == "hang" and any(map(REFUSED.match, recipients)):
            self.reply(400, "550 5.1.1 No such user")
        elif peer == "hang":
            time.sleep(70)  # more than the client waits
            self.reply(200, "250 2.0.0 Ok")
        elif peer == "twice":
            if any(map(REFUSED.match, recipients)):
                self.reply(400, "550 5.1.1 No such user")
            else:
                self.reply(200, "250 2.0.0 Ok")
                self.wfile.flush()
                time.sleep(0.1)
                self.reply(200, "250 2.0.0 Ok")
        else:
            self.reply(200, "250 2.0.0 Ok")


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    lock = threading.Lock()

    def finish_request(self, request, client_address):
        request.do_handshake()
        if request.selected_alpn_protocol() == "h2":
            answer_once(request, lambda body: self.record({"host": "mx.lost.test", "length": len(body)}))
        else:
            super().finish_request(request, client_address)

    def record(self, entry):
        with self.lock, open(self.journal, "a") as journal:
            journal.write(json.dumps(entry) + "\n")

    def handle_error(self, request, client_address):
        pass


class Listener6(Listener):
    address_family = socket.AF_INET6


def serve_https(server, journal, certificates):
    server.journal = journal
    # A client with a slow handshake blocks only its own thread.
    server.socket = trusted(certificates["good"]).wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    server.socket.context.sni_callback = lambda sock, name, context: choose(sock, name, certificates)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def trusted(pair):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    return context


def choose(sock, name, certificates):
    if name in (None, "mx.wrong.test"):
        sock.context = trusted(certificates["other"])
    elif name == "mx.lost.test":
        sock.context = trusted(certificates["good"])
        sock.context.set_alpn_protocols(["h2"])


def serve_dns(zone):
    from dnslib import AAAA, MX, QTYPE, RCODE, RR, A
    from dnslib.server import BaseResolver, DNSServer

    from support.dns import Quiet

    class Resolver(BaseResolver):
        def resolve(self, request, handler):
            name = str(request.q.qname).rstrip(".").lower()
            reply = request.reply(ra=1)
            names = json.loads(Path(zone).read_text())
            entry = names.get(name, names.get("*." + name.partition(".")[2]))
            if entry is None:
                reply.header.rcode = RCODE.NXDOMAIN
            elif entry == "servfail":
                reply.header.rcode = RCODE.SERVFAIL
            elif request.q.qtype == QTYPE.MX:
                for preference, host in entry.get("mx", []):
                    reply.add_answer(RR(name, QTYPE.MX, rdata=MX(host, preference), ttl=60))
            elif request.q.qtype == QTYPE.A:
                for address in entry.get("a", []):
                    reply.add_answer(RR(name, QTYPE.A, rdata=A(address), ttl=60))
            elif request.q.qtype == QTYPE.AAAA:
                for address in entry.get("aaaa", []):
                    reply.add_answer(RR(name, QTYPE.AAAA, rdata=AAAA(address), ttl=60))
            return reply

    for tcp in (False, True):
        DNSServer(Resolver(), address="127.0.0.1", port=53, tcp=tcp, logger=Quiet()).start_thread()


def main():
    directory = Path(sys.argv[1])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    certificates = json.loads((directory / "certificates.json").read_text())
    serve_dns(directory / "zone.json")
    for server in (Listener(("127.0.0.1", 443), Peer), Listener6(("::1", 443), Peer)):
        serve_https(server, directory / "journal", certificates)
    (directory / "ready").touch()
    while os.getppid() == int(sys.argv[2]):
        time.sleep(0.5)


class World:
    """The peers and their names: GOOD.test has the MX mx.GOOD.test, and so on."""

    PEERS = ("good", "refusing", "picky", "busy", "odd", "small", *REDIRECTS, "broken", "cut", "wrong",
             "reset", "liar", "endless", "garbage", "hang", "twice", "both", "six", "half", "early",
             "continue", "continue-broken", "partial", "released", "lost", "noted", "restarting")  # fmt: skip

    def __init__(self, directory, authority):
        self.directory = Path(directory)
        self.journal = self.directory / "journal"
        names = [f"mx.{peer}.test" for peer in (*self.PEERS, "smtp-only")]
        pairs = {
            "good": authority.issue("peers", names=",".join(f"DNS:{name}" for name in names)),
            "other": authority.issue("other", names="DNS:other.test"),
        }
        (self.directory / "certificates.json").write_text(
            json.dumps({name: [str(path) for path in pair] for name, pair in pairs.items()})
        )
        self.zone = {
            "null.test": {"mx": [(0, ".")]},
            "silent.test": "servfail",
            "down.test": {"mx": [(10, "mx.down.test")]},
            "mx.down.test": {"a": ["127.0.0.9"]},
            "backup.test": {"mx": [(20, "mx.good.test"), (10, "mx.down.test")]},
            "cut-backup.test": {"mx": [(20, "mx.good.test"), (10, "mx.cut.test")]},
            "*.many.test": {"mx": [(10, "mx.many.test")]},
            "mx.many.test": {"a": ["127.0.0.7"]},
            "_self.test": {"a": ["127.0.0.1"]},
            "vanished.test": {"mx": [(10, "mx.vanished.test")]},
            "mx.vanished.test": {"a": ["192.0.2.7"]},
        }
        for peer in (*self.PEERS, "smtp-only"):
            self.zone[f"{peer}.test"] = {"mx": [(10, f"mx.{peer}.test")]}
            self.zone[f"mx.{peer}.test"] = {"a": ["127.0.0.1"]}
        self.zone["mx.both.test"]["aaaa"] = ["::1"]
        # Nobody listens at the IPv4 address.
        self.zone["mx.six.test"] = {"a": ["127.0.0.9"], "aaaa": ["::1"]}
        self.write_zone()
        self.process = None

    def write_zone(self):
        temporary = self.directory / "zone.new"
        temporary.write_text(json.dumps(self.zone))
        temporary.rename(self.directory / "zone.json")

    def start(self):
        self.process = subprocess.Popen(
            ["unshare", "--net", sys.executable, "-B", "-m", "support.mxdeliv_world"]
            + [str(self.directory), str(os.getpid())],
            cwd=Path(__file__).resolve().parents[1],
        )
        eventually((self.directory / "ready").exists, timeout=120)
        return self

    @property
    def prefix(self):
        """The words before a command that is to run in the namespace."""
        return ["nsenter", "--net", "--target", str(self.process.pid)]

    def requests(self):
        if not self.journal.exists():
            return []
        return [json.loads(line) for line in self.journal.read_text().splitlines()]

    def stop(self):
        self.process.terminate()
        self.process.wait()


if __name__ == "__main__":
    main()
