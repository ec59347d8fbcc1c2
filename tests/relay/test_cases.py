"""Messages of tests/cases on their way through a relay. tests/programs/test_cases.py has the verdicts."""

from pathlib import Path

import pytest

from support.messages import values
from test_outgoing_header import leaving
from test_policy_smtp import verifies

CASES = Path(__file__).resolve().parents[1] / "cases"


@pytest.fixture(scope="module")
def stuck(make_relay):
    """A relay whose mail for other relays stays in the queue."""
    return make_relay(settings={"relayhost": "[127.0.0.1]:1"})


@pytest.fixture(scope="module")
def alice(stuck):
    return stuck.registered("alice0001")


@pytest.fixture(scope="module")
def bob(stuck):
    return stuck.registered("bob000001")


def case(name):
    data = (CASES / f"{name}.eml").read_bytes()
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


@pytest.mark.parametrize("to", ["nobody999@relay.test", "nobody999+x@relay.test", "bob000001@[127.0.0.1]"])
@pytest.mark.parametrize("victim", ["victim@peer.test", "bob000001@relay.test"])
def test_cleartext_of_a_stranger_does_not_bounce(stuck, bob, to, victim):
    code, text = stuck.receive(victim, to, case("01-in-plain-to-absent"))
    assert (code, "Invalid Unencrypted Mail" in text) == (523, True)
    stuck.settle()
    assert not [entry for entry in stuck.queue() if entry["sender"] == "MAILER-DAEMON"]
    assert stuck.fetch(bob) == []


@pytest.mark.parametrize(
    "name,words",
    [
        ("03-out-from-phrase", b"noon"),
        ("04-out-to-group-phrase", b"noon"),
        ("10-out-disposition-filename", b"noon"),
        ("02-out-thunderbird-preamble", None),
        ("utf8-to-out", "Jürgen".encode()),
        ("long-header-out", None),
    ],
)
def test_it_leaves_signed_and_without_text(stuck, alice, name, words):
    message = case(name)
    assert words is None or words in message
    sent = leaving(stuck, alice, message.replace(b"@north.test", b"@relay.test"))
    assert words is None or words not in sent
    assert values(sent, "From") == [f"<{alice.address}>"]
    assert max(map(len, sent.split(b"\r\n"))) <= 998
    assert verifies(stuck, sent)


def test_an_account_with_odd_dots_sends(stuck):
    account = stuck.registered("abc..defg")
    assert verifies(stuck, leaving(stuck, account, case("dots-out")))


def test_smtputf8_is_refused_before_the_message(stuck, alice, bob):
    """Delivery does not know it, so the message would bounce."""
    with stuck.submission(alice) as client:
        client.ehlo()
        code, text = client.docmd("MAIL", f"FROM:<{alice.address}> BODY=8BITMIME SMTPUTF8")
        assert code >= 500, text
    code, text = stuck.send(alice, bob.address, case("utf8-to-out"))
    assert code == 250, text


def test_no_word_of_a_subject_is_logged(stuck, alice, bob):
    code, _ = stuck.send(alice, bob.address, case("subject-cleartext"))
    assert code == 523
    log = stuck.log("mail")
    assert "milter-reject" in log
    assert "Divorce" not in log and "papers" not in log
