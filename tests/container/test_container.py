"""A relay in a container, from the first start to the next image. The tests are steps: each continues where the
previous one stopped."""

import json
import os
import re
import shutil
import smtplib
import urllib.request

import pytest
from support.container import FIRST_ID, IDS, Container, unpack
from support.messages import cleartext, encrypted
from support.real_ports import a_message_arrives, can_connect, messages, send
from support.relay import Account, trusting
from support.wait import eventually

DOMAIN = "relay.test"
PORTS = (25, 80, 143, 443, 465, 587, 993)
SERVICES = ("milter", "notifyd", "httpd", "transport", "dovecot", "postfix", "nginx", "syslog", "expire")
ALICE, BOB = Account(DOMAIN), Account(DOMAIN)


class World:
    """The volume, and the container that has it now."""

    def __init__(self, directory):
        self.directory = directory
        self.volume = directory / "volume"
        images = os.environ["CHATMAIL_IMAGES"].split()
        self.bundles = [unpack(image, directory / f"bundle-{number}") for number, image in enumerate(images)]
        self.number = 0
        self.container = None

    def new_container(self, bundle):
        if self.container is not None:
            self.container.remove()
        self.number += 1
        directory = self.directory / f"container-{self.number}"
        directory.mkdir()
        self.container = Container(self.bundles[bundle], directory, self.volume)

    def start(self, **environment):
        self.container.start(**environment)
        self.container.enter_network()
        for port in PORTS:
            eventually(lambda port=port: can_connect(port), 180, message=f"port {port} is closed")

    def file(self, path):
        return self.volume / path.lstrip("/")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    instance = World(tmp_path_factory.mktemp("container"))
    instance.new_container(0)
    yield instance
    instance.container.remove()
    shutil.rmtree(instance.directory)


def queue(world):
    return [json.loads(line) for line in world.container.run("postqueue", "-j").stdout.splitlines()]


def in_queue(world):
    return sorted(one["address"] for message in queue(world) for one in message["recipients"])


def is_healthy(world):
    result = world.container.run("/usr/lib/chatmail/container/healthcheck", check=False)
    print("\n".join(re.findall(r"^  fault.*\n.*", result.stdout, re.M)))
    return result.returncode == 0


def test_the_first_start_needs_a_domain(world):
    world.container.start()
    assert world.container.process.wait(120) == 1
    assert "needs CHATMAIL_DOMAIN" in world.container.output()
    assert not world.file("/etc/chatmail.ini").exists()
    world.new_container(0)


def test_first_start(world):
    world.start(CHATMAIL_DOMAIN=DOMAIN)
    assert f"mail_domain = {DOMAIN}" in world.file("/etc/chatmail.ini").read_text()
    log = world.container.output()
    assert "_domainkey" in log and "is not a volume" not in log
    # The machine may be busy, and there is no push service here.
    with open(world.file("/etc/chatmail.ini"), "a") as ini:
        ini.write("\nmax_load_1m = 10000\nnotify_url = https://127.0.0.1:9/notify\n")


def test_it_stops_on_request(world):
    assert world.container.stop() == 0
    assert world.container.output().endswith("container: stopped\n")
    world.new_container(0)
    world.start()


def test_users_outside(world):
    """Nothing in the container is root of the machine, as with a rootless engine."""
    status = open(f"/proc/{world.container.pid()}/status").read()
    assert f"Uid:\t{FIRST_ID}\t" in status
    for path in world.volume.rglob("*"):
        owner = path.lstat()
        assert FIRST_ID <= owner.st_uid < FIRST_ID + IDS and FIRST_ID <= owner.st_gid < FIRST_ID + IDS, path


def test_accounts_and_messages(world):
    messages(ALICE)
    messages(BOB)
    a_message_arrives(ALICE, BOB)
    with pytest.raises(smtplib.SMTPDataError, match="Encryption Needed"):
        send(ALICE, BOB.address, cleartext(ALICE.address, BOB.address))
    with urllib.request.urlopen(
        urllib.request.Request("https://127.0.0.1/new", method="POST"), context=trusting(), timeout=60
    ) as response:
        created = json.load(response)
    assert created["email"].endswith("@" + DOMAIN)


