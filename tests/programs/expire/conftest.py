"""Fixtures of the tests of chatmail-expire."""

import pytest

from support.expire_tree import DAY, LARGE, Tree, make_old, message


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


@pytest.fixture
def outside(tmp_path):
    """Old messages elsewhere; checks at the end that all still exist."""
    directory = tmp_path / "outside"
    for part in ("cur", "new", "tmp"):
        message(directory / part, 400 * DAY, LARGE + 1, "precious")
    message(directory, 400 * DAY, 8, "password")
    message(directory, 400 * DAY, 8, ".chatmail-tmp.1")
    make_old(directory, 400 * DAY)

    def everything():
        return sorted((str(p), p.lstat().st_mtime_ns) for p in directory.rglob("*"))

    before = everything()
    yield directory
    assert everything() == before
