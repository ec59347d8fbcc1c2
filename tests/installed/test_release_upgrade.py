"""From Debian 12 to 13 with the commands of the manual. tests/packages has put the new packages into apt's cache."""

import os

import pytest

from support.manual import block, five_commands
from support.real_ports import a_message_arrives, login, messages
from support.relay import Account

from test_debian import DOMAIN, everything_runs, failed_units, shell

ALICE, BOB = Account(DOMAIN), Account(DOMAIN)

pytestmark = pytest.mark.skipif("CHATMAIL_UPGRADE" not in os.environ, reason="tests/packages upgrade runs it")


def major(machine, package):
    return machine.output("dpkg-query", "-W", "-f", "${Version}", package).split("+")[0]


def test_commands_of_the_manual(machine):
    # Where the manual's reader answers yes.
    machine.path("/etc/apt/apt.conf.d/60yes").write_text('APT::Get::Assume-Yes "true";\n')
    install, init, _, apply, start = (line.replace("relay.example", DOMAIN) for line in five_commands("Debian packages"))
    shell(machine, install)
    shell(machine, init)
    with open(machine.path("/etc/chatmail.ini"), "a") as ini:
        ini.write("\nmax_load_1m = 10000\nmin_available_memory = 1M\n")
    with open(machine.path("/etc/postfix/main.cf.local"), "a") as additions:
        additions.write("maximal_queue_lifetime = 3d\n")
    shell(machine, apply)
    shell(machine, start)
    everything_runs(machine)
    login(ALICE).logout()
    login(BOB).logout()
    a_message_arrives(ALICE, BOB)
    assert major(machine, "dovecot-core").startswith("1:2.3.")

    first, *others, last = block("chatmailctl config apply --dovecot 2.4").splitlines()
    shell(machine, first)
    a_message_arrives(ALICE, BOB)
    for command in others:
        shell(machine, command)
    assert last == "reboot"
    machine.reboot()

    everything_runs(machine)
    assert major(machine, "dovecot-core").startswith("1:2.4.")
    assert len(messages(BOB)) == 2
    a_message_arrives(ALICE, BOB)
    assert machine.output("postconf", "-h", "maximal_queue_lifetime") == "3d"
    assert failed_units(machine) == ""
