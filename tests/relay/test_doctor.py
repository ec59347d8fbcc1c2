"""chatmailctl status as a doctor: no finding on a working relay, and each of many faults, made one
by one on the same relay, found with its remedy."""

import re

import pytest
import support.doctor_outside_faults  # noqa: F401 (registers its own)
from support.doctor_faults import FAULTS
from support.doctor_world import DoctorWorld
from support.wait import eventually

# Findings that cannot be avoided on a test machine.
EXCUSED = {"clock"}


@pytest.fixture(scope="module")
def world(stages, tmp_path_factory):
    world = DoctorWorld(stages, tmp_path_factory.mktemp("doctor"))
    yield world
    world.stop()


def faults(checks):
    return {key for key, check in checks.items() if check["health"] == "fault"}


def unwell(checks):
    bad = {key for key, check in checks.items() if check["health"] in ("fault", "warning")}
    return bad - EXCUSED


def healthy(world):
    """Waits until nothing is found, because servers that were restarted need a moment."""
    last = {}

    def good():
        status, checks = world.relay.status()
        last.clear()
        last.update({key: checks[key] for key in unwell(checks)})
        return status == 0 and not last

    try:
        eventually(good, timeout=60)
    except AssertionError:
        raise AssertionError(f"not well: {last}") from None


def test_a_working_relay_has_no_findings(world):
    healthy(world)
    status, checks = world.relay.status()
    for key in ("smtp", "submission", "smtps", "imap", "imaps", "https", "https-imap", "https-smtp",
                "http", "accounts", "milter-socket", "delivery", "plugins", "queue", "certificate",
                "dns", "dns-dkim", "reverse-name", "push", "nginx", "configuration"):  # fmt: skip
        assert checks[key]["health"] == "ok", checks[key]
    text = world.relay.run_status().stdout
    assert re.search(r"^  ok +port 25 ", text, re.M)
    assert "\033" not in text


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_found(world, name):
    check, text, remedy, health, break_it = FAULTS[name]
    with break_it(world):
        status, checks = world.relay.status()
    # Only now, because the fault has been mended.
    found = checks[check]
    assert found["health"] == health, found
    assert re.search(text, found["text"]), found
    assert re.search(remedy, found["remedy"]), found
    assert status == (1 if faults(checks) else 0)
    assert health == "warning" or status == 1


def test_no_findings_after_the_last_fault(world):
    # Processes of Postfix that started during a fault use its certificate.
    world.relay.read_certificate()
    healthy(world)
