"""The faults of a relay: each breaks the relay, and mends it when its context ends."""

import contextlib
import time

import pytest

from support.certificates import Authority
from support.doctor_world import ADDRESS, DOMAIN, replace
from support.messages import encrypted
from support.tree import SOURCE
from support.wait import eventually

FAULTS = {}


def fault(check, text, remedy, health="fault"):
    """check: the key of the line that must report the fault; text and remedy: patterns."""

    def register(function):
        FAULTS[function.__name__] = (check, text, remedy, health, contextlib.contextmanager(function))
        return function

    return register


@contextlib.contextmanager
def without_service(relay, service):
    relay.stop_service(service)
    try:
        yield
    finally:
        relay.start_service(service)


@contextlib.contextmanager
def edited(relay, path, *changes):
    """A file with the first occurrence of each text replaced: (old, new), or all of it if old is
    None."""
    place = relay.path(path)
    before = place.read_bytes()
    text = before.decode()
    for old, new in changes:
        assert old is None or old in text, f"{old} is not in {path}"
        text = new if old is None else text.replace(old, new, 1)
    replace(place, text.encode())
    try:
        yield
    finally:
        replace(place, before)


def at_root(relay, *words):
    """A command in the relay's namespaces."""
    return relay.inside("sh", "-c", " ".join(words))


@fault("milter", "not running", "start chatmail-milter")
def milter_stopped(world):
    with without_service(world.relay, "milter"):
        yield


@fault("smtp", "is deferred: 4", "restart chatmail-milter")
def milter_that_postfix_cannot_reach(world):
    at_root(world.relay, "chmod 0700 /var/spool/postfix/chatmail")
    yield
    at_root(world.relay, "chmod 2750 /var/spool/postfix/chatmail")


@fault("milter-socket", "cannot connect to .*milter.sock", "restart chatmail-milter")
def milter_socket_removed(world):
    at_root(world.relay, "rm /var/spool/postfix/chatmail/milter.sock")
    yield
    world.relay.restart_service("milter")


@fault("imaps", "cannot connect to", "restart dovecot")
def dovecot_stopped(world):
    with without_service(world.relay, "dovecot"):
        yield


@fault("smtp", "cannot connect to", "restart postfix")
def postfix_stopped(world):
    with without_service(world.relay, "postfix"):
        yield


@fault("https", "cannot connect to", "restart nginx")
def nginx_stopped(world):
    with without_service(world.relay, "nginx"):
        yield


@fault("https", "no accounts over the web: reply to /new: 50", "restart chatmail-httpd")
def httpd_stopped(world):
    with without_service(world.relay, "httpd"):
        yield


@fault("notifyd", "not running", "start chatmail-notifyd")
def notifyd_stopped(world):
    with without_service(world.relay, "notifyd"):
        yield


@fault("accounts", "/run/chatmail", "install -d -o vmail .* /run/chatmail")
def run_dir_missing(world):
    """As after a boot that does not create the directory."""
    at_root(world.relay, "mv /run/chatmail /run/chatmail.away")
    yield
    at_root(world.relay, "rm -rf /run/chatmail; mv /run/chatmail.away /run/chatmail")


@fault("accounts", "/run/chatmail/limits", "install -d -o vmail .* /run/chatmail")
def run_dir_of_root(world):
    at_root(world.relay, "rm -f /run/chatmail/limits; chown root: /run/chatmail")
    yield
    at_root(world.relay, "rm -f /run/chatmail/limits; chown vmail: /run/chatmail")
    world.relay.restart_service("dovecot")


@fault("accounts", "vmail cannot create mailboxes", "install -d -o vmail .* /home/vmail/mail/relay.test")
def mailboxes_of_root(world):
    at_root(world.relay, f"chown root: /home/vmail/mail/{DOMAIN}")
    yield
    at_root(world.relay, f"chown vmail: /home/vmail/mail/{DOMAIN}")


@fault("accounts", "user vmail: does not exist", "adduser --system")
def no_user(world):
    with edited(world.relay, "/etc/passwd", ("vmail:x:", "vmail-away:x:")):
        yield


@fault("accounts", "closed: min_available_memory", "lower the limit in /etc/chatmail.ini")
def memory_limit(world):
    with edited(world.relay, "/etc/chatmail.ini", ("min_available_memory = 1M", "min_available_memory = 900000G")):
        yield


