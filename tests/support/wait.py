"""Waiting for other processes."""

import time


def eventually(condition, timeout=30, interval=0.05, message="it did not happen"):
    """The first true value of condition(); fails after timeout seconds.

    The timeout ends broken runs, and is generous on purpose: no test asserts how fast the programs
    are."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{message} within {timeout} s")
        time.sleep(interval)
