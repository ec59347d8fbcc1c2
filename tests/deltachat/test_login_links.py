"""Relays to which clients send no account request because of the certificate: the page's button
and QR code log in instead."""

import http.client
import json
import re

import pytest
from support.namespace import OwnCore, OwnRelay
from support.network import network_of
from support.relay import trusting

ADDRESS = "127.0.0.1"


@pytest.fixture(scope="module")
def relay(stages, network):
    """A relay without a name, with the certificate that `chatmailctl init` creates."""
    with OwnRelay(stages, network, ADDRESS) as running:
        yield running


@pytest.fixture(scope="module")
def core(network, tmp_path_factory):
    with OwnCore(network, tmp_path_factory.mktemp("own") / "core", ()) as running:
        yield running


def request(network, method, path):
    with network_of(network.process.pid):
        client = http.client.HTTPSConnection(ADDRESS, context=trusting(), timeout=60)
        client.request(method, path)
        answer = client.getresponse()
        answer.text = answer.read().decode()
        client.close()
    return answer


def logs_in(core, relay, link):
    """Scans the link and checks that its account exists."""
    account = core.accounts.add_account()
    account.add_transport_from_qr(link)
    assert account.is_configured()
    [transport] = account.list_transports()
    assert (relay.path(f"/home/vmail/mail/{ADDRESS}/{transport['addr']}") / "password").exists()
    return account


def test_the_button_logs_in(relay, network, core):
    page = request(network, "GET", "/").text
    assert '<a class="button" href="/new">' in page
    links = [request(network, "GET", "/new").headers["Location"] for _ in range(2)]
    assert links[0] != links[1] and links[0].startswith("dclogin:")
    first, second = (logs_in(core, relay, link) for link in links)
    # Core ignores messages that are older than the first look into a mailbox.
    second.bring_online()
    chat = first.secure_join(second.get_qr_code())
    first.start_io()
    second.wait_for_securejoin_inviter_success()
    first.wait_for_securejoin_joiner_success()
    chat.send_text("hello")
    assert second.wait_for_incoming_msg().get_snapshot().text == "hello"


def test_the_qr_code_logs_in(relay, network, core):
    page = request(network, "GET", "/").text
    assert re.search('<img class="qr" src="/new/qr.svg" alt="[^"]+">', page)
    answer = request(network, "GET", "/new/qr.svg")
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "<svg" in answer.text


def test_the_link_in_the_reply_logs_in(relay, network, core):
    answer = json.loads(request(network, "POST", "/new").text)
    logs_in(core, relay, answer["dclogin_url"])


def test_an_invitation_logs_in(relay, network, core):
    relay.ini["registration"] = "invite"
    relay.write_ini()
    relay.restart_service("httpd")
    relay.restart_service("dovecot")
    [made] = json.loads(relay.inside("chatmailctl", "invite", "create", "--json").stdout)["invitations"]
    # A browser that only opens the page uses up no invitation.
    assert request(network, "GET", f"/new?{made['token']}").headers["Location"] == f"/invite#{made['token']}"
    assert request(network, "GET", "/new").headers["Location"] == "/"
    assert request(network, "GET", "/new/qr.svg").status == 404
    assert "data-login" in request(network, "GET", "/invite").text
    answer = json.loads(request(network, "POST", f"/new?{made['token']}").text)
    logs_in(core, relay, answer["dclogin_url"])