@fault("accounts", "closed: max_load_1m", "wait until the load falls, or raise max_load_1m in /etc/chatmail.ini")
def load_limit(world):
    with edited(world.relay, "/etc/chatmail.ini", ("max_load_1m = 10000", "max_load_1m = 0.001")):
        yield


def debian_postfix(relay):
    """Postfix as Debian's package configures it, if the operator answered its question wrongly."""
    main = f"myhostname = {DOMAIN}\nmydestination = {DOMAIN}\ncompatibility_level = 3.6\n"
    main += "inet_interfaces = all\nmaillog_file = /var/log/mail.log\n"
    return main, relay.inside("cat", "/usr/share/postfix/master.cf.dist").stdout


@fault("submission", "cannot connect to", "config diff")
def postfix_of_debian(world):
    relay = world.relay
    main, master = debian_postfix(relay)
    with edited(relay, "/etc/postfix/main.cf", (None, main)), edited(
        relay, "/etc/postfix/master.cf", (None, master + "postlog unix-dgram n - n - 1 postlogd\n")
    ):
        at_root(relay, "postfix reload")
        world.wait_until_closed(587)
        yield
    at_root(relay, "postfix reload")
    world.wait_for_port(587)


def reloaded_postfix(world, path, *changes):
    """Postfix with another configuration, until the generator is closed."""
    with edited(world.relay, path, *changes):
        at_root(world.relay, "postfix reload")
        world.relay.inside("postfix", "status")
        yield
    at_root(world.relay, "postfix reload")


@fault("smtp", "cleartext is accepted: Postfix does not ask chatmail-milter", "config apply")
def postfix_without_milter(world):
    old = "  -o milter_macro_daemon_name=INCOMING\n  -o smtpd_milters=unix:chatmail/milter.sock\n"
    yield from reloaded_postfix(world, "/etc/postfix/master.cf", (old, ""))


@fault("smtp", "OPEN RELAY", "config apply")
def open_relay(world):
    old = "-o smtpd_relay_restrictions=reject_unauth_destination"
    yield from reloaded_postfix(
        world, "/etc/postfix/master.cf", (old, "-o smtpd_relay_restrictions=permit_mynetworks,reject")
    )


@fault("submission", "logins are not offered", "config apply")
def submission_without_logins(world):
    yield from reloaded_postfix(
        world, "/etc/postfix/master.cf",
        ("smtpd_sasl_auth_enable=yes", "smtpd_sasl_auth_enable=no"),
        ("smtpd_client_restrictions=permit_sasl_authenticated,reject", "smtpd_client_restrictions="),
        ("smtpd_sender_restrictions=reject_sender_login_mismatch", "smtpd_sender_restrictions="),
    )  # fmt: skip


@fault("smtp", "STARTTLS is not offered", "config apply")
def no_tls(world):
    yield from reloaded_postfix(
        world, "/etc/postfix/master.cf",
        ("syslog_name=postfix/smtp\n", "syslog_name=postfix/smtp\n  -o smtpd_tls_security_level=none\n"),
    )  # fmt: skip


@fault("configuration", "/etc/postfix/main.cf is not up to date", "config apply", health="warning")
def ini_changed_and_not_applied(world):
    with edited(world.relay, "/etc/chatmail.ini", ("[params]", "[params]\nmax_message_size = 20000000")):
        yield


@fault("submission", "no mechanism|logins fail|closed|cannot", "restart dovecot")
def no_socket_for_logins(world):
    # Postfix's processes keep their connections to the milter.
    at_root(world.relay, "rm /var/spool/postfix/private/auth; postfix reload")
    yield
    world.relay.restart_service("dovecot")


@fault("delivery", "cannot connect to .*dovecot-lmtp", "restart dovecot")
def no_socket_for_delivery(world):
    at_root(world.relay, "rm /var/spool/postfix/private/dovecot-lmtp")
    yield
    world.relay.restart_service("dovecot")


@fault("imaps", "logins are not decided by the chatmail driver", "restart dovecot")
def dovecot_without_the_driver(world):
    # The driver's own module is then not loaded when the second passdb is looked for.
    changes = {
        "2.3": [
            ("passdb {\n  driver = chatmail\n", "passdb {\n  driver = static\n  args = password=nobody-knows\n"),
            ("passdb {\n  driver = chatmail-last\n}\n", ""),
        ],
        "2.4": [
            ("passdb chatmail {", "passdb static {\n  password = nobody-knows"),
            ("passdb chatmail-last {\n}\n", ""),
        ],
    }
    path = "/etc/dovecot/dovecot.conf"
    with edited(world.relay, path, *changes.get(world.relay.stages.dovecot.series, changes["2.4"])):
        world.relay.restart_service("dovecot")
        yield
    world.relay.restart_service("dovecot")


