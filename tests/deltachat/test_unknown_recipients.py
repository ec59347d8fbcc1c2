"""What a user sees of recipients who do not exist any more. The client has its default settings:
it drops all unencrypted messages, including bounces."""

import shutil

import pytest

from support.wait import eventually

DELIVERED, FAILED = 26, 24


@pytest.fixture(scope="module")
def people(core, relay):
    return core.clients(relay, 4)


@pytest.fixture(scope="module")
def chats(people):
    """Alice's chats with the others, by secure-join."""
    alice, *others = people
    return [other.join(alice)[1] for other in others]


@pytest.fixture(scope="module")
def gone(relay, people, chats):
    """Two of the others have lost their accounts, one still exists."""
    for client in people[2:]:
        client.account.remove()
        shutil.rmtree(relay.mailbox(client.login))
    return chats[1:]


def failure(message):
    snapshot = message.get_snapshot()
    return snapshot.error if snapshot.state == FAILED else None


def alice_gets_through(people, chats, text):
    chats[0].send_text(text)
    bob = people[1]
    bob.wait_for_texts(bob.chat_with(people[0]), [text])


def test_the_failure_is_shown_and_the_next_message_leaves(people, chats, gone):
    for chat in gone:
        sent = chat.send_text("is anybody there?")
        error = eventually(lambda s=sent: failure(s), 60, message="core shows no failure")
        assert "No such user here" in error
    alice_gets_through(people, chats, "you are")


def test_a_group_without_existing_members(people, chats, gone):
    alice = people[0]
    group = alice.account.create_group("the lost")
    for chat in gone:
        group.add_contact(chat.get_contacts()[0])
    sent = group.send_text("hello?")
    error = eventually(lambda: failure(sent), 60, message="core shows no failure")
    assert "No such user here" in error
    alice_gets_through(people, chats, "still you are")


def test_a_group_with_an_existing_member_goes_on(people, chats, gone):
    """The existing members get the message; the client shows nothing about the others."""
    alice, bob = people[:2]
    group = alice.account.create_group("the rest")
    for chat in chats:
        group.add_contact(chat.get_contacts()[0])
    sent = group.send_text("who is there?")

    def arrived():
        return any(
            message.get_snapshot().text == "who is there?"
            for chat in bob.account.get_chatlist()
            for message in chat.get_messages()
        )

    eventually(arrived, 60)
    assert sent.get_snapshot().state == DELIVERED


def test_a_second_device_changes_nothing(people, chats, gone):
    """Copies for the sender's other devices are in the same envelope."""
    people[0].account.set_config("bcc_self", "1")
    sent = gone[0].send_text("and now?")
    error = eventually(lambda: failure(sent), 60, message="core shows no failure")
    assert "No such user here" in error
    alice_gets_through(people, chats, "there is one")
