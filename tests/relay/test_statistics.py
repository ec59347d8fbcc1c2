"""The counters of all parts of a relay, as /metrics and chatmailctl status show them."""

import http.client
import imaplib
import json
import re
import urllib.request
from contextlib import contextmanager

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from support.imap import set_metadata
from support.messages import cleartext, encrypted
from support.ports import free_ports
from support.relay import trusting
from support.wait import eventually


@pytest.fixture(scope="module")
def counting(make_relay):
    """A relay that serves its metrics."""
    [port] = free_ports(1)
    relay = make_relay(ini={"metrics_listen": f"127.0.0.1:{port}"})
    relay.metrics_url = f"http://127.0.0.1:{port}/metrics"
    relay.limit_inotify(65535)
    return relay


def metrics(relay):
    """{(name, label values...): value}"""
    with urllib.request.urlopen(relay.metrics_url, timeout=30) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def status(relay, check=True):
    return json.loads(relay.inside("chatmailctl", "status", "--quick", "--json", check=check).stdout)


def grown(relay, before):
    """The counters that have grown, without times and sizes."""
    return {
        key: value - before[key]
        for key, value in metrics(relay).items()
        if value != before[key] and key[0].endswith("_total")
    }


def test_all_services_are_running(counting):
    result = status(counting)
    assert {name: p["state"] for name, p in result["programs"].items()} == dict.fromkeys(
        ("postfix", "dovecot", "milter", "notifyd", "httpd", "nginx", "transport"), "running"
    ) | dict.fromkeys(("opendkim", "coturn", "iroh-relay"), "off")
    assert result["good"] is True
    assert result["registration"] == {"state": "open", "why": ""}
    assert result["queues"]["postfix_deferred"] == 0
    assert result["disk"]["free"] > 0


def test_accounts(counting):
    before = metrics(counting)
    account = counting.registered()
    counting.imap(account).logout()
    for wrong in (counting.account(name="x"), counting.account(password="short")):
        with pytest.raises(imaplib.IMAP4.error):
            counting.imap(wrong)
    with pytest.raises(imaplib.IMAP4.error):
        counting.imap(account, password="not the password")
    assert grown(counting, before) == {
        ("chatmail_registrations_total",): 1,
        ("chatmail_registrations_by_origin_total", "chosen"): 1,
        ("chatmail_logins_total",): 2,
        ("chatmail_registration_refusals_total", "name"): 1,
        ("chatmail_registration_refusals_total", "password"): 1,
        ("chatmail_login_failures_total", "wrong_password"): 1,
    }


# Core itself invents names like this: 23 of these characters.
AUTOMATIC = "abcdefghijklmnopqrsTUV9"


@contextmanager
def set_to(relay, **ini):
    """The same relay, temporarily with other keys."""
    before = {key: relay.ini.get(key) for key in ini}
    for values in (ini, before):
        relay.ini.update({key: value for key, value in values.items() if value is not None})
        for key in [key for key, value in values.items() if value is None]:
            del relay.ini[key]
        relay.write_ini()
        for service in ("httpd", "dovecot"):
            relay.restart_service(service)
        eventually(lambda: reachable(relay))
        if values is ini:
            yield


def post_new(relay, query=""):
    client = http.client.HTTPSConnection("127.0.0.1", relay.ports["https_port"], context=trusting(), timeout=60)
    client.request("POST", f"/new{query}", headers={"Host": relay.domain})
    answer = client.getresponse()
    answer.read()
    client.close()
    return answer.status


def test_accounts_are_counted_by_origin(counting):
    """A client's own password, a chosen one, the web, an invitation: each has its own counter."""
    before = metrics(counting)
    counting.imap(counting.account(password=AUTOMATIC)).logout()
    for password in (AUTOMATIC[:-1], AUTOMATIC[:-1] + "-", AUTOMATIC + "9"):
        counting.imap(counting.account(password=password)).logout()
    assert [post_new(counting), post_new(counting)] == [200, 200]
    with set_to(counting, registration="invite"):
        made = json.loads(counting.inside("chatmailctl", "invite", "create", "--json").stdout)
        token = made["invitations"][0]["token"]
        assert [post_new(counting, f"?{token}"), post_new(counting, f"?{token}"), post_new(counting)] == [200, 403, 403]
    assert grown(counting, before) == {
        ("chatmail_logins_total",): 4,
        ("chatmail_registrations_total",): 7,
        ("chatmail_registrations_by_origin_total", "automatic"): 1,
        ("chatmail_registrations_by_origin_total", "chosen"): 3,
        ("chatmail_registrations_by_origin_total", "web"): 2,
        ("chatmail_registrations_by_origin_total", "invitation"): 1,
        ("chatmail_registration_refusals_total", "invitation"): 1,
        ("chatmail_registration_refusals_total", "invite"): 1,
    }
    text = counting.inside("chatmailctl", "status", "--quick").stdout
    assert re.search(r"^  created +\d+: automatic \d+, chosen \d+, web \d+, invitation \d+$", text, re.M), text