# nginx alone reads its certificate at a reload and at no other time; Dovecot's config process and
# Postfix's smtpd also read theirs when they happen to start.
@fault("https", "the certificate is not that of /etc/ssl/relay/cert.pem", "certificate deployed")
def certificate_renewed_and_not_read(world):
    yield from other_certificate(world, "renewed")


def other_certificate(world, label, **options):
    """Another certificate in the files; the servers keep using the old one."""
    before = [world.relay.path(f"/etc/ssl/relay/{n}.pem").read_bytes() for n in ("cert", "key")]
    world.relay.certify(label, **options)
    yield
    for name, data in zip(("cert", "key"), before):
        replace(world.relay.path(f"/etc/ssl/relay/{name}.pem"), data)


@fault("certificate", ": expired", "certificate deployed")
def certificate_expired(world):
    yield from other_certificate(world, "expired", start="200101000000Z", end="210101000000Z")


@fault("certificate", "not valid yet", "certificate deployed")
def certificate_of_the_future(world):
    yield from other_certificate(world, "future", start="450101000000Z", end="490101000000Z")


@fault("certificate", "not for relay.test", "certificate deployed")
def certificate_of_another_name(world):
    yield from other_certificate(world, "another", names="DNS:other.test")


@fault("certificate", "valid for [0-9]+ days", "ACME client", health="warning")
def certificate_that_ends_soon(world):
    end = time.strftime("%y%m%d%H%M%SZ", time.gmtime(time.time() + 10 * 86400))
    yield from other_certificate(world, "ending", end=end)


@fault("certificate", "not the key of", "certificate deployed")
def key_of_another_certificate(world):
    _, key = world.relay.authority.issue("stranger", names=f"DNS:{DOMAIN}")
    with edited(world.relay, "/etc/ssl/relay/key.pem", (None, key.read_text())):
        yield


@fault("certificate", "its authority is not a public one", "whole chain")
def certificate_of_an_unknown_authority(world):
    place = world.directory / "unknown-ca"
    authority = Authority(place) if not place.exists() else None
    certificate, key = authority.issue("unknown", names=f"DNS:{DOMAIN}")
    with edited(world.relay, "/etc/ssl/relay/cert.pem", (None, certificate.read_text())), edited(
        world.relay, "/etc/ssl/relay/key.pem", (None, key.read_text())
    ):
        yield


def other_names(world, change, **options):
    world.serve_names([line for line in map(change, world.zone) if line], **options)
    yield
    world.serve_names(world.zone)


@fault("dns-dkim", "opendkim._domainkey.relay.test: missing", "add: .*v=DKIM1")
def no_dkim_record(world):
    yield from other_names(world, lambda line: None if "p=MII" in line else line)


@fault("dns-dkim", "opendkim._domainkey.relay.test: wrong", "another key")
def dkim_record_of_another_key(world):
    yield from other_names(world, lambda line: line.replace("p=MIIBIj", "p=MIIBIk"))


@fault("dns-dkim", "/etc/dkimkeys", "openssl genrsa -out /etc/dkimkeys/opendkim.private 2048, ")
def no_dkim_key(world):
    at_root(world.relay, "mv /etc/dkimkeys/opendkim.private /etc/dkimkeys/away")
    yield
    at_root(world.relay, "mv /etc/dkimkeys/away /etc/dkimkeys/opendkim.private")


@fault("dns-record", "relay.test: wrong", "another machine")
def address_of_another_machine(world):
    yield from other_names(world, lambda line: line.replace(ADDRESS, "198.51.100.9"))


@fault("dns-record", "relay.test: missing", "add: .* MX")
def no_mx(world):
    yield from other_names(world, lambda line: None if " MX " in line else line)


@fault("reverse-name", "has no name", f"name {ADDRESS} relay.test", health="warning")
def no_reverse_name(world):
    yield from other_names(world, lambda line: line, reverse="")


@fault("dns", "resolver 127.0.0.1 does not reply", "resolver in /etc/chatmail.ini")
def no_resolver(world):
    world.nsd.stop()
    yield
    world.serve_names(world.zone)


