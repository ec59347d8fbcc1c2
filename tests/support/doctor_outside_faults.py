"""Faults of what a relay can do without: calls, the Iroh relay, IPv6. Each breaks it and, when it is left,
mends it."""

import contextlib

from support.doctor_faults import at_root, edited, fault
from support.relay import LAUNCHER

SECRET = "/etc/chatmail-turn.secret"
ADDRESS6 = "2001:db8::5"
COTURN = (
    "listening-port=3478\nlistening-ip=127.0.0.1\nrelay-ip=127.0.0.1\nrealm=relay.test\n"
    "use-auth-secret\nstatic-auth-secret={secret}\nno-tls\nno-dtls\nno-cli\nno-tcp-relay\n"
)


@contextlib.contextmanager
def calls(world, secret):
    """chatmail.ini names a TURN server, which uses this secret."""
    relay = world.relay
    relay.path(SECRET).write_text("a" * 64 + "\n")
    at_root(relay, f"chown root:vmail {SECRET}; chmod 640 {SECRET}")
    relay.path("/run/turnserver.conf").write_text(COTURN.format(secret=secret))
    if secret:
        world.begin("turn", *relay_command(relay, "turnserver", "-c", "/run/turnserver.conf", "--pidfile="))
        world.wait_for_port(3478)
    line = f"[params]\nturn_secret_file = {SECRET}\nturn_host = 127.0.0.1"
    with edited(relay, "/etc/chatmail.ini", ("[params]", line)):
        yield
    if secret:
        world.end("turn")
    at_root(relay, f"rm {SECRET}")


def relay_command(relay, *words):
    """The words that run a command in the relay."""
    return [LAUNCHER, "exec", relay.home, *words]


@fault("turn", "127.0.0.1: ", "restart coturn")
def no_turn_server(world):
    with calls(world, None):
        yield


@fault("turn", "127.0.0.1: ", "restart coturn")
def turn_server_with_another_secret(world):
    """As after a change of the secret without `config apply`."""
    with calls(world, "b" * 64):
        yield


@fault("iroh", "cannot connect to", "install and start iroh-relay", health="warning")
def no_iroh_relay_here(world):
    with edited(world.relay, "/etc/chatmail.ini", ("iroh_relay = \n", "")):
        yield


@fault("iroh", "cannot connect to", "check iroh_relay", health="warning")
def no_iroh_relay_elsewhere(world):
    with edited(world.relay, "/etc/chatmail.ini", ("iroh_relay = \n", "iroh_relay = https://127.0.0.1:1\n")):
        yield


@fault("ipv6", f"cannot connect to .*{ADDRESS6}", "restart Postfix, which binds addresses when it starts")
def no_postfix_on_ipv6(world):
    relay = world.relay
    relay.inside("ip", "-6", "addr", "add", f"{ADDRESS6}/128", "dev", "lo", "nodad")
    relay.arguments += ["--address", ADDRESS6]
    with edited(relay, "/etc/postfix/main.cf", ("inet_protocols = all", "inet_protocols = ipv4")):
        relay.restart_service("postfix")
        yield
    relay.restart_service("postfix")
    del relay.arguments[-2:]
    relay.inside("ip", "-6", "addr", "del", f"{ADDRESS6}/128", "dev", "lo")
