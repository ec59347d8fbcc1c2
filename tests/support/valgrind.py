"""valgrind for programs that restrict themselves with a sandbox."""

import os
from pathlib import Path

from support.relay import SOURCE

BUILD = Path(os.environ.get("CHATMAIL_BUILD", SOURCE / "build" / "plain"))


def valgrind(*options):
    """The words before a program: without its filter of system calls, because valgrind writes to
    memory that it executes."""
    preload = BUILD.resolve() / "tests" / "programs" / "libno_filter.so"
    return ["env", f"LD_PRELOAD={preload}", "valgrind", *options]
