"""Functions that the benchmarks with a private relay share."""

import contextlib
import sys
import tempfile

from support.relay import Dovecot, Relay, Stages
from support.tree import BUILD



def available(wanted=()):
    """The versions of Dovecot that are built, or those that the caller wants."""
    if wanted:
        return list(wanted)
    roots = BUILD.parent.glob("dovecot-*-root")
    versions = [root.name.removeprefix("dovecot-").removesuffix("-root") for root in roots]
    return [Dovecot().version, *sorted(versions)]


@contextlib.contextmanager
def private_relay(version, **options):
    """A running relay; it is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="chatmail-bench-") as directory:
        with Relay(Stages(directory, Dovecot(version)), **options) as relay:
            yield relay


def change(relay, settings):
    """Applies settings to a running relay: postfix:NAME=VALUE (main.cf) or dovecot:TEXT
    (dovecot.conf)."""
    for setting in settings:
        server, _, text = setting.partition(":")
        if server == "postfix":
            relay.inside("postconf", "-e", text)
        elif server == "dovecot":
            with open(relay.path("/etc/dovecot/dovecot.conf"), "a") as conf:
                conf.write(f"{text}\n")
        else:
            sys.exit(f"{setting}: neither postfix: nor dovecot:")
        relay.restart_service(server)


def percentile(values, percent):
    """Percentile of a list of numbers, by the nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
