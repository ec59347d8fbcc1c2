"""valgrind for programs that restrict themselves with a sandbox."""

from support.tree import BUILD


def valgrind(*options):
    """The words before a program: without its filter of system calls, because valgrind writes to
    memory that it executes."""
    preload = BUILD / "tests" / "programs" / "libno_filter.so"
    return ["env", f"LD_PRELOAD={preload}", "valgrind", *options]
