"""Resources that no size limit bounds: the number of messages and of folders."""

import pytest

WITHOUT = ["postfix", "milter", "opendkim", "notifyd", "httpd"]


@pytest.fixture(scope="module")
def narrow(make_relay):
    return make_relay(
        ini={"max_mailbox_messages": "50", "max_mailbox_folders": "5"}, without=WITHOUT
    )


def test_messages_in_one_append(narrow):
    client = narrow.imap(narrow.registered())
    client.send(b"m APPEND INBOX" + b" {1+}\r\nx" * 60 + b"\r\n")
    while not (line := client.readline()).startswith(b"m "):
        assert line
    assert line.startswith(b"m NO [OVERQUOTA]")


def test_messages_one_by_one(narrow):
    client = narrow.imap(narrow.registered())
    replies = [client.append("INBOX", None, None, b"Subject: x\r\n\r\nx\r\n") for _ in range(51)]
    assert {reply[0] for reply in replies[:50]} == {"OK"}
    assert replies[50][0] == "NO" and b"OVERQUOTA" in replies[50][1][0]


def test_delivery_continues_at_the_message_limit(narrow):
    account = narrow.registered()
    client = narrow.imap(account, select=True)
    client.send(b"m APPEND INBOX" + b" {1+}\r\nx" * 50 + b"\r\n")
    while not (line := client.readline()).startswith(b"m "):
        assert line
    assert line.startswith(b"m OK")
    assert narrow.deliver("sender@peer.test", account.address, b"Subject: x\r\n\r\nx\r\n") == {}


def test_number_of_folders_is_limited(narrow):
    client = narrow.imap(narrow.registered())
    replies = [client.create(f"folder{i}") for i in range(7)]
    assert [reply[0] for reply in replies] == ["OK"] * 5 + ["NO"] * 2
    assert b"LIMIT" in replies[5][1][0]
    # A deleted folder makes room for another.
    assert client.delete("folder0")[0] == "OK"
    assert client.create("another")[0] == "OK"
    assert client.create("a_second")[0] == "NO"
