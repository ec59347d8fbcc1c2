"""What a user reads when the relay refuses an account: by IMAP, by SMTP and by POST /new."""

import http.client
import json
import smtplib

import pytest
from support.logins import NO_ACCOUNT, login_error
from support.relay import trusting

AUTOMATIC = "Aa1" + "x" * 20
BUSY = "This relay is too busy for new accounts now. Please try again in a few minutes."

# The keys, the password, the status of POST /new or None if it does not depend on them, the sentence.
FINAL = {
    "closed": ({"registration": "closed"}, None, 403,
               "This relay does not accept new accounts. Please choose another relay."),
    "invite": ({"registration": "invite"}, None, 403,
               "This relay is by invitation only. Open the invitation link that you received, or ask the operator for one."),
    "name": ({"username_min_length": "20", "username_max_length": "20"}, None, 200,
             "This relay does not accept accounts with such a name. Please choose another name."),
    "password": ({"password_min_length": "30"}, None, 200,
                 "This password is too short or too long for a new account on this relay. Please choose another password."),
    "automatic": ({"automatic_accounts": "false"}, AUTOMATIC, 200,
                  "This relay has no such account. Please add the account by its link or QR code."),
}  # fmt: skip
TEMPORARY = {
    "load": ({"max_load_1m": "0.000001"}, 503, BUSY),
    "memory": ({"min_available_memory": "100000G"}, 503, BUSY),
    "disk": ({"min_free_disk_space": "1000000G"}, 507,
             "This relay has no room for new accounts now. Please choose another relay, or try again later."),
    "rate": ({"max_new_accounts_per_minute": "1"}, 429,
             "Too many new accounts were created from your network or on this relay. Please try again later."),
}  # fmt: skip


@pytest.fixture(scope="module")
def relay(make_relay):
    return make_relay(without=["notifyd"])


@pytest.fixture
def configured(relay):
    before = dict(relay.ini)

    def configure(**ini):
        relay.ini = {**before, **ini}
        relay.write_ini()
        relay.restart_service("dovecot")
        relay.restart_service("httpd")
        return relay

    yield configure
    configure()


def smtp_error(relay, account):
    with pytest.raises(smtplib.SMTPAuthenticationError) as refusal:
        relay.submission(account).__enter__()
    return refusal.value.smtp_code, refusal.value.smtp_error.decode()


def post_new(relay):
    client = http.client.HTTPSConnection("127.0.0.1", relay.ports["https_port"], context=trusting(), timeout=60)
    client.request("POST", "/new", headers={"Host": relay.domain})
    answer = client.getresponse()
    made = json.loads(answer.read())
    client.close()
    return answer.status, made.get("reason")


@pytest.mark.parametrize("why", FINAL)
def test_final_refusals(configured, why):
    """All three give the sentence. POST /new chooses names and passwords that are accepted."""
    ini, password, status, sentence = FINAL[why]
    relay = configured(**ini)
    account = relay.account(password=password)
    error = login_error(relay, account)
    assert NO_ACCOUNT in error and sentence in error
    code, text = smtp_error(relay, account)
    assert code == 535 and sentence in text
    assert post_new(relay) == (status, None if status == 200 else sentence)
    assert not relay.mailbox(account).exists()


@pytest.mark.parametrize("why", TEMPORARY)
def test_temporary_refusals(configured, why):
    """By SMTP the client must try again later; Postfix has its own text for that."""
    ini, status, sentence = TEMPORARY[why]
    relay = configured(**ini)
    if why == "rate":
        relay.registered()
    account = relay.account()
    error = login_error(relay, account)
    assert NO_ACCOUNT in error and sentence in error
    code, text = smtp_error(relay, account)
    assert code == 454 and "Temporary authentication failure" in text
    assert post_new(relay) == (status, sentence)
    assert not relay.mailbox(account).exists()
