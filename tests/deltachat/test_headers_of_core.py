"""The header that Delta Chat core submits leaves unchanged: no field is changed or removed."""

import copy

import pytest

from support.messages import headers_of
from support.smtp_recorder import SmtpRecorder
from test_what_core_sends import explain


@pytest.fixture(scope="module")
def recorder(relay):
    files = [relay.path(f"/etc/ssl/relay/{name}.pem") for name in ("cert", "key")]
    with SmtpRecorder(*files, relay.ports["smtps_port"]) as running:
        yield running


@pytest.fixture(scope="module")
def pair(core, relay, recorder):
    """Two clients that have exchanged keys and some messages, with attachments and receipts."""
    door = copy.copy(relay)
    door.ports = {**relay.ports, "smtps_port": recorder.port}
    alice, bob = core.clients(door, 2)
    ours, theirs = bob.join(alice)
    return alice, bob, ours, theirs


def test_no_header_of_core_is_changed(relay, recorder, pair, tmp_path):
    alice, bob, to_alice, to_bob = pair
    to_bob.send_text("hello")
    [hello] = bob.wait_for_texts(to_alice, ["hello"])
    bob.account.get_message_by_id(hello.id).mark_seen()
    file = tmp_path / "noise.bin"
    file.write_bytes(bytes(range(256)) * 1000)
    to_bob.send_message(file=str(file), filename=file.name, viewtype="File")
    bob.wait_for_file(to_alice, file.name)
    group = alice.account.create_group("Friends")
    group.add_contact(alice.contact_of(bob))
    group.send_text("hello, group")
    bob.wait_for_event("IncomingMsg")
    messages = recorder.messages
    assert len(messages) >= 6
    names = {name for message in messages for name, _ in headers_of(message)}
    assert "chat-is-post-message" in names
    for message in messages:
        lines = explain(relay, sender_of(message, pair), bob, message)
        [header] = [line for line in lines if line.startswith("header: ")]
        assert header.endswith(" fields stay, 0 change, 0 go"), lines


def sender_of(message, pair):
    [sender] = [value for name, value in headers_of(message) if name == "from"]
    [client] = [client for client in pair[:2] if client.login.address in sender]
    return client
