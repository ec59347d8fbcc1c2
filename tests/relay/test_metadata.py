"""The entries that clients set and get by IMAP METADATA."""

import base64
import concurrent.futures
import hashlib
import hmac
import json
import re
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

from support.imap import get_metadata, set_metadata
from support.wait import eventually

TOKEN = "/private/devicetoken"
VENDOR = "/shared/vendor/deltachat"
MANUAL = Path(__file__).resolve().parents[2] / "docs/manual.md"
ALL = re.findall(r"^\| `(/shared/[^`]+)` \|", MANUAL.read_text(), re.MULTILINE)
DAY = 86400


@pytest.fixture
def account(relay):
    return relay.registered()


@pytest.fixture
def client(relay, account):
    client = relay.imap(account)
    yield client
    client.logout()


def tokens_on_disk(relay, account):
    return json.loads((relay.mailbox(account) / "metadata.json").read_text())["devicetoken"]


def get_tokens(client):
    return get_metadata(client, "INBOX", [TOKEN])[TOKEN]


def test_capabilities(client):
    for name in ("METADATA", "XDELTAPUSH", "XCHATMAIL", "IDLE", "MOVE", "QUOTA", "LITERAL+", "ID"):
        assert name in client.capability()[1][0].decode().split()


# --- Push tokens


def test_two_tokens(relay, account, client):
    assert get_tokens(client) is None
    assert set_metadata(client, "INBOX", TOKEN, "openpgp:one")[0] == "OK"
    assert get_tokens(client) == "openpgp:one"
    assert set_metadata(client, "INBOX", TOKEN, b"openpgp:two")[0] == "OK"
    assert set_metadata(client, "INBOX", TOKEN, "openpgp:one")[0] == "OK"
    assert sorted(get_tokens(client).split(" ")) == ["openpgp:one", "openpgp:two"]
    stored = tokens_on_disk(relay, account)
    assert set(stored) == {"openpgp:one", "openpgp:two"}
    assert all(abs(when - time.time()) < 600 for when in stored.values())
    # Another session sees them.
    other = relay.imap(account)
    assert sorted(get_tokens(other).split(" ")) == ["openpgp:one", "openpgp:two"]
    other.logout()


@pytest.mark.parametrize("value", ["x" * 4096, b"x" * 4096, b"y" * 4096])
def test_longest_possible_token(client, value):
    assert set_metadata(client, "INBOX", TOKEN, value)[0] == "OK"
    text = value if isinstance(value, str) else value.decode()
    assert get_tokens(client) == text


@pytest.mark.parametrize(
    "value",
    [None, "", "two words", b"x" * 4097, b"x" * 300_000, b"line\r\nbreak", b"nul\0", b"\xff\xfe"],
)
def test_invalid_tokens_are_refused(client, value):
    assert set_metadata(client, "INBOX", TOKEN, "before")[0] == "OK"
    assert set_metadata(client, "INBOX", TOKEN, value)[0] == "NO"
    # The session continues, and no token is lost.
    assert get_tokens(client) == "before"


@pytest.mark.parametrize("byte, length", [("x", 4097), (b"x", 4097), (b"x", 300_000)])
def test_maximum_token_length_is_reported(client, byte, length):
    """RFC 5464 4.3."""
    status, text = set_metadata(client, "INBOX", TOKEN, byte * length)
    assert status == "NO" and text.startswith("[METADATA MAXSIZE 4096] ")


def test_an_endless_token_ends_the_session(relay, account):
    """Dovecot would write all of it to a file before it called our plugin."""
    client = relay.imap(account)
    try:
        client.send(f"x1 SETMETADATA INBOX ({TOKEN} {{100000000000+}}\r\n".encode())
        client.send(bytes(2 << 20))
        while client.sock.recv(65536):
            pass
    except (ConnectionError, ssl.SSLError):
        pass
    client.shutdown()
    eventually(lambda: "Disconnected: Too large SETMETADATA" in relay.log("dovecot"))
    # The limit applies to one command, not to the session.
    client = relay.imap(account)
    for _ in range(5):
        assert set_metadata(client, "INBOX", TOKEN, b"x" * 500_000)[0] == "NO"
    client.logout()


