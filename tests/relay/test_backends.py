"""A relay of several machines: a front and three backends, each in its own network."""

import http.client
import imaplib
import json
import smtplib
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.messages import encrypted
from support.network import network_of
from support.relay import Account, trusting
from support.wait import eventually

ACCOUNTS = 200

pytestmark = pytest.mark.usefixtures("at_the_front")


@pytest.fixture(scope="module")
def cluster(make_cluster):
    return make_cluster(3).start()


@pytest.fixture(scope="module")
def accounts(cluster):
    """Two hundred accounts, made by their first logins."""
    with network_of(cluster.hosts[0].process.pid):
        return [
            cluster.front.registered(name=f"user{number:05d}", password=f"password{number:05d}")
            for number in range(ACCOUNTS)
        ]


def of_backend(cluster, accounts, address):
    places = cluster.places()
    return [account for account in accounts if places.get(account.address) == [address]]


def wait_for_message(cluster, account, message):
    eventually(
        lambda: any(message in found for found in cluster.front.fetch(account)),
        message="a message did not arrive",
    )


def test_accounts_are_distributed_evenly(cluster, accounts):
    places = cluster.places()
    assert all(len(places[account.address]) == 1 for account in accounts)
    counts = [len(of_backend(cluster, accounts, address)) for address in cluster.backends]
    # The distribution of the hash for these addresses; 66 or 67 would be perfect.
    assert sum(counts) == ACCOUNTS
    assert all(45 <= count <= 90 for count in counts)
    # The front stores no accounts.
    mailboxes = cluster.front.path(f"/home/vmail/mail/{cluster.front.domain}")
    assert not [path for path in mailboxes.iterdir() if "@" in path.name]


def test_mail_goes_to_the_backend_of_the_mailbox(cluster, accounts):
    for address in cluster.backends:
        sender = accounts[0]
        recipient = of_backend(cluster, accounts, address)[-1]
        before = len(cluster.front.fetch(recipient))
        message = encrypted(sender.address, recipient.address)
        assert cluster.front.send(sender, recipient.address, message)[0] == 250
        assert len(cluster.front.messages(recipient, before + 1)) == before + 1


def test_idle_and_metadata_pass_through(cluster, accounts):
    sender, recipient = accounts[:2]
    client = cluster.front.imap(recipient, select=True)
    assert {"IDLE", "METADATA", "XCHATMAIL", "XDELTAPUSH", "QUOTA"} <= set(
        client.capability()[1][0].decode().split()
    )
    client.send(b"i IDLE\r\n")
    assert client.readline().startswith(b"+")
    cluster.front.send(sender, recipient.address, encrypted(sender.address, recipient.address))
    while b"EXISTS" not in client.readline():
        pass
    client.send(b"DONE\r\n")
    client.shutdown()


def test_a_wrong_password(cluster, accounts):
    for protocol in ("imap", "smtp"):
        wrong = Account(cluster.front.domain, accounts[3].name, "not-this-password")
        with pytest.raises((imaplib.IMAP4.error, smtplib.SMTPAuthenticationError)) as refusal:
            if protocol == "imap":
                cluster.front.imap(wrong)
            else:
                with cluster.front.submission(wrong):
                    pass
        assert "uthentication" in str(refusal.value)


def test_a_first_login_by_smtp(cluster):
    account = cluster.front.account()
    with cluster.front.submission(account) as client:
        assert client.noop()[0] == 250
    assert len(cluster.places()[account.address]) == 1
    cluster.front.imap(account).logout()


def test_refusals_have_their_reason(cluster):
    with pytest.raises(imaplib.IMAP4.error, match="password"):
        cluster.front.imap(cluster.front.account(password="short"))
    with pytest.raises(smtplib.SMTPAuthenticationError, match="password"):
        with cluster.front.submission(cluster.front.account(password="short")):
            pass


def ask_for_account(cluster, path="/new"):
    """(status, answer)"""
    client = http.client.HTTPSConnection("127.0.0.1", 443, context=trusting(), timeout=60)
    client.request("POST", path, body=b"", headers={"Host": cluster.front.domain})
    answer = client.getresponse()
    return answer.status, json.loads(answer.read())


def check_account(cluster, answer):
    account = Account(cluster.front.domain, answer["email"].split("@")[0], answer["password"])
    assert len(cluster.places()[account.address]) == 1
    cluster.front.imap(account).logout()


def test_an_account_from_the_web(cluster):
    check_account(cluster, ask_for_account(cluster)[1])


@pytest.fixture
def invited(cluster):
    cluster.front.ini["registration"] = "invite"
    cluster.set_backends(cluster.backends)
    yield cluster
    del cluster.front.ini["registration"]
    cluster.set_backends(cluster.backends)


def test_invitations(invited):
    output = invited.front.inside("chatmailctl", "invite", "create", "--uses", "2", "--json").stdout
    [invitation] = json.loads(output)["invitations"]
    path = "/new?" + invitation["link"].partition("#")[2]
    for _ in range(2):
        status, answer = ask_for_account(invited, path)
        assert status == 200, answer
        check_account(invited, answer)
    for wrong in (path, "/new", "/new?abcdefghijkmnpqrstuvwxyz23"):
        assert ask_for_account(invited, wrong)[0] == 403
    with pytest.raises(imaplib.IMAP4.error, match="invitation"):
        invited.front.registered()


