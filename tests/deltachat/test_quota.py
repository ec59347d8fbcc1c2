"""What Delta Chat shows of a mailbox that holds more than its quota."""

import re

import pytest
from support.deltachat import Client
from support.messages import encrypted
from support.wait import eventually


@pytest.fixture(scope="module")
def relay(stages, dns):
    from support.relay import Relay

    with Relay(stages, ini={"max_mailbox_size": "10M", "resolver": dns.resolver}) as running:
        yield running


def test_a_mailbox_over_its_quota(core, relay):
    client = Client(relay, core.accounts.add_account())
    client.login = relay.registered()
    message = encrypted("sender@peer.test", client.login.address, size=300_000)
    for _ in range(42):
        assert relay.deliver("sender@peer.test", client.login.address, message) == {}
    client.configure()()
    # As with a second device: otherwise it deletes messages from the server.
    client.account.set_config("bcc_self", "1")
    client.account.start_io()

    def shown():
        html = client.account._rpc.get_connectivity_html(client.account.id)
        return re.search(r">([0-9.]+) MiB of 10 MiB used<.*? red\" style=\"width: 100%\">(\d+)%<", html)

    used, percent = map(float, eventually(shown, message="no quota was shown").groups())
    assert 12 < used < 20
    assert abs(percent - 10 * used) <= 1
