"""chatmail-httpd as a real process; requests come over its Unix socket, as from nginx."""

import http.client
import json
import signal
import socket
import subprocess

from support.relay import QUIET_LIMITS
from support.tree import BUILD, UNIX_USER
from support.wait import eventually

HTTPD = BUILD / "services/httpd/chatmail-httpd"
CTL = BUILD / "ctl/chatmailctl"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("relay.test", timeout=60)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self):
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)


class Web:
    """A chatmail-httpd with its own mailboxes in directory."""

    def __init__(self, directory, **ini):
        self.directory = directory
        self.mailboxes = directory / "mail"
        self.mailboxes.mkdir()
        self.socket = directory / "http.sock"
        self.ini_file = directory / "chatmail.ini"
        self.ini = {
            "mail_domain": "relay.test",
            "mailboxes_dir": self.mailboxes,
            "run_dir": directory,
            "web_listen": f"unix:{self.socket}",
            "mxdeliv_listen": "",
            **QUIET_LIMITS,
            **ini,
        }
        self.log_file = directory / "httpd.log"
        self.process = None

    def start(self):
        self.ini_file.write_text(
            "[params]\n" + "".join(f"{key} = {value}\n" for key, value in self.ini.items())
        )
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [HTTPD, "-f", "-c", self.ini_file, "-u", UNIX_USER],
                stderr=log,
            )
        eventually(lambda: self.process.poll() is not None or self.answers(), message="no start")
        assert self.process.poll() is None, self.log
        return self

    def answers(self):
        try:
            self.request("GET", "/new")
        except OSError:
            return False
        return True

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(60)

    @property
    def log(self):
        return self.log_file.read_text()

    def request(self, method, target, headers=None, body=None):
        connection = UnixConnection(self.socket)
        try:
            connection.request(method, target, body=body, headers=headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def post(self, target="/new", source=None, **headers):
        if source is not None:
            headers["X-Forwarded-For"] = source
        return self.request("POST", target, headers)

    def raw(self, request):
        """Sends bytes and returns all that the server sends back."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(str(self.socket))
            data = b""
            try:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
                while part := connection.recv(65536):
                    data += part
            except OSError:
                pass  # the server closed the connection in the middle of a long request
            return data

    def accounts(self):
        """Addresses that have a password."""
        return {path.parent.name for path in self.mailboxes.glob("*@*/password")}

    def ctl(self, *arguments, check=True):
        return subprocess.run(
            [CTL, *arguments], capture_output=True, text=True, check=check, timeout=60
        )

    def invite(self, *arguments):
        """Creates invitations; returns the list that --json prints."""
        output = self.ctl("invite", "create", "-c", self.ini_file, "--json", *arguments).stdout
        return json.loads(output)["invitations"]

    def invitations(self):
        output = self.ctl("invite", "list", "-c", self.ini_file, "--json").stdout
        return {entry["id"]: entry for entry in json.loads(output)["invitations"]}