def test_old_and_future_tokens_are_dropped(relay, account, client):
    now = int(time.time())
    tokens = {
        "new": now - 10,
        "almost-too-old": now - 90 * DAY + 600,
        "too-old": now - 90 * DAY - 1,
        "slightly-ahead": now + 30,
        "far-ahead": now + 3600,
    }
    path = relay.mailbox(account) / "metadata.json"
    path.write_text(json.dumps({"devicetoken": tokens, "other": [1]}))
    valid = {"new", "almost-too-old", "slightly-ahead"}
    assert set(get_tokens(client).split(" ")) == valid
    assert set_metadata(client, "INBOX", TOKEN, "one-more")[0] == "OK"
    assert set(tokens_on_disk(relay, account)) == valid | {"one-more"}
    assert json.loads(path.read_text())["other"] == [1]


def test_number_of_tokens_is_bounded(relay, account, client):
    for i in range(70):
        assert set_metadata(client, "INBOX", TOKEN, f"token-{i}")[0] == "OK"
    stored = tokens_on_disk(relay, account)
    assert len(stored) == 64
    assert "token-69" in stored


def test_a_damaged_token_file_is_tolerated(relay, account, client):
    (relay.mailbox(account) / "metadata.json").write_text("{ this is not JSON")
    assert get_tokens(client) is None
    assert set_metadata(client, "INBOX", TOKEN, "again")[0] == "OK"
    assert get_tokens(client) == "again"


def test_fifty_sessions_at_once(relay, account):
    def session(i):
        client = relay.imap(account)
        try:
            return set_metadata(client, "INBOX", TOKEN, f"device-{i}")[0]
        finally:
            client.logout()

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        assert list(pool.map(session, range(50))) == ["OK"] * 50
    assert set(tokens_on_disk(relay, account)) == {f"device-{i}" for i in range(50)}
    other = relay.imap(account)
    assert len(get_tokens(other).split(" ")) == 50
    other.logout()


def test_only_inbox_has_tokens(client):
    client.create("Other")
    assert set_metadata(client, "Other", TOKEN, "x")[0] == "NO"
    assert get_metadata(client, "Other", [TOKEN]) == {TOKEN: None}
    assert client.delete("Other")[0] == "OK"
    assert client.noop()[0] == "OK"


# --- The server's entries


def test_all_entries_in_one_command(relay, client):
    values = get_metadata(client, "", ALL)
    assert set(values) == set(ALL)
    assert relay.domain in values["/shared/comment"]
    assert values["/shared/admin"] is None
    assert values[f"{VENDOR}/irohrelay"] == f"https://{relay.domain}"
    assert values[f"{VENDOR}/turn"] is None
    assert values[f"{VENDOR}/maxsmtprecipients"] == "1000"
    for client_versions in json.loads(values[f"{VENDOR}/appversions"])["clients"]:
        for source in client_versions["sources"]:
            assert {"sourceId", "versionInteger", "versionString", "downloadUrl"} <= set(source)


def test_unknown_entries_are_nil(client):
    values = get_metadata(
        client, "", ["/shared/unknown", "/private/comment", f"{VENDOR}/later", "/shared/comment"]
    )
    assert values.pop("/shared/comment")
    assert list(values.values()) == [None] * 3


@pytest.mark.parametrize("entry", ["/shared/comment", "/private/x", f"{VENDOR}/turn"])
def test_server_entries_are_read_only(client, entry):
    assert set_metadata(client, "", entry, "x")[0] == "NO"
    assert client.noop()[0] == "OK"


@pytest.mark.parametrize("entry", ["/private/comment", "/shared/comment", "/private/x"])
def test_other_mailbox_entries_are_refused(client, entry):
    assert set_metadata(client, "INBOX", entry, "x")[0] == "NO"
    with pytest.raises(client.error):
        get_metadata(client, "INBOX", [entry])
    assert client.noop()[0] == "OK"


