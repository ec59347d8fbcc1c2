"""Real clients on relays with and without a name."""

import itertools
import shutil
import socket

import pytest

from support.deltachat import READ_BY_RECIPIENT, dclogin, noise_image
from support.media import call
from support.network import network_of
from support.wait import eventually

FAILED, DELIVERED = 24, 26
RELAYS = ("north", "south", "literal")
PAIRS = list(itertools.combinations(RELAYS, 2))


@pytest.fixture(scope="module")
def core(the_world, tmp_path_factory):
    with the_world.core(tmp_path_factory.mktemp("core") / "world") as running:
        yield running


@pytest.fixture(scope="module")
def people(the_world, core):
    """One client on each relay."""
    with the_world.at("clients"):
        return {name: core.clients(the_world.relays[name], 1)[0] for name in RELAYS}


@pytest.fixture(scope="module")
def chats(people):
    """{(from, to): chat}, made by secure-join."""
    made = {}
    for one, other in PAIRS:
        made[other, one], made[one, other] = people[other].join(people[one])
    return made


@pytest.mark.parametrize("one, other", PAIRS)
def test_a_hundred_messages_each_way(people, chats, one, other):
    for source, target in ((one, other), (other, one)):
        texts = [f"{number} from {source} to {target}" for number in range(100)]
        for text in texts:
            chats[source, target].send_text(text)
        for snapshot in people[target].wait_for_texts(chats[target, source], texts):
            assert snapshot.show_padlock and snapshot.error is None
        received = [s.text for s in people[target].received(chats[target, source])]
        assert sorted(text for text in received if text in texts) == sorted(texts)


@pytest.mark.parametrize("one, other", PAIRS)
def test_files_each_way(people, chats, one, other, tmp_path):
    for source, target in ((one, other), (other, one)):
        image = noise_image(tmp_path / f"{source}-{target}.png", 1_000_000)
        chats[source, target].send_message(file=str(image), filename=image.name, viewtype="File")
        snapshot = people[target].wait_for_file(chats[target, source], image.name)
        with open(snapshot.file, "rb") as received:
            assert received.read() == image.read_bytes()


@pytest.mark.parametrize("source, target", itertools.permutations(RELAYS, 2))
def test_read_receipts(people, chats, source, target):
    text = f"did you read this, {target}?"
    sent = chats[source, target].send_text(text)
    chats[target, source].accept()
    [snapshot] = people[target].wait_for_texts(chats[target, source], [text])
    people[target].account.get_message_by_id(snapshot.id).mark_seen()
    eventually(lambda: sent.get_snapshot().state == READ_BY_RECIPIENT, 120, message="no receipt")


def chat_called(client, name):
    for chat in client.account.get_chatlist():
        if chat.get_basic_snapshot().name == name:
            return chat
    return None


def test_a_group_across_three(people, chats):
    alice = people["north"]
    group = alice.account.create_group("all relays")
    for name in ("south", "literal"):
        group.add_contact(alice.contact_of(people[name]))
    group.send_text("welcome")
    ends = {"north": group}
    for name in ("south", "literal"):
        ends[name] = eventually(lambda n=name: chat_called(people[n], "all relays"), 120)
        ends[name].accept()
    for name in RELAYS:
        ends[name].send_text(f"hello from {name}")
    for name in RELAYS:
        others = [f"hello from {other}" for other in RELAYS if other != name]
        people[name].wait_for_texts(ends[name], others)


@pytest.fixture
def lost(the_world, core, people):
    """Alice's chat with a contact on another relay whose account was deleted, like an unused
    one."""
    south = the_world.relays["south"]
    with the_world.at("clients"):
        [dave] = core.clients(south, 1)
    _, of_alice = dave.join(people["north"])
    dave.account.remove()
    shutil.rmtree(south.mailbox(dave.login))
    return of_alice


def test_core_shows_no_unknown_recipient(the_world, people, lost):
    """Core drops unencrypted messages, and so the bounce."""
    north, alice = the_world.relays["north"], people["north"]

    def bounced():
        return north.log("mail").count("sender non-delivery notification")

    before = bounced()
    sent = lost.send_text("is anybody there?")
    eventually(lambda: bounced() > before, 120, message="no bounce")
    alice.wait_for_event("Warning", lambda event: "unencrypted message" in event["msg"])
    assert sent.get_snapshot().state == DELIVERED


def test_core_shows_an_unknown_recipient_if_it_reads_cleartext(people, lost):
    alice = people["north"].account
    alice.set_config("force_encryption", "0")
    try:
        sent = lost.send_text("is anybody there?")
        snapshot = eventually(lambda: failed(sent), 120, message="core shows no failure")
        assert "No such user here" in snapshot.error
    finally:
        alice.set_config("force_encryption", "1")


