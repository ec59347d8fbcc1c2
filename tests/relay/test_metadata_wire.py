"""METADATA (RFC 5464) on the wire: push tokens, and the server's entries."""

import base64
import hashlib
import hmac
import json
import re
import time

import pytest

ENTRIES = {
    "iroh": "/shared/vendor/deltachat/irohrelay",
    "turn": "/shared/vendor/deltachat/turn",
    "recipients": "/shared/vendor/deltachat/maxsmtprecipients",
    "versions": "/shared/vendor/deltachat/appversions",
    "comment": "/shared/comment",
    "admin": "/shared/admin",
}


class Wire:
    """Sends commands that imaplib does not support, as raw text."""

    def __init__(self, client):
        self.client = client
        self.count = 0

    def command(self, text):
        """Sends a command; returns its whole reply, including the tagged line."""
        self.count += 1
        tag = f"x{self.count}"
        self.client.send(f"{tag} {text}\r\n".encode())
        reply = b""
        while not re.search(rf"(^|\r\n){tag} (OK|NO|BAD)[^\r\n]*\r\n$".encode(), reply):
            line = self.client.readline()
            assert line, f"the server hung up during {text}"
            reply += line
        return reply.decode()

    def entries(self, mailbox, *names):
        """GETMETADATA: the values by entry, None for NIL."""
        reply = self.command(f'GETMETADATA "{mailbox}" ({" ".join(names)})')
        assert f"x{self.count} OK" in reply, reply
        found = {}
        pattern = r'(/[a-z/]+) (NIL|"((?:[^"\\]|\\.)*)"|\{(\d+)\}\r\n)'
        while match := re.search(pattern, reply):
            value, reply = match.group(3), reply[match.end() :]
            if match.group(4):
                value, reply = reply[: int(match.group(4))], reply[int(match.group(4)) :]
            found[match.group(1)] = value
        return found


@pytest.fixture
def wire(relay):
    client = relay.imap(relay.account(), select=True)
    yield Wire(client)
    client.logout()


def test_capabilities(relay):
    client = relay.imap(relay.account())
    capabilities = set(client.capability()[1][0].decode().split())
    assert capabilities >= {
        "METADATA", "XDELTAPUSH", "XCHATMAIL", "IDLE", "QUOTA", "MOVE", "ID", "LITERAL+",
    }
    assert "COMPRESS=DEFLATE" not in capabilities
    client.logout()


def test_tokens_are_joined(wire):
    entry = "/private/devicetoken"
    assert "OK" in wire.command(f'SETMETADATA INBOX ({entry} "openpgp:Zmlyc3Q=")')
    assert wire.entries("INBOX", entry)[entry] == "openpgp:Zmlyc3Q="
    assert "OK" in wire.command(f'SETMETADATA INBOX ({entry} "openpgp:c2Vjb25k")')
    assert "OK" in wire.command(f'SETMETADATA INBOX ({entry} "openpgp:Zmlyc3Q=")')
    tokens = wire.entries("INBOX", entry)[entry].split(" ")
    assert sorted(tokens) == ["openpgp:Zmlyc3Q=", "openpgp:c2Vjb25k"]


def test_tokens_as_literals_and_on_disk(relay):
    account = relay.account()
    client = relay.imap(account)
    token = "openpgp:" + base64.b64encode(bytes(range(256)) * 8).decode()
    reply = Wire(client).command(
        f"SETMETADATA INBOX (/private/devicetoken {{{len(token)}+}}\r\n{token})"
    )
    assert " OK " in reply
    client.logout()
    stored = json.loads((relay.mailbox(account) / "metadata.json").read_text())
    assert list(stored["devicetoken"]) == [token]
    assert abs(stored["devicetoken"][token] - time.time()) < 3600
    client = relay.imap(account)
    assert Wire(client).entries("INBOX", "/private/devicetoken") == {"/private/devicetoken": token}
    client.logout()


def test_tokens_belong_to_one_account(relay, wire):
    wire.command('SETMETADATA INBOX (/private/devicetoken "mine")')
    other = relay.imap(relay.account())
    assert Wire(other).entries("INBOX", "/private/devicetoken").get("/private/devicetoken") is None
    other.logout()


def test_server_entries(make_relay):
    relay = make_relay(
        ini={
            "iroh_relay": "https://iroh.relay.test",
            "turn_secret_file": "/etc/chatmail/turn-secret",
            "turn_host": "turn.relay.test",
            "privacy_mail": "privacy@relay.test",
            "maxsmtprecipients": "777",
        }
    )
    secret = relay.path("/etc/chatmail/turn-secret")
    secret.parent.mkdir(exist_ok=True)
    secret.write_text("a shared secret\n")
    secret.chmod(0o644)
    (secret.parent / "appversions.json").write_text('{"clients": []}\n')
    client = relay.imap(relay.account())
    # As core does: six keys in one command.
    found = Wire(client).entries("", *ENTRIES.values())
    client.logout()
    assert found[ENTRIES["iroh"]] == "https://iroh.relay.test"
    assert found[ENTRIES["recipients"]] == "777"
    assert found[ENTRIES["admin"]] == "mailto:privacy@relay.test"
    assert json.loads(found[ENTRIES["versions"]].replace("\\", "")) == {"clients": []}
    assert ENTRIES["comment"] in found
    host, port, user, password = found[ENTRIES["turn"]].split(":")
    assert (host, port) == ("turn.relay.test", "3478")
    assert 4 * 86400 < int(user) - time.time() < 6 * 86400
    expected = hmac.new(b"a shared secret", user.encode(), hashlib.sha1).digest()
    assert password == base64.b64encode(expected).decode()


def test_absent_entries_are_nil(wire):
    found = wire.entries("", ENTRIES["turn"], ENTRIES["recipients"], "/shared/vendor/other/thing")
    assert found[ENTRIES["turn"]] is None
    assert found[ENTRIES["recipients"]] == "1000"
    assert found.get("/shared/vendor/other/thing") is None


def test_server_entries_cannot_be_set(wire):
    reply = wire.command(f'SETMETADATA "" ({ENTRIES["recipients"]} "5")')
    assert re.search(r"^x\d+ NO", reply, re.M)
    assert wire.entries("", ENTRIES["recipients"])[ENTRIES["recipients"]] == "1000"
