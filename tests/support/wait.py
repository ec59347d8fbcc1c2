"""Waiting for something that another process does."""

import time


def eventually(condition, timeout=30, interval=0.05, message="it did not happen"):
    """The first true value that condition() returns; fails after timeout seconds.

    The time is a bound for broken runs, generous on purpose: no test asserts how fast we are."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{message} within {timeout} s")
        time.sleep(interval)