@fault("push", "cannot connect to", "firewall")
def no_push_service(world):
    world.end("push")
    yield
    world.start_push()


def mounted(world, options, place):
    at_root(world.relay, f"mount -t tmpfs -o {options} tmpfs {place}")
    yield
    at_root(world.relay, f"umount --lazy {place}")


@fault("disk", "of 4 MiB are free", "chatmailctl expire")
def disk_full(world):
    place = f"/home/vmail/mail/{DOMAIN}"
    with edited(world.relay, "/etc/chatmail.ini", ("min_free_disk_space = 1M", "min_free_disk_space = 20M")):
        yield from mounted(world, "size=4m,uid=501,gid=501,mode=700", place)


@fault("inodes", "of 100 are free", "max_mailbox_messages")
def no_inodes(world):
    place = f"/home/vmail/mail/{DOMAIN}"
    with edited(world.relay, "/etc/chatmail.ini", ("min_free_disk_space = 1M", "min_free_disk_space = 8M")):
        yield from mounted(world, "size=1g,nr_inodes=100,uid=501,gid=501,mode=700", place)


@fault("inotify", "for 128 idle clients", "sysctl")
def kernel_default_of_inotify(world):
    world.relay.limit_inotify(128)
    yield
    world.relay.limit_inotify(65535)


@fault("descriptors", "may open 1024 files", "LimitNOFILE=20000")
def few_descriptors(world):
    at_root(world.relay, "prlimit --nofile=1024:20000 --pid $(cat /run/dovecot/master.pid)")
    yield
    at_root(world.relay, "prlimit --nofile=20000:20000 --pid $(cat /run/dovecot/master.pid)")


@fault("queue-destination", "relay.test|wait", "restart dovecot")
def mail_for_ourselves_waits(world):
    relay = world.relay
    bob = relay_account(world)
    with without_service(relay, "dovecot"):
        send_to(world, bob)
        eventually(lambda: any(e["queue_name"] == "deferred" for e in relay.queue()))
        yield
    at_root(relay, "postqueue -f")
    eventually(lambda: not relay.queue())


@fault("plugins", "not built for the installed Dovecot", "chatmail-dovecot-modules select")
def plugins_of_another_dovecot(world):
    relay = world.relay
    if relay.stages.dovecot.root is not None:
        pytest.skip("its Dovecot is elsewhere")
    script = SOURCE / "packaging/dovecot/chatmail-dovecot-modules"
    extra = relay.path("/run/extra-usr")
    (extra / "bin").mkdir(parents=True)
    (extra / "lib/chatmail/dovecot").mkdir(parents=True)
    (extra / "bin/chatmail-dovecot-modules").write_bytes(script.read_bytes())
    (extra / "bin/chatmail-dovecot-modules").chmod(0o755)
    (extra / "lib/chatmail/dovecot/current").symlink_to("2.2.ABIv1")
    at_root(relay, "mount -t overlay overlay -o lowerdir=/run/extra-usr:/usr /usr")
    yield
    at_root(relay, "umount --lazy /usr")


@fault("http", "HTTP status 200, not 301", "config apply")
def another_web_server(world):
    relay = world.relay
    with without_service(relay, "nginx"):
        world.begin("web", "python3", "-m", "http.server", "-d", "/usr/share/misc", "80")
        world.wait_for_port(80)
        yield
        world.end("web")


@fault("imap", "it does not speak IMAP", "config apply")
def something_else_on_port_143(world):
    with without_service(world.relay, "dovecot"):
        world.begin("other", "python3", "-c", OTHER_SERVER, "143")
        world.wait_for_port(143)
        yield
        world.end("other")


OTHER_SERVER = """
import socket, sys
listener = socket.create_server(("", int(sys.argv[1])))
while True:
    client, _ = listener.accept()
    client.sendall(b"SSH-2.0-Other\\r\\n")
    client.close()
"""


def relay_account(world):
    """An account that is created inside the relay's network."""
    account = world.relay.account()
    client = IMAP_LOGIN.format(account=account)
    world.relay.inside("python3", "-c", client)
    return account


IMAP_LOGIN = """
import imaplib, ssl
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
imaplib.IMAP4_SSL("127.0.0.1", 993, ssl_context=context).login("{account.address}", "{account.password}")
"""


def send_to(world, account):
    """Mail that Postfix has already accepted."""
    message = encrypted(account.address, account.address)
    world.relay.inside(
        "sendmail", "-f", account.address, account.address, input=message.decode()
    )
