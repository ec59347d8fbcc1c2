"""A point release of Dovecot arrives: the plugins for its ABI are selected, and users can log
in."""

import os
import re
import shutil
import subprocess

import pytest

from support.messages import encrypted
from support.relay import Relay, Stages, install
from support.tree import BUILD, SOURCE

TOOL = SOURCE / "packaging/dovecot/chatmail-dovecot-modules"
ROOTS = {name: SOURCE / "build" / f"dovecot-{name}-root" for name in ("2.4", "2.4-newest")}
BUILDS = {name: SOURCE / "build" / f"dovecot-{name}-abi" for name in ROOTS}
ABI = {
    name: re.search(
        r'ABI_VERSION "(\S+?)[("]', (root / "usr/include/dovecot/config.h").read_text()
    ).group(1)
    for name, root in ROOTS.items()
}


def tool(*arguments):
    return subprocess.run(["busybox", "ash", TOOL, *arguments], capture_output=True, text=True)


class PointRelease:
    """A Dovecot for Relay: its root directory, and our modules for it."""

    def __init__(self, name, build):
        self.version = "2.4"
        self.build = build
        self.root = ROOTS[name]
        self.plugin_build = BUILDS[name]


@pytest.fixture(scope="module")
def packaged(tmp_path_factory):
    """The plugin package with both ABIs, as if one build had made both."""
    stage = tmp_path_factory.mktemp("packaged")
    for build in BUILDS.values():
        install(build, stage)
    return stage


def dovecot_of(name, directory):
    """A directory with the files that the tool reads: Dovecot's auth and its module directory."""
    shutil.rmtree(directory / "usr/lib/dovecot", ignore_errors=True)
    (directory / "usr/lib/dovecot/modules/auth").mkdir(parents=True)
    shutil.copy(ROOTS[name] / "usr/lib/dovecot/auth", directory / "usr/lib/dovecot/auth")


def test_the_two_dovecots_have_different_abis():
    assert ABI["2.4"] != ABI["2.4-newest"]


@pytest.mark.parametrize("name", ROOTS)
def test_an_upgrade_is_followed_and_users_log_in(packaged, tmp_path, name):
    """The links that the package's trigger makes after an upgrade of Dovecot to this version."""
    stage = tmp_path / "stage"
    shutil.copytree(packaged, stage, symlinks=True)
    other = next(one for one in ROOTS if one != name)
    for installed in (other, name):
        dovecot_of(installed, stage)
        assert tool("--root", stage, "select").returncode == 0
    check = tool("--root", stage, "check")
    assert (check.returncode, check.stdout) == (0, f"Dovecot {ABI[name]}, plugins {ABI[name]}\n")
    (stage / "usr/lib/dovecot/auth").unlink()

    stages = Stages.__new__(Stages)
    stages.dovecot = PointRelease(name, BUILD)
    stages.programs = install(BUILD, tmp_path / "programs")
    stages.plugins = stage
    with Relay(stages) as relay:
        alice, bob = relay.registered(), relay.registered()
        assert relay.send(alice, bob.address, encrypted(alice.address, bob.address))[0] == 250
        assert len(relay.messages(bob)) == 1
        log = relay.log("dovecot")
        assert "Error:" not in log and "Panic:" not in log, log


def test_a_dovecot_without_plugins_is_reported(packaged, tmp_path):
    """The links stay as they were: no plugin is better than a wrong one."""
    stage = tmp_path / "stage"
    shutil.copytree(packaged, stage, symlinks=True)
    dovecot_of("2.4", stage)
    assert tool("--root", stage, "select").returncode == 0
    shutil.rmtree(stage / "usr/lib/chatmail/dovecot" / ABI["2.4-newest"])
    dovecot_of("2.4-newest", stage)
    result = tool("--root", stage, "select")
    assert result.returncode == 1
    assert f"no plugins for Dovecot {ABI['2.4-newest']}" in result.stderr
    check = tool("--root", stage, "check")
    assert (check.returncode, check.stdout) == (
        1, f"Dovecot {ABI['2.4-newest']}, plugins {ABI['2.4']}\n"
    )  # fmt: skip


@pytest.fixture
def rebuilding(box, packages):
    """The box without the package's plugins but with their sources; and the ABI of its Dovecot."""
    box.install(packages, "chatmail-common", "chatmail-dovecot", "chatmail-dovecot-rebuild")
    [abi] = (path.name for path in (packages / "chatmail-dovecot/usr/lib/chatmail/dovecot").glob("*ABI*"))
    box.run("rm", "-r", f"/usr/lib/chatmail/dovecot/{abi}")
    box.run("rm", "-rf", "/usr/lib/chatmail/dovecot/built")
    return box, abi


def test_plugins_are_built_on_the_machine(rebuilding):
    """The package's trigger builds the plugins if the package has none for Dovecot's ABI, and the
    sources are installed."""
    box, abi = rebuilding
    box.run("chatmail-dovecot-modules", "select")
    assert box.run("chatmail-dovecot-modules", "check").stdout == f"Dovecot {abi}, plugins {abi}\n"
    modules = box.root / "usr/lib/dovecot/modules"
    for plugin in ("lib30_chatmail_plugin.so", "auth/libauthdb_chatmail.so"):
        assert os.readlink(modules / plugin).endswith(f"chatmail/dovecot/current/{plugin}")
        box.run("readlink", "-e", f"/usr/lib/dovecot/modules/{plugin}")


def test_plugins_of_an_older_package_are_built_again(rebuilding, packages):
    """Otherwise a dovecot.conf of the newer package could name a driver that they lack, and nobody
    could log in."""
    box, abi = rebuilding
    kit = box.root / "usr/share/chatmail/dovecot-source"
    modules = box.root / "usr/lib/chatmail/dovecot"
    driver = box.root / "usr/lib/dovecot/modules/auth/libauthdb_chatmail.so"
    last = kit / "dovecot-plugin/auth/last.c"
    last.write_text(last.read_text().replace("chatmail-last", "chatmail-past"))
    for place in (kit, modules):
        (place / "source-id").write_text("older\n")
    box.run("chatmail-dovecot-modules", "select")
    older = modules / "built" / abi / "auth/libauthdb_chatmail.so"
    assert b"chatmail-past" in older.read_bytes()

    subprocess.run(["cp", "-a", f"{packages / 'chatmail-dovecot'}/usr/lib/chatmail/dovecot/source-id", modules], check=True)
    early = box.run("chatmail-dovecot-modules", "select", check=False)
    assert early.returncode == 1
    assert "chatmail-dovecot-rebuild is of another version" in early.stdout
    assert box.run("chatmail-dovecot-modules", "check", check=False).returncode == 1
    assert b"chatmail-past" in older.read_bytes(), "users can still log in"

    subprocess.run(["cp", "-a", f"{packages / 'chatmail-dovecot-rebuild'}/.", box.root], check=True)
    box.script("chatmail-dovecot.trigger")
    assert b"chatmail-last" in older.read_bytes()
    box.run("chatmail-dovecot-modules", "check")
    box.run("test", "-e", f"/{driver.relative_to(box.root)}")


@pytest.mark.parametrize("arguments", [[], ["other"], ["select", "more"], ["--root"]])
def test_usage_errors(arguments):
    result = tool(*arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("usage: ")
