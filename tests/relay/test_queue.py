"""chatmailctl queue: the mail in Postfix's queue, by destination."""

import datetime
import json

import pytest

from support.messages import encrypted
from support.relay import Relay
from support.wait import eventually

DENY = "/etc/deny"


@pytest.fixture(scope="module")
def relay(stages):
    """No mail leaves: its relay host does not answer."""
    with Relay(
        stages, settings={"relayhost": "[127.0.0.1]:1"}, ini={"federation_deny_file": DENY}
    ) as relay:
        yield relay


def queue(relay, verb, *words, check=True):
    return relay.inside("chatmailctl", "queue", verb, *words, check=check)


def waiting(relay):
    seen = json.loads(queue(relay, "list", "--json").stdout)
    return {entry["name"]: entry for entry in seen["destinations"]}, seen


def attempts(relay, recipient):
    return relay.log("mail").count(f"to=<{recipient}>")


def send(relay, *recipients):
    sender = relay.registered()
    assert relay.send(sender, list(recipients), encrypted(sender.address, recipients[0]))[0] == 250
    relay.settle()
    return sender


def test_a_line_of_the_operators_overrides_ours(relay):
    """postqueue warns of it, and lists the queue."""
    main = relay.path("/etc/postfix/main.cf")
    text = main.read_text()
    assert "\nmaximal_queue_lifetime = " in text
    main.write_text(text + "\nmaximal_queue_lifetime = 3d\n")
    try:
        assert "overriding" in relay.inside("postqueue", "-j").stderr
        assert queue(relay, "list").stdout == "active 0, deferred 0, on hold 0\n"
        status = relay.inside("chatmailctl", "status", "--quick", "--only", "mail", check=False).stdout
        assert "active 0, deferred 0, on hold 0" in status
    finally:
        main.write_text(text)


def test_a_queue_in_use(relay):
    assert queue(relay, "list").stdout == "active 0, deferred 0, on hold 0\n"
    assert waiting(relay) == ({}, {"active": 0, "deferred": 0, "hold": 0, "destinations": []})

    sender = send(relay, "a@one.test", "b@one.test")
    send(relay, "a@two.test")
    send(relay, "c@one.test", "c@two.test")
    there, seen = waiting(relay)
    assert seen["deferred"] == 3 and set(there) == {"one.test", "two.test"}
    assert there["one.test"]["waiting"] == there["one.test"]["failed"] == 3
    assert there["two.test"]["waiting"] == 2
    assert "refused" in there["two.test"]["reason"]
    text = queue(relay, "list").stdout
    assert "one.test" in text and sender.address not in text and "a@" not in text

    text = relay.inside("chatmailctl", "status", "--quick", check=False).stdout
    assert "active 0, deferred 3, on hold 0" in text

    # Retrying changes nothing while the relay host does not answer.
    assert queue(relay, "retry", "ONE.test").stdout == "2 messages are retried\n"
    # Postfix postpones a message that is retried twice at once.
    relay.settle()
    before = attempts(relay, "a@two.test")
    assert json.loads(queue(relay, "retry", "--json").stdout) == {"retried": None}
    eventually(lambda: attempts(relay, "a@two.test") > before)
    relay.settle()
    assert waiting(relay)[1]["deferred"] == 3

    refused = queue(relay, "discard", "one.test", check=False)
    assert refused.returncode == 2 and waiting(relay)[1]["deferred"] == 3
    done = queue(relay, "discard", "--yes", "one.test").stdout
    assert "1 messages deleted" in done and "1 messages kept" in done
    there, seen = waiting(relay)
    assert seen["deferred"] == 2 and there["one.test"]["waiting"] == 1


def test_a_stopped_postfix(relay):
    """An operator may stop it to discard mail in peace."""
    send(relay, "a@stopped.test")
    relay.stop_service("postfix")
    # Without Postfix's own log daemon, postsuper writes to the log itself.
    relay.path("/var/log/mail.log").chmod(0o666)
    try:
        assert "stopped.test" in waiting(relay)[0]
        assert queue(relay, "discard", "--yes", "stopped.test").stdout == "1 messages deleted\n"
        assert "stopped.test" not in waiting(relay)[0]
    finally:
        relay.start_service("postfix")


def test_reason_of_a_failure(relay):
    send(relay, "a@kept.test")
    done = relay.inside(
        "setpriv", "--reuid", "postfix", "--clear-groups", "chatmailctl", "queue", "discard", "--yes", "kept.test", check=False
    )
    assert done.returncode == 2 and "reserved for the superuser" in done.stderr
    assert queue(relay, "discard", "--yes", "kept.test").stdout == "1 messages deleted\n"


def test_a_full_disk_denies_nothing(relay):
    """Neither a domain for ever, because its day is missing, nor mail that stays."""
    send(relay, "a@full.test")
    script = (
        f"mount -t tmpfs -o size=4k none /mnt && cp {DENY} /mnt/deny && head -c 4090 /dev/zero | tr '\\0' '#' >/mnt/deny && "
        f"mount --bind /mnt/deny {DENY} && ! chatmailctl queue discard --yes --for 7d full.test && "
        f"test $(stat -c %s {DENY}) = 4090"
    )
    relay.path(DENY).touch()
    done = relay.inside("unshare", "--mount", "sh", "-c", script, check=False)
    assert done.returncode == 0 and "No space left" in done.stderr, done.stderr
    assert "full.test" in waiting(relay)[0]
    queue(relay, "discard", "--yes", "full.test")


def test_a_domain_is_discarded_for_some_days(relay):
    send(relay, "a@gone.test")
    path = relay.path(DENY)
    path.write_text("other.test # without a line end")
    path.chmod(0o644)
    discarded = queue(relay, "discard", "--yes", "--json", "--for", "7d", "gone.test")
    assert json.loads(discarded.stdout) == {"deleted": 1, "kept": 0}
    last = datetime.datetime.now(datetime.timezone.utc).date() + datetime.timedelta(days=7)
    lines = path.read_text().splitlines()
    assert lines[0] == "other.test # without a line end"
    assert lines[1].startswith(("gone.test until ",)) and lines[1].split()[2] in {
        str(last), str(last - datetime.timedelta(days=1))
    }  # fmt: skip
    assert "gone.test" not in waiting(relay)[0]
    sender = relay.registered()
    assert relay.receive("a@gone.test", sender.address, encrypted("a@gone.test", sender.address))[0] == 554


@pytest.mark.parametrize("domain", ["x`id`.test", "$x.test", "x;id.test", "x$(id).test", '"x y".test'])
def test_names_that_a_shell_would_run(relay, domain):
    """Users choose domain names, and operators copy them into shells: names with shell syntax do
    not get into the queue."""
    sender = relay.registered()
    assert relay.send(sender, f"a@{domain}", encrypted(sender.address, "a@one.test"))[0] == 501
    assert domain not in queue(relay, "list").stdout


@pytest.mark.parametrize(
    "words, why",
    [
        (("discard",), "missing"),
        (("discard", "--yes", "--for", "0", "a.test"), "not a number of days"),
        (("discard", "--yes", "--for", "7x", "a.test"), "not a number of days"),
        (("discard", "--yes", "--for", "7d", "a.test b"), "not a domain"),
        (("discard", "--yes", "a\nb"), "not a domain"),
    ],
)
def test_wrong_usage_is_refused(relay, words, why):
    done = queue(relay, *words, check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert why in done.stderr or why == "missing"