def test_outgoing_mail_is_signed(world):
    """The milter starts as root, which alone may read the key. The peer does not exist, so the message waits."""
    key = world.container.run("stat", "-c", "%U %G %a", "/etc/dkimkeys/", "/etc/dkimkeys/opendkim.private").stdout
    assert key == "root root 700\nroot root 600\n"
    send(ALICE, "peer@peer.test", encrypted(ALICE.address, "peer@peer.test"))
    eventually(lambda: in_queue(world) == ["peer@peer.test"], 60, message="the message is not in the queue")
    queue_id = queue(world)[0]["queue_id"]
    assert "\nDKIM-Signature: v=1;" in world.container.run("postcat", "-q", queue_id).stdout


def test_healthcheck(world):
    eventually(lambda: is_healthy(world), 60, message="unhealthy")
    world.container.run("sv", "-w", "30", "stop", "/run/services/milter")
    assert not is_healthy(world)
    world.container.run("sv", "start", "/run/services/milter")
    eventually(lambda: is_healthy(world), 60, message="unhealthy")


@pytest.mark.parametrize("service", SERVICES)
def test_a_killed_service_is_restarted(world, service):
    def pid():
        words = world.container.run("sv", "status", f"/run/services/{service}", check=False).stdout.split()
        return words[3].rstrip(")") if words[0] == "run:" else None

    before = eventually(pid, 30)
    world.container.run("kill", "-KILL", before)
    eventually(lambda: pid() not in (None, before), 60, message=f"{service} stays down")


def test_the_log_is_the_containers_output(world):
    def lines():
        return [line for line in world.container.output().splitlines() if "smtps" in line]

    before = len(lines())
    a_message_arrives(BOB, ALICE)
    eventually(lambda: len(lines()) > before, 60, message="the log is not shown")
    # syslogd notices within a second that the file was renamed.
    world.container.run("mv", "/var/log/mail.log", "/var/log/mail.log.1")
    before = len(lines())
    eventually(lambda: a_message_arrives(BOB, ALICE) or len(lines()) > before, 60, message="the new log is not shown")
    assert ALICE.address not in world.container.output()
    assert BOB.address in world.container.path("/var/log/mail.log.1").read_text()


def test_the_next_image_keeps_everything(world):
    """A new image with another template meets the volume, with mail in the queue and the operator's edits."""
    edit = "# the operator's own line\n"
    main, local = world.file("/etc/postfix/main.cf"), world.file("/etc/postfix/main.cf.local")
    main.write_text(edit + main.read_text())
    added = "smtp_helo_timeout = 77s\n"
    local.write_text(local.read_text() + added + "defer_transports = lmtp\n")
    key = world.file("/etc/dkimkeys/opendkim.private").read_bytes()
    secret = world.file("/etc/chatmail-turn.secret").read_bytes()
    before = len(messages(BOB))
    world.container.run("chatmailctl", "config", "apply")
    world.container.run("postfix", "reload")
    send(ALICE, BOB.address, encrypted(ALICE.address, BOB.address))
    eventually(lambda: in_queue(world) == sorted([BOB.address, "peer@peer.test"]), 60)
    assert world.container.stop() == 0

    world.new_container(1)
    template = world.container.path("/usr/share/chatmail/config/postfix/main.cf")
    text = template.read_text()
    assert "\nmaximal_queue_lifetime = 2d\n" in text
    template.write_text(text.replace("\nmaximal_queue_lifetime = 2d\n", "\nmaximal_queue_lifetime = 3d\n"))
    local.write_text(local.read_text().replace("defer_transports = lmtp\n", ""))
    world.start()
    eventually(lambda: len(messages(BOB)) == before + 1, 120, message="the queue is lost")
    assert in_queue(world) == ["peer@peer.test"]
    assert edit in main.read_text()
    for name, value in (("maximal_queue_lifetime", "3d"), ("smtp_helo_timeout", "77s")):
        assert world.container.run("postconf", "-h", name).stdout.strip() == value
    assert world.file("/etc/dkimkeys/opendkim.private").read_bytes() == key
    assert world.file("/etc/chatmail-turn.secret").read_bytes() == secret
    a_message_arrives(BOB, ALICE)
    eventually(lambda: is_healthy(world), 60, message="unhealthy")


def test_a_killed_container_starts_again(world):
    """As after a power cut."""
    before = len(messages(ALICE))
    world.container.remove()
    world.container = None
    world.new_container(1)
    world.start()
    assert len(messages(ALICE)) == before
    a_message_arrives(BOB, ALICE)