def test_automatic_accounts_refused(counting):
    """The user reads the reason; existing accounts and other ways of registration are not
    affected."""
    there = counting.account(password=AUTOMATIC)
    counting.imap(there).logout()
    with set_to(counting, automatic_accounts="false"):
        before = metrics(counting)
        with pytest.raises(imaplib.IMAP4.error, match="Please add the account by its link or QR code."):
            counting.imap(counting.account(password=AUTOMATIC))
        counting.imap(there).logout()
        counting.registered()
        assert post_new(counting) == 200
        assert grown(counting, before) == {
            ("chatmail_logins_total",): 2,
            ("chatmail_registrations_total",): 2,
            ("chatmail_registrations_by_origin_total", "chosen"): 1,
            ("chatmail_registrations_by_origin_total", "web"): 1,
            ("chatmail_registration_refusals_total", "automatic"): 1,
        }


def test_messages_and_notifications(counting):
    sender, recipient = counting.registered(), counting.registered()
    client = counting.imap(recipient, select=True)
    assert set_metadata(client, "INBOX", "/private/devicetoken", "token-of-a-test")[0] == "OK"
    client.logout()
    before = metrics(counting)
    message = encrypted(sender.address, recipient.address)
    assert counting.send(sender, recipient.address, message)[0] == 250
    clear = cleartext(sender.address, recipient.address)
    assert counting.send(sender, recipient.address, clear)[0] == 523
    counting.messages(recipient)

    # No push service answers in this relay: the attempt fails and is counted, too.
    wanted = {
        ("chatmail_milter_verdicts_total", "encrypted", "out"): 1,
        ("chatmail_milter_verdicts_total", "not-encrypted", "out"): 1,
        ("chatmail_push_queued_total",): 1,
        ("chatmail_push_retries_total",): 1,
    }
    eventually(lambda: wanted.items() <= grown(counting, before).items())
    after = metrics(counting)
    judged = ("chatmail_milter_check_seconds_count",)
    assert after[judged] - before[judged] == 2
    assert status(counting)["queues"]["push"] == 1


def test_status_and_metrics_agree(counting):
    told = metrics(counting)
    for row in status(counting)["metrics"]:
        key = (row["metric"], *sorted(row.get("labels", {}).values()))
        if "value" in row and "push_queue_age" not in row["metric"]:
            assert told[key] == row["value"], key


@pytest.mark.parametrize("service", ["milter", "notifyd"])
def test_a_stopped_service_is_reported(counting, service):
    counting.stop_service(service)
    try:
        result = status(counting, check=False)
        assert result["good"] is False
        assert [n for n, p in result["programs"].items() if p["state"] == "stopped"] == [service]
    finally:
        counting.start_service(service)
    assert status(counting)["good"] is True


def test_counters_survive_every_restart(counting):
    before = metrics(counting)
    for service in ("milter", "dovecot", "notifyd", "httpd"):
        counting.restart_service(service)
    eventually(lambda: reachable(counting))
    after = metrics(counting)
    counters = [key for key in before if key[0].endswith(("_total", "_count", "_bucket"))]
    assert sum(before[key] for key in counters) > 0
    assert all(after[key] >= before[key] for key in counters)
    since = ("chatmail_counting_since_timestamp_seconds",)
    assert after[since] == before[since]


def reachable(relay):
    try:
        metrics(relay)
    except OSError:
        return False
    return True


def test_registration_closed_by_the_operator(counting):
    nocreate = counting.path("/etc/chatmail-nocreate")
    nocreate.touch()
    try:
        assert status(counting)["registration"] == {
            "state": "closed",
            "why": "/etc/chatmail-nocreate exists",
        }
    finally:
        nocreate.unlink()