def test_a_failure_uses_up_no_invitation(invited):
    """The backend cannot create accounts."""
    output = invited.front.inside("chatmailctl", "invite", "create", "--json").stdout
    [invitation] = json.loads(output)["invitations"]
    path = "/new?" + invitation["link"].partition("#")[2]
    for relay in invited.backends.values():
        relay.path("/etc/chatmail-nocreate").touch()
    assert ask_for_account(invited, path)[0] == 503
    for relay in invited.backends.values():
        relay.path("/etc/chatmail-nocreate").unlink()
    check_account(invited, ask_for_account(invited, path)[1])
    assert ask_for_account(invited, path)[0] == 403


def test_killed_at_any_moment(invited):
    """However often the front's web service is killed, an invitation makes as many accounts as it says."""
    uses, before = 40, len(invited.places())
    output = invited.front.inside("chatmailctl", "invite", "create", "--uses", str(uses), "--json").stdout
    [invitation] = json.loads(output)["invitations"]
    path = "/new?" + invitation["link"].partition("#")[2]

    def ask(_):
        try:
            return ask_for_account(invited, path)
        except OSError:
            return None, None  # it was killed

    def ask_inside(number):
        with network_of(invited.hosts[0].process.pid):
            return ask(number)

    for round_ in range(8):
        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(ask_inside, number) for number in range(4)]
            # Now before the first account, now after it.
            eventually(lambda: any(future.done() for future in asked) or round_ % 2)
            invited.front.inside("sh", "-c", "kill -9 $(cat /run/pids/httpd)")
        assert len(invited.places()) - before <= uses
        invited.front.restart_service("httpd")
    while (asked := ask(0))[0] == 200:
        check_account(invited, asked[1])
    assert asked[0] == 403
    assert len(invited.places()) - before == uses


def test_unknown_recipients(cluster, accounts):
    nobody = cluster.front.account()
    message = encrypted(accounts[0].address, nobody.address)
    assert cluster.front.send(accounts[0], nobody.address, message)[0] == 550
    to = [nobody.address, accounts[1].address]
    assert cluster.front.send(accounts[0], to, message)[0] == 250
    eventually(lambda: any(b"mailer-daemon@" in found.lower() for found in
                           cluster.front.fetch(accounts[0])))  # fmt: skip
    assert nobody.address not in cluster.places()


def test_logs_name_nobody(cluster, accounts):
    for relay in (cluster.front, *cluster.backends.values()):
        text = relay.log("dovecot")
        assert not any(account.address in text for account in accounts)


def test_one_dead_backend_affects_only_its_accounts(cluster, accounts):
    dead, *others = cluster.backends
    lost = of_backend(cluster, accounts, dead)
    alive = [account for other in others for account in of_backend(cluster, accounts, other)[-5:]]
    cluster.backends[dead].stop_service("dovecot")
    try:
        for account in alive:
            message = encrypted(alive[0].address, account.address)
            assert cluster.front.send(alive[0], account.address, message)[0] == 250
            wait_for_message(cluster, account, b"multipart/encrypted")
        # Not "wrong password", so that the client retries.
        with pytest.raises(imaplib.IMAP4.error) as refusal:
            cluster.front.imap(lost[-1])
        assert "[UNAVAILABLE]" in str(refusal.value) or "[SERVERBUG]" in str(refusal.value)
        message = encrypted(alive[0].address, lost[-1].address)
        assert cluster.front.send(alive[0], lost[-1].address, message)[0] == 250
        eventually(lambda: [entry for entry in cluster.front.queue()
                            if entry["queue_name"] == "deferred"])  # fmt: skip
        # A new account might exist on the dead backend.
        with pytest.raises(imaplib.IMAP4.error):
            cluster.front.registered()
    finally:
        cluster.backends[dead].start_service("dovecot")
    cluster.front.inside("postqueue", "-f")
    wait_for_message(cluster, lost[-1], b"multipart/encrypted")
    cluster.front.registered()


def test_rates_are_counted_at_the_front(cluster):
    cluster.front.ini["max_new_accounts_per_minute"] = "4"
    cluster.set_backends(cluster.backends)
    try:
        made = 0
        with pytest.raises(imaplib.IMAP4.error):
            for _ in range(20):
                cluster.front.registered()
                made += 1
        # Besides, one more is allowed every 15 seconds.
        assert 1 <= made <= 8
    finally:
        cluster.front.ini["max_new_accounts_per_minute"] = "0"
        cluster.set_backends(cluster.backends)


def test_adding_a_backend(cluster, accounts):
    before = cluster.places()
    address = cluster.add_backend()
    cluster.backends[address].start()
    cluster.set_backends(cluster.backends)
    # Existing accounts stay and can log in.
    for account in accounts[:40]:
        cluster.front.imap(account).logout()
    assert {name: where for name, where in cluster.places().items() if name in before} == before
    new = [cluster.front.registered(name=f"more{number:05d}") for number in range(80)]
    counts = [len(of_backend(cluster, new, each)) for each in cluster.backends]
    assert sum(counts) == 80
    assert all(10 <= count <= 32 for count in counts)


def test_emptying_a_backend(cluster, accounts):
    full, *others = cluster.backends
    cluster.set_backends([f"-{full}", *others])
    stays = of_backend(cluster, accounts, full)[0]
    cluster.front.imap(stays).logout()
    assert cluster.places()[stays.address] == [full]
    new = [cluster.front.registered(name=f"late{number:05d}") for number in range(30)]
    assert not of_backend(cluster, new, full)
    cluster.set_backends(cluster.backends)