def failed(message):
    snapshot = message.get_snapshot()
    return snapshot if snapshot.state == FAILED and snapshot.error else None


def test_what_core_shows_of_a_denied_domain(the_world, people, chats):
    """It shows a message that reaches nobody as failed; a group loses only the denied member."""
    alice, denied = people["north"], the_world.relays["north"].path("/etc/chatmail-denied")
    group = alice.account.create_group("two of three")
    for name in ("south", "literal"):
        group.add_contact(alice.contact_of(people[name]))
    denied.write_text("south.example\n")
    try:
        sent = chats["north", "south"].send_text("may I?")
        snapshot = eventually(lambda: failed(sent), 120, message="core shows no failure")
        assert "does not exchange mail with the recipient's domain" in snapshot.error
        to_both = group.send_text("to both")
        there = eventually(lambda: chat_called(people["literal"], "two of three"), 120)
        people["literal"].wait_for_texts(there, ["to both"])
        assert not failed(to_both)
    finally:
        denied.write_text("")
    chats["north", "south"].send_text("and now?")
    people["south"].wait_for_texts(chats["south", "north"], ["and now?"])
    assert chat_called(people["south"], "two of three") is None


@pytest.fixture(scope="module")
def far_apart(the_world):
    """Two hosts that cannot reach each other, and relays with coturn that both can reach."""
    for name in ("caller", "callee"):
        the_world.add_host(name)
        the_world.internet.hosts[name].isolate()
    for name in RELAYS:
        the_world.relays[name].start_service("turn")
    return the_world.internet.hosts["caller"], the_world.internet.hosts["callee"]


def test_a_call_without_coturn_fails(the_world, far_apart):
    """Otherwise the next test would prove nothing."""
    caller, callee = far_apart
    with network_of(caller.process.pid):
        socket.create_connection((the_world.relays["north"].address, 25), 60).close()
        with pytest.raises(OSError) as error:
            socket.create_connection((callee.ipv4, 9), 10)
        assert not isinstance(error.value, ConnectionRefusedError)


@pytest.mark.parametrize("one, other", [("north", "south"), ("south", "literal"), ("literal", "north")])
def test_a_call_through_coturn(the_world, people, chats, far_apart, one, other):
    """Each client uses the server that its own relay names in METADATA."""
    for name in (one, other):
        relay = the_world.relays[name]
        urls = {url for server in people[name].account.ice_servers() for url in server["urls"]}
        expected = {f"turn:{relay.host.ipv4}:3478"}
        if name != "literal":
            expected.add(f"turn:[{relay.host.ipv6}]:3478")
        assert {url for url in urls if url.startswith("turn:")} == expected
    call(people[one], chats[one, other], far_apart[0], people[other], far_apart[1])


def test_a_relay_that_is_down_for_a_while(the_world, people, chats):
    """No message is lost, and none arrives twice."""
    south, north = the_world.relays["south"], the_world.relays["north"]
    people["south"].account.stop_io()
    south.host.unplug()
    texts = [f"while you were away {number}" for number in range(20)]
    try:
        for text in texts:
            chats["north", "south"].send_text(text)
        eventually(lambda: len(waiting(north)) == len(texts), 240, message="not all was queued")
    finally:
        south.host.plug()
    people["south"].account.start_io()

    def arrived():
        north.inside("postqueue", "-f")
        received = [s.text for s in people["south"].received(chats["south", "north"])]
        return set(texts) <= set(received) and received

    received = eventually(arrived, 240, interval=2)
    assert sorted(text for text in received if text in texts) == sorted(texts)
    eventually(lambda: waiting(north) == [], 120)


def waiting(relay):
    return [entry for entry in relay.queue() if "@south.example" in str(entry["recipients"])]


def test_a_profile_with_two_relays(the_world, people, chats):
    """Bob adds a second relay; then the first one goes down, and mail arrives all the same."""
    bob, alice = people["south"], people["north"]
    south, literal = the_world.relays["south"], the_world.relays["literal"]
    bob.account.add_transport_from_qr(dclogin(literal, literal.account()))
    assert len(bob.account.list_transports()) == 2
    chats["south", "north"].send_text("I have two relays now")
    alice.wait_for_texts(chats["north", "south"], ["I have two relays now"])
    south.host.unplug()
    try:
        chats["north", "south"].send_text("by the other way")
        bob.wait_for_texts(chats["south", "north"], ["by the other way"])
    finally:
        south.host.plug()
