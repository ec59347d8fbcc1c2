"""The auth, imap and lmtp processes with our modules under valgrind: no error, no leak."""

import re

import pytest

from support.imap import Idle, get_metadata, set_metadata
from support.messages import encrypted

PROGRAMS = "/usr/lib/dovecot"
SERVICES = {"auth": "auth", "auth-worker": "auth -w", "imap": "imap", "lmtp": "lmtp"}
TOKEN = "/private/devicetoken"
VENDOR = "/shared/vendor/deltachat"
SENDER = "sender@peer.test"


def under_valgrind(text):
    """dovecot.conf with each service run by valgrind: the program itself, because the shell script
    around it needs a shell. GDB keeps modules loaded to the end, so that their functions have
    names."""
    if "CHATMAIL_INI=" in text:
        text = text.replace("CHATMAIL_INI=/etc/chatmail.ini", "CHATMAIL_INI=/etc/chatmail.ini GDB=1")
    else:
        text = re.sub(r"( *)CHATMAIL_INI = .*", r"\g<0>\n\1GDB = 1", text)
    for service, program in SERVICES.items():
        text += (
            f"service {service} {{\n  vsz_limit = 8G\n  executable = /usr/bin/valgrind.bin"
            " --leak-check=full --show-leak-kinds=definite --fullpath-after="
            f" --log-file=/run/valgrind/{service}.%p {PROGRAMS}/{program}\n}}\n"
        )
    return text


@pytest.fixture(scope="module")
def relay(make_relay, stages):
    root = stages.dovecot.root
    if root is not None and not (root / "usr/bin/valgrind.bin").exists():
        pytest.skip("its Dovecot's root directory has no valgrind")
    relay = make_relay(
        ini={"turn_secret_file": "/etc/hostname"},
        settings={"imap_hibernate_timeout": "5s"},
        without=["postfix", "milter", "opendkim", "notifyd"],
    )
    logs = relay.path("/run/valgrind")
    logs.mkdir()
    logs.chmod(0o777)
    conf = relay.path("/etc/dovecot/dovecot.conf")
    conf.write_text(under_valgrind(conf.read_text()))
    relay.restart_service("dovecot")
    return relay


def use_everything(relay):
    account = relay.registered()
    for address, password in [
        (account.address, "a wrong password"),
        ("short@relay.test", "a good password"),
        ("nobody@other.test", "a good password"),
        (relay.account().address, "short"),
    ]:
        stranger = relay.account(password=password)
        stranger.address = address
        with pytest.raises(Exception, match="AUTH|ALERT"):
            relay.imap(stranger)
    client = relay.imap(account, select=True)
    for value in ("openpgp:one", b"openpgp:two", "not a token", b"x" * 5000):
        set_metadata(client, "INBOX", TOKEN, value)
    get_metadata(client, "INBOX", [TOKEN])
    get_metadata(client, "", ["/shared/comment", f"{VENDOR}/turn", "/shared/unknown"])
    get_metadata(client, "", ["/shared"], "(DEPTH infinity)")
    with Idle(client) as idle:
        for count in (1, 2):
            message = encrypted(SENDER, account.address)
            assert relay.deliver(SENDER, [account.address], message) == {}
            assert idle.exists(timeout=60) == count
    other = relay.registered()
    assert relay.deliver(SENDER, [account.address, other.address], message) == {}
    (relay.mailbox(account) / "metadata.json").write_text("not JSON")
    assert relay.deliver(SENDER, [account.address], message) == {}
    client.logout()
    assert account.address in relay.inside("doveadm", "user", "*", dovecot=True).stdout


def test_valgrind_finds_no_error(relay):
    use_everything(relay)
    relay.stop_service("dovecot")
    logs = {path.name: path.read_text() for path in relay.path("/run/valgrind").iterdir()}
    # A process that was still starting at the stop dies of the signal, without freeing memory.
    killed = "Process terminating with default action of signal 15"
    finished = {
        name: text for name, text in logs.items() if "ERROR SUMMARY" in text and killed not in text
    }
    for service in SERVICES:
        assert any(name.startswith(f"{service}.") for name in finished), f"no {service} ended"
    for name, text in finished.items():
        # The reports would contain our functions' names if there were errors.
        assert "ERROR SUMMARY: 0 errors" in text, f"{name}:\n{text}"
