"""What the benchmarks that need a private relay share."""

import contextlib
import os
import tempfile
from pathlib import Path

from support.relay import Dovecot, Relay, Stages

SOURCE = Path(__file__).resolve().parents[2]
os.environ.setdefault("CHATMAIL_BUILD", str(SOURCE / "build" / "plain"))


def available(wanted=()):
    """The Dovecots there are builds for, or those wanted."""
    if wanted:
        return list(wanted)
    roots = Path(os.environ["CHATMAIL_BUILD"]).parent.glob("dovecot-*-root")
    versions = [root.name.removeprefix("dovecot-").removesuffix("-root") for root in roots]
    return [Dovecot().version, *sorted(versions)]


@contextlib.contextmanager
def private_relay(version, **options):
    """A running relay; everything of it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="chatmail-bench-") as directory:
        with Relay(Stages(directory, Dovecot(version)), **options) as relay:
            yield relay


def percentile(values, percent):
    """Of a list of numbers, by the nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
