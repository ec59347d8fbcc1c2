"""A relay of several machines: which logins create an account, and where."""

import imaplib
import re
import smtplib

import pytest

from support.messages import encrypted
from support.wait import eventually

pytestmark = pytest.mark.usefixtures("at_the_front")


@pytest.fixture(scope="module")
def cluster(make_cluster):
    return make_cluster(2).start()


def is_refused(cluster, account):
    with pytest.raises(imaplib.IMAP4.error):
        cluster.front.imap(account)
    with pytest.raises(smtplib.SMTPAuthenticationError) as refusal:
        with cluster.front.submission(account):
            pass
    # Not "try again later".
    assert refusal.value.smtp_code == 535


def bounced(cluster, account):
    """The recipients that bounces to this account name."""
    text = b"".join(cluster.front.fetch(account)).decode()
    return set(re.findall(r"(?m)^Final-Recipient: rfc822; *([^ \r\n]*)", text))


def test_blocked_accounts_are_not_created_on_another_backend(cluster):
    """A new backend is the first one to which new accounts of some addresses go."""
    home, _ = cluster.backends
    cluster.set_backends([home])
    accounts = [cluster.front.registered() for _ in range(8)]
    cluster.set_backends(cluster.backends)
    sender = cluster.front.registered()
    addresses = [account.address for account in accounts]
    cluster.backends[home].inside("chatmailctl", "user", "block", *addresses)
    for account in accounts:
        is_refused(cluster, account)
    message = encrypted(sender.address, addresses[0])
    assert cluster.front.send(sender, addresses, message)[0] == 250
    eventually(lambda: bounced(cluster, sender) == set(addresses))
    places = cluster.places()
    assert [places[address] for address in addresses] == [[home]] * len(addresses)
    cluster.backends[home].inside("chatmailctl", "user", "unblock", *addresses)
    for account in accounts:
        assert cluster.front.fetch(account) == []
