"""The units for systemd."""

import re

import pytest

from support.tree import SOURCE

UNITS = SOURCE / "packaging/systemd"
TARGET = (UNITS / "chatmail-relay.target").read_text()
STARTED = " ".join(re.findall(r"^Wants=(.*)$", TARGET, re.MULTILINE)).split()


def files_of(unit):
    return [path for path in (UNITS / unit, UNITS / f"{unit}.d/chatmail.conf") if path.exists()]


@pytest.mark.parametrize("unit", STARTED)
def test_a_restart_of_the_target_restarts_what_it_starts(unit):
    """Debian starts nginx when it installs it, with a configuration of its own."""
    assert any("PartOf=chatmail-relay.target\n" in path.read_text() for path in files_of(unit))


@pytest.mark.parametrize("unit", STARTED)
def test_no_core_dumps(unit):
    assert any("\nLimitCORE=0\n" in path.read_text() for path in files_of(unit))


def test_the_packages_have_every_addition_to_a_unit():
    lists = "".join(path.read_text() for path in (SOURCE / "packaging/debian").glob("*.install"))
    for directory in UNITS.glob("*.d"):
        assert f"packaging/systemd/{directory.name} usr/lib/systemd/system\n" in lists
