"""What Delta Chat shows if the relay creates no account for now."""

import pytest
from deltachat_rpc_client import JsonRpcError
from support.namespace import OwnCore, OwnRelay

DOMAIN = "_relay.test"


@pytest.fixture(scope="module")
def relay(stages, network):
    with OwnRelay(stages, network, DOMAIN, ini={"max_new_accounts_per_minute": "1"}) as running:
        yield running


@pytest.fixture(scope="module")
def core(network, tmp_path_factory):
    with OwnCore(network, tmp_path_factory.mktemp("own") / "core", (DOMAIN,)) as running:
        yield running


def test_the_sentence_of_a_registration_limit(relay, core):
    """That of the limit, not that the password is wrong."""
    link = f"dcaccount:{DOMAIN}"
    core.accounts.add_account().add_transport_from_qr(link)
    with pytest.raises(JsonRpcError) as refused:
        core.accounts.add_account().add_transport_from_qr(link)
    text = str(refused.value)
    assert "Too many new accounts" in text
    assert "password" not in text.lower()
