"""coturn at relays with a name, with an IPv4 address, and with an IPv6 address alone: clients read from
METADATA where it is, and reach others through it."""

import subprocess

import pytest

from support.imap import get_metadata

TURN = "/shared/vendor/deltachat/turn"
NAMED = "turn.other.example"


@pytest.fixture(scope="module")
def echo(the_world):
    """A host that sends back what it gets; its addresses."""
    stock = the_world.internet.hosts["stock"]
    words = ("turnutils_peer", "-L", stock.ipv4, "-L", stock.ipv6, "-p", 3480)
    process = subprocess.Popen(stock.command(*words), stdout=subprocess.DEVNULL)
    yield stock
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def six(the_world):
    """A relay at an IPv6 address, whose coturn has a name."""
    the_world.add_host("turn6")
    relay = the_world.make_relay("turn6", ini={"turn_host": NAMED})
    the_world.relays["turn6"] = relay
    the_world.publish("other", [f"turn IN AAAA {relay.host.ipv6}"])
    yield relay.start()
    the_world.relays.pop("turn6").stop()


@pytest.fixture(scope="module")
def servers(the_world, six):
    """The relays whose coturn runs."""
    names = ("north", "literal", "turn6")
    for name in names:
        the_world.relays[name].start_service("turn")
    yield
    for name in names:
        the_world.relays[name].stop_service("turn")


def announced(relay):
    client = relay.imap(relay.registered())
    value = get_metadata(client, "", [TURN])[TURN]
    client.logout()
    return value


@pytest.mark.parametrize(
    "name, host, families",
    [("north", "north.example", "46"), ("literal", "198.51.100.30", "4"), ("turn6", NAMED, "6")],
)
def test_metadata_leads_to_coturn(world, servers, echo, name, host, families):
    relay = world.relays[name]
    server, port, user, password = announced(relay).split(":")
    assert (server, port) == (host, "3478")
    for family in families:
        # By every address that the name has: clients try them all.
        server = relay.host.ipv4 if family == "4" else relay.host.ipv6
        lines = world.run_at("clients", "getent", f"ahostsv{family}", host).stdout.splitlines()
        assert {line.split()[0] for line in lines} == {server}
        options = ["-x", "-e", echo.ipv6] if family == "6" else ["-e", echo.ipv4]
        done = world.run_at(
            "clients", "turnutils_uclient", "-c", "-n", 5, "-m", 1, "-l", 100, "-r", 3480,
            "-u", user, "-w", password, *options, server, timeout=300,
        )  # fmt: skip
        assert "Total lost packets 0 " in done.stdout + done.stderr, done.stdout + done.stderr


def test_a_wrong_password_gets_nowhere(world, servers, echo, literal):
    server, _, user, password = announced(literal).split(":")
    done = world.run_at(
        "clients", "turnutils_uclient", "-c", "-n", 5, "-m", 1, "-r", 3480, "-e", echo.ipv4,
        "-u", user, "-w", password[::-1], server, timeout=300,
    )  # fmt: skip
    assert "Cannot complete Allocation" in done.stdout + done.stderr


def test_an_ipv6_address_is_not_announced(world, six):
    """Clients cannot read it."""
    six.ini.pop("turn_host")
    six.write_ini()
    six.restart_service("dovecot")
    try:
        assert announced(six) is None
    finally:
        six.ini["turn_host"] = NAMED
        six.write_ini()
        six.restart_service("dovecot")
