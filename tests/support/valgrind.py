"""valgrind for programs that lock themselves into a sandbox."""

import os
from pathlib import Path

from support.relay import SOURCE

BUILD = Path(os.environ.get("CHATMAIL_BUILD", SOURCE / "build" / "plain"))


def valgrind(*options):
    """The words to put before a program's: without its filter of system calls, as valgrind writes
    into memory what it executes."""
    preload = BUILD.resolve() / "tests" / "programs" / "libno_filter.so"
    return ["env", f"LD_PRELOAD={preload}", "valgrind", *options]
