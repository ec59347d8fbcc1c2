"""The commands of "From source" in the manual and in README.md, and those for coturn, on a copy of this machine."""

import re

import pytest

from support.copied_machine import CopiedMachine
from support.tree import BUILD, SOURCE
from support.manual import block, section
from support.network import network_of
from support.real_ports import a_message_arrives, can_connect, login
from support.relay import Account
from support.wait import eventually

DOMAIN = "relay.test"
ALICE, BOB = Account(DOMAIN), Account(DOMAIN)
README = (SOURCE / "README.md").read_text().partition("## Building from source\n")[2].partition("\n## ")[0]
# Systemd does not run there: the test starts what the service starts.
SYSTEMCTL = """
systemctl() {
    [ "$1" = restart ]
    unit=$(dpkg -L "$2" | grep "/lib/systemd/system/$2.service$")
    pkill -x "$(basename "$(sed -n 's/^ExecStart=//p' "$unit" | cut -d ' ' -f 1)")" || :
    $(sed -n 's/^ExecStart=//p' "$unit") &
}
"""


def built(commands):
    """The commands with the build directory of the tests, where everything is built already."""
    return re.sub(r"\bbuild\b", str(BUILD), commands)


def quoted(text, beginning):
    """The commands in the text that begin so, each once."""
    return list(dict.fromkeys(re.findall(rf"`({beginning}[^`]*)`", text)))


def indented_block(text, beginning):
    blocks = re.findall(r"^( *)```\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    [found] = [re.sub(f"^{indent}", "", lines, flags=re.M) for indent, lines in blocks if lines.strip().startswith(beginning)]
    return found.replace("relay.example", DOMAIN)


@pytest.fixture(scope="module")
def machine():
    with CopiedMachine(SOURCE, BUILD) as machine:
        machine.shell("! id vmail 2>/dev/null >&2 || deluser vmail; rm -rf /home/vmail /etc/chatmail*")
        # coturn uses no address of a loopback interface.
        machine.shell("ip link add here type veth peer name there; ip link set here up; ip link set there up")
        machine.shell("ip address add 198.51.100.5/32 dev here")
        machine.shell(f"echo 198.51.100.5 {DOMAIN} >>/etc/hosts")
        yield machine


def test_commands_of_the_readme(machine):
    """Its last command writes the configuration below a directory with the two lines of a chatmail.ini."""
    install, build, show, apply = README.split("```")[1].strip().splitlines()
    machine.shell(install, SOURCE)
    machine.shell(built(build), SOURCE)
    lines = quoted(README, r"(?:\[params\]|mail_domain)")
    assert len(lines) == 2
    ini = "\n".join(lines).replace("relay.example", DOMAIN)
    machine.shell(f"mkdir -p /tmp/dir/etc; echo '{ini}' | tee /tmp/dir/etc/chatmail.ini >/etc/chatmail.ini")
    assert f"mydestination = {DOMAIN}\n" in machine.shell(show.partition("#")[0]).stdout
    machine.shell(apply.partition("#")[0].replace("DIR", "/tmp/dir"))
    assert "dovecot.conf" in machine.shell("ls /tmp/dir/etc/dovecot").stdout
    machine.shell("rm -r /tmp/dir /etc/chatmail.ini")


@pytest.fixture(scope="module")
def relay(machine):
    """The machine after all steps."""
    text = section("From source")
    for command in quoted(text, "packaging/install-packages"):
        machine.shell(command, SOURCE)
    machine.shell(built(indented_block(text, "meson setup")), SOURCE)
    machine.shell(indented_block(text, "addgroup"))
    [init] = quoted(text, "chatmailctl init")
    machine.shell(init.replace("relay.example", DOMAIN))
    machine.shell("printf '\nmax_load_1m = 0\nmin_available_memory = 1M\n' >>/etc/chatmail.ini")
    [apply] = quoted(text, "chatmailctl config apply")
    machine.shell(apply)
    assert "Then start nginx, Dovecot and Postfix, " in text
    machine.shell("nginx; dovecot; postfix start")
    machine.shell(indented_block(text, "chatmail-milter"))
    return machine


def test_a_relay_from_source(relay):
    with network_of(relay.pid):
        for port in (25, 80, 143, 443, 465, 587, 993):
            eventually(lambda port=port: can_connect(port), 60, message=f"port {port} is closed")
        login(ALICE).logout()
        login(BOB).logout()
        a_message_arrives(ALICE, BOB)
    status = relay.shell("chatmailctl status --only programs --only ports --only mail", check=False).stdout
    assert "\n  fault " not in status, status


def turn(relay):
    status = relay.shell("chatmailctl status --only services", check=False).stdout
    return re.search(r"ok +TURN, for calls", status) is not None


def test_calls(relay):
    """coturn uses the relay's secret, and its ports are what the manual's other commands set."""
    relay.shell(SYSTEMCTL + block("apt-get install coturn"))
    eventually(lambda: turn(relay), 60, message="no TURN server")
    relay.shell(SYSTEMCTL + block("cat >>/etc/turnserver.conf.local"))
    relay.shell("chatmailctl config apply")
    last = {}
    for line in relay.shell("cat /etc/turnserver.conf").stdout.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            last[name] = value
    assert (last["min-port"], last["max-port"], last["total-quota"]) == ("50000", "51999", "2000")
    eventually(lambda: turn(relay), 60, message="no TURN server")