def test_depth_option(client):
    names = {name for name, value in get_metadata(client, "", ALL).items() if value is not None}
    assert set(get_metadata(client, "", ["/shared"], "(DEPTH infinity)")) == names
    assert set(get_metadata(client, "", ["/shared"], "(DEPTH 1)")) == {"/shared/comment"}
    below = {name for name in names if name.startswith(VENDOR)}
    assert set(get_metadata(client, "", [VENDOR], "(DEPTH 1)")) == below
    assert get_metadata(client, "", [VENDOR], "(DEPTH 0)") == {VENDOR: None}


def test_maxsize_option(client):
    entries = ["/shared/comment", f"{VENDOR}/maxsmtprecipients"]
    assert len(get_metadata(client, "", entries)["/shared/comment"]) > 4
    assert get_metadata(client, "", entries, "(MAXSIZE 4)") == {entries[1]: "1000"}


def test_configured_entries(make_relay):
    relay = make_relay(
        ini={
            "iroh_relay": "https://iroh.test",
            "privacy_mail": "admin@relay.test",
            "turn_secret_file": "/etc/chatmail-turn-secret",
            "turn_host": "turn.test",
            "maxsmtprecipients": "77",
        },
        without=["postfix", "milter", "opendkim"],
    )
    secret = relay.path("/etc/chatmail-turn-secret")
    secret.write_text("north by northwest\n")
    versions = {"clients": [{"clientId": "deltachat", "sources": [{"versionInteger": 1}]}]}
    file = relay.path("/etc/chatmail/appversions.json")
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(versions, indent=4))
    client = relay.imap(relay.registered())
    values = get_metadata(client, "", ALL)
    assert values["/shared/admin"] == "mailto:admin@relay.test"
    assert values[f"{VENDOR}/irohrelay"] == "https://iroh.test"
    assert values[f"{VENDOR}/maxsmtprecipients"] == "77"
    assert "\n" not in values[f"{VENDOR}/appversions"]
    assert json.loads(values[f"{VENDOR}/appversions"]) == versions
    host, port, username, password = values[f"{VENDOR}/turn"].split(":")
    assert (host, port) == ("turn.test", "3478")
    assert abs(int(username) - time.time() - 5 * DAY) < 600
    digest = hmac.new(b"north by northwest", username.encode(), hashlib.sha1).digest()
    assert password == base64.b64encode(digest).decode()
    # An invalid entry is absent and logged; the others are there.
    file.write_text('{"clients": [')
    secret.unlink()
    values = get_metadata(client, "", ALL)
    assert values[f"{VENDOR}/appversions"] is None
    assert values[f"{VENDOR}/turn"] is None
    assert values[f"{VENDOR}/maxsmtprecipients"] == "77"
    # Another process writes the log.
    for text in ("appversions.json, line", "turn_secret_file"):
        eventually(lambda text=text: text in relay.log("dovecot"), message=f"no {text} in the log")
    client.logout()
    relay.stop()


def test_turn_daemon_credentials(make_relay):
    relay = make_relay(
        ini={"turn_socket_path": "/run/turn.socket"}, without=["postfix", "milter", "opendkim"]
    )
    path = relay.path("/run/turn.socket")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o666)
    listener.listen()

    def serve():
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            peer.sendall(b"1800000000:from-the-daemon\n")
            peer.close()

    thread = threading.Thread(target=serve)
    thread.start()
    client = relay.imap(relay.registered())
    try:
        entry = f"{VENDOR}/turn"
        expected = f"{relay.domain}:3478:1800000000:from-the-daemon"
        assert get_metadata(client, "", [entry]) == {entry: expected}
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
    assert get_metadata(client, "", [entry]) == {entry: None}
    eventually(lambda: "turn_socket_path" in relay.log("dovecot"))
    client.logout()
    relay.stop()
