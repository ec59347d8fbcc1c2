"""How users get an account: links, QR codes, invitations, autoconfig, port 443.

The relay uses the usual ports, in its own network namespace, because clients try those."""

import json

import pytest
from deltachat_rpc_client import JsonRpcError
from support.namespace import OwnCore, OwnRelay
from support.wait import eventually

DOMAIN = "_relay.test"
NAMES = (DOMAIN, f"autoconfig.{DOMAIN}", f"www.{DOMAIN}")


@pytest.fixture(scope="module")
def relay(stages, network):
    with OwnRelay(stages, network, DOMAIN, ini={"log_addresses": "true"}) as running:
        yield running


@pytest.fixture(scope="module")
def core(network, tmp_path_factory):
    with OwnCore(network, tmp_path_factory.mktemp("own") / "core", NAMES) as running:
        yield running


def add(core, link):
    account = core.accounts.add_account()
    account.add_transport_from_qr(link)
    assert account.is_configured()
    return account


def address_of(account):
    [transport] = account.list_transports()
    return transport["addr"]


def exists(relay, address):
    return (relay.path(f"/home/vmail/mail/{DOMAIN}/{address}") / "password").exists()


def exchange_messages(first, second):
    """The clients exchange keys by a QR code and write to each other."""
    # Core ignores messages that are older than the first look into a mailbox.
    second.bring_online()
    chat = first.secure_join(second.get_qr_code())
    first.start_io()
    second.wait_for_securejoin_inviter_success()
    first.wait_for_securejoin_joiner_success()
    chat.send_text("hello")
    message = second.wait_for_incoming_msg().get_snapshot()
    assert message.text == "hello"


def test_link_to_new_and_first_message(relay, core):
    """Page, button, account, message: the whole way of a new user."""
    first = add(core, f"dcaccount:https://{DOMAIN}/new")
    second = add(core, f"DCACCOUNT:https://{DOMAIN}/cgi-bin/newemail.py")
    assert exists(relay, address_of(first)) and exists(relay, address_of(second))
    assert " 200 POST /new " in relay.log("nginx-access")
    exchange_messages(first, second)


def test_credentials_that_the_client_invents(relay, core):
    account = add(core, f"dcaccount:{DOMAIN}")
    assert exists(relay, address_of(account))


def test_autoconfig_is_enough(relay, core):
    login = relay.account()
    account = core.accounts.add_account()
    account.add_or_update_transport({"addr": login.address, "password": login.password})
    assert account.is_configured()
    assert exists(relay, login.address)
    assert "/mail/config-v1.1.xml" in relay.log("nginx-access")


def test_everything_through_port_443(relay, core):
    login = relay.account()
    link = f"dclogin:{login.address}?p={login.password}&v=1"
    link += f"&ih={DOMAIN}&ip=443&is=ssl&sh={DOMAIN}&sp=443&ss=ssl"
    first = add(core, link)
    exchange_messages(first, add(core, f"dcaccount:https://{DOMAIN}/new"))
    eventually(lambda: "postfix/smtps-proxy/smtpd" in relay.log("mail"))


# By invitation


@pytest.fixture
def by_invitation(relay):
    """The same relay, temporarily with registration = invite."""
    def become(mode):
        relay.ini["registration"] = mode
        relay.write_ini()
        relay.restart_service("httpd")
        relay.restart_service("dovecot")

    become("invite")
    yield relay
    become("open")


def invite(relay, *options):
    output = relay.inside("chatmailctl", "invite", "create", "--json", *options).stdout
    [made] = json.loads(output)["invitations"]
    return made


def test_error_text_without_an_invitation(by_invitation, core):
    account = core.accounts.add_account()
    with pytest.raises(JsonRpcError, match="This relay is by invitation only. Open the invitation link that you received, or ask the operator for one."):
        account.add_transport_from_qr(f"dcaccount:https://{DOMAIN}/new")
    with pytest.raises(JsonRpcError) as refused:
        account.add_transport_from_qr(f"dcaccount:{DOMAIN}")
    assert "by invitation only" in str(refused.value), refused.value


def test_an_invitation_creates_as_many_accounts_as_it_allows(by_invitation, core):
    made = invite(by_invitation, "--uses", "2")
    assert made["link"] == f"https://{DOMAIN}/invite#{made['token']}"
    first = add(core, f"dcaccount:https://{DOMAIN}/new?{made['token']}")
    second = add(core, f"dcaccount:https://{DOMAIN}/new?t={made['token']}")
    account = core.accounts.add_account()
    with pytest.raises(JsonRpcError, match="This invitation is not valid: it has expired, was used up or was revoked. Please ask for a new one."):
        account.add_transport_from_qr(f"dcaccount:https://{DOMAIN}/new?{made['token']}")
    exchange_messages(first, second)
