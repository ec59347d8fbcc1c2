"""Two real clients register, exchange keys and talk."""

from support.deltachat import READ_BY_RECIPIENT, noise_image
from support.messages import values
from support.wait import eventually


def test_first_login_created_the_accounts(relay, pair):
    for client in pair:
        assert client.account.is_configured()
        assert (relay.mailbox(client.login) / "password").read_text().startswith("{")
        relay.imap(client.login).logout()


def test_secure_join_by_qr_code(pair, chats):
    """The fixture waited until both ends reported success."""
    for client, chat in zip(pair, chats):
        snapshot = chat.get_basic_snapshot()
        assert snapshot.is_encrypted
        assert chat.can_send()
        assert not client.account.get_chat_by_id(chat.id).get_basic_snapshot().is_contact_request


def test_twenty_messages_each_way(pair, chats):
    ends = list(zip(pair, chats))
    for (sender, from_chat), (recipient, to_chat) in (ends, ends[::-1]):
        texts = [f"message {number} of {sender.login.name}" for number in range(20)]
        for text in texts:
            from_chat.send_text(text)
        for snapshot in recipient.wait_for_texts(to_chat, texts):
            assert snapshot.show_padlock
            assert snapshot.error is None


def test_image_of_one_megabyte_each_way(pair, chats, tmp_path):
    ends = list(zip(pair, chats))
    for (sender, from_chat), (recipient, to_chat) in (ends, ends[::-1]):
        image = noise_image(tmp_path / f"{sender.login.name}.png", 1_000_000)
        # Send a file, so that core does not shrink the picture.
        from_chat.send_message(file=str(image), filename=image.name, viewtype="File")
        snapshot = recipient.wait_for_file(to_chat, image.name)
        assert snapshot.show_padlock
        with open(snapshot.file, "rb") as received:
            assert received.read() == image.read_bytes()


def test_read_receipts(pair, chats):
    ends = list(zip(pair, chats))
    for (_, from_chat), (recipient, to_chat) in (ends, ends[::-1]):
        text = f"did {recipient.login.name} read this?"
        sent = from_chat.send_text(text)
        to_chat.accept()
        [snapshot] = recipient.wait_for_texts(to_chat, [text])
        recipient.account.get_message_by_id(snapshot.id).mark_seen()
        eventually(
            lambda: sent.get_snapshot().state == READ_BY_RECIPIENT,
            60,
            message="no read receipt arrived",
        )


def test_stored_message_is_encrypted_and_compressed(relay, pair, chats):
    """A message as it is stored, before a client fetches it."""
    alice, bob = pair
    bob.account.stop_io()
    eventually(lambda: not relay.fetch(bob.login), message="the mailbox did not become empty")
    chats[0].send_text("for Bob only")
    [stored] = relay.messages(bob.login)
    assert values(stored, "Subject") == ["[...]"]
    for name in ("Received", "DKIM-Signature", "Authentication-Results", "User-Agent", "X-Mailer"):
        assert values(stored, name) == [], name
    assert b"127.0.0.1" not in stored
    assert b"for Bob only" not in stored
    assert b"multipart/encrypted" in stored
    bob.account.start_io()
    bob.wait_for_texts(chats[1], ["for Bob only"])


def test_a_doubled_message_is_shown_once(relay, pair, chats):
    """Servers may deliver a message twice, if one of them dies between accepting and confirming it."""
    alice, bob = pair
    bob.account.stop_io()
    eventually(lambda: not relay.fetch(bob.login), message="the mailbox did not become empty")
    chats[0].send_text("once")
    [stored] = relay.messages(bob.login)
    client = relay.imap(bob.login)
    assert client.append("INBOX", None, None, stored)[0] == "OK"
    client.logout()
    assert len(relay.messages(bob.login, 2)) == 2
    chats[0].send_text("and then")
    relay.messages(bob.login, 3)
    bob.account.start_io()
    bob.wait_for_texts(chats[1], ["once", "and then"])
    eventually(lambda: not relay.fetch(bob.login), message="the client did not read all messages")
    assert [s.text for s in bob.received(chats[1])].count("once") == 1


def test_group_with_a_third_member(core, relay, pair, chats):
    """A client joins a group by its QR code; every member reads every message."""
    alice, bob = pair
    [carol] = core.clients(relay, 1)
    group = alice.account.create_group("station")
    group.add_contact(alice.contact_of(bob))
    group.send_text("welcome")
    of_bob = eventually(
        lambda: next(
            (
                chat
                for chat in bob.account.get_chatlist()
                if chat.get_basic_snapshot().name == "station"
            ),
            None,
        ),
        60,
        message="Bob did not get into the group",
    )
    of_carol = carol.account.secure_join(group.get_qr_code())
    eventually(
        lambda: len(of_bob.get_contacts()) == 3 and of_carol.can_send(),
        120,
        message="Carol did not get into the group",
    )
    of_carol.send_text("hello from Carol")
    for client, chat in ((alice, group), (bob, of_bob)):
        [snapshot] = client.wait_for_texts(chat, ["hello from Carol"])
        assert snapshot.show_padlock
