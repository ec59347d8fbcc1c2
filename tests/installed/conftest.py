"""One machine for all tests. The tests are steps: each continues where the previous one
stopped."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.manual import block


@pytest.fixture(scope="session")
def suite():
    return os.environ["CHATMAIL_SUITE"]


@pytest.fixture(scope="session")
def repository():
    return Path(os.environ["CHATMAIL_REPOSITORY"])


@pytest.fixture(scope="session")
def machine(suite, repository):
    """A booted machine: apt knows the repository, and nothing from it is installed."""
    from support.machine import Machine

    instance = Machine(os.environ["CHATMAIL_ROOT"])
    try:
        shutil.copytree(repository, instance.path("/srv/repository"))
        # As in the manual; a test updates the index.
        commands = block("install -D -m 644 OUTDIR/").replace("OUTDIR", "/srv/repository").replace("bookworm", suite)
        commands = commands.removesuffix("apt-get update\n")
        subprocess.run(["chroot", instance.root, "sh", "-e", "-c", commands], check=True)
        # Recommended packages are not in the cache, and there is no network.
        instance.path("/etc/apt/apt.conf.d/50no-recommends").write_text(
            'APT::Install-Recommends "false";\n'
        )
        instance.path("/etc/hosts").write_text("127.0.0.1 localhost relay relay.test\n")
        instance.boot()
        yield instance
    finally:
        instance.remove()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Prints the machine's journal if a test failed."""
    report = (yield).get_result()
    machine = item.funcargs.get("machine")
    if call.when == "call" and report.failed and machine is not None:
        journal = "\n".join(machine.journal().splitlines()[-60:])
        report.sections.append(("journal of the machine", journal))
