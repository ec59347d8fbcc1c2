"""Checks the packages that the APKBUILD makes, and those rules of aports that a machine can
check."""

import re
import subprocess

import pytest

from alpine.conftest import APORT
from support.tree import SOURCE

TEXT = (APORT / "APKBUILD").read_text()
SCRIPTS = sorted(path for path in APORT.iterdir() if path.name != "APKBUILD")
OPENRC = sorted((SOURCE / "packaging/openrc").iterdir())
MODULES = SOURCE / "packaging/dovecot/chatmail-dovecot-modules"
FILES = {
    "chatmail-common": {"usr/lib/sysctl.d/60-chatmail.conf"},
    "chatmail-dovecot": {
        "usr/lib/chatmail/dovecot/ABI/auth/libauthdb_chatmail.so",
        "usr/lib/chatmail/dovecot/ABI/lib30_chatmail_plugin.so",
        "usr/lib/chatmail/dovecot/ABI/lib31_imap_chatmail_plugin.so",
        "usr/lib/chatmail/dovecot/source-id",
        "usr/sbin/chatmail-dovecot-modules",
        "usr/share/chatmail/appversions.json",
    },
    "chatmail-milter": {"usr/sbin/chatmail-milter"},
    "chatmail-services": {
        "etc/periodic/daily/chatmail-expire",
        "usr/bin/chatmail-expire",
        "usr/sbin/chatmail-httpd",
        "usr/sbin/chatmail-notifyd",
        "usr/sbin/chatmail-transport",
    },
    "chatmail-www": set(),
    "chatmailctl": {"usr/bin/chatmailctl"},
    "chatmailctl-bash-completion": {"usr/share/bash-completion/completions/chatmailctl"},
    "chatmailctl-zsh-completion": {"usr/share/zsh/site-functions/_chatmailctl"},
    "chatmail-relay": set(),
    "chatmail-relay-openrc": {
        f"etc/{place}"
        for place in (
            "conf.d/chatmail-httpd",
            "conf.d/chatmail-milter",
            "conf.d/chatmail-notifyd",
            "conf.d/chatmail-transport",
            "conf.d/iroh-relay",
            "init.d/chatmail-config",
            "init.d/chatmail-httpd",
            "init.d/chatmail-milter",
            "init.d/chatmail-notifyd",
            "init.d/chatmail-relay",
            "init.d/chatmail-transport",
            "init.d/iroh-relay",
        )
    },
}
# The package of aports for each library that we link. gmime-dev depends on glib; musl contains crypt.
LIBRARIES = {
    "libarchive": "libarchive-dev",
    "libcrypto": "openssl-dev",
    "libcurl": "curl-dev",
    "libglib-2.0": "gmime-dev",
    "libgmime-3.0": "gmime-dev",
    "libgobject-2.0": "gmime-dev",
    "libidn2": "libidn2-dev",
    "libjansson": "jansson-dev",
    "libmicrohttpd": "libmicrohttpd-dev",
    "libmilter": "libmilter-dev",
    "libqrencode": "libqrencode-dev",
    "libseccomp": "libseccomp-dev",
    "libssl": "openssl-dev",
    "libunbound": "unbound-dev",
}
LIBC = {"ld-linux-x86-64", "ld-linux-aarch64", "libc", "libcrypt"}
# Expected files whose number grows with the tree, by directory.
FOLDERS = {
    "chatmail-services": "usr/share/chatmail/monitoring/",
    "chatmail-www": "usr/share/chatmail/config/www/",
    "chatmailctl": "usr/share/chatmail/config/",
}


def files(packages, name):
    tree = packages / name
    found = (str(path.relative_to(tree)) for path in tree.rglob("*") if not path.is_dir())
    return {re.sub(r"\d+\.\d+\.ABIv\d+", "ABI", path) for path in found}


def information(packages, name):
    text = (packages / f"{name}.info").read_text()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


@pytest.mark.parametrize("name", FILES)
def test_files_of_a_package(packages, name):
    folder = FOLDERS.get(name)
    found = files(packages, name)
    if folder is not None:
        assert any(path.startswith(folder) for path in found)
        found = {path for path in found if not path.startswith(folder)}
    assert found == FILES[name]


def test_every_man_page_is_in_doc(packages):
    pages = {path.name for path in (SOURCE / "docs/man").glob("*.[1-8]")}
    found = {path.split("/")[-1] for path in files(packages, "chatmail-relay-doc")}
    assert pages <= found
    assert "LICENSE" in found


def test_every_program_has_debug_information(packages):
    found = files(packages, "chatmail-relay-dbg")
    for program in ("sbin/chatmail-milter", "sbin/chatmail-httpd", "bin/chatmailctl"):
        assert f"usr/lib/debug/usr/{program}.debug" in found


def test_the_meta_package_brings_a_whole_relay(packages):
    wanted, seen = ["chatmail-relay"], set()
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        if (packages / f"{name}.info").exists():
            depends = information(packages, name)["depends"].split()
            wanted += [re.split("[=<>~]", word)[0] for word in depends]
    assert {
        "ca-certificates", "chatmail-common", "chatmail-dovecot", "chatmail-milter",
        "chatmail-services", "chatmail-www", "chatmailctl", "diffutils", "dovecot", "dovecot-lmtpd", "nginx", "nginx-mod-stream",
        "openssl", "postfix",
    } <= seen  # fmt: skip


def test_no_version_of_dovecot_is_held_back(packages):
    for info in packages.glob("*.info"):
        for word in information(packages, info.stem)["depends"].split():
            assert not re.match(r"dovecot[a-z-]*[=<>~]", word), info.stem


def test_an_upgrade_of_dovecot_can_build_the_plugins(packages):
    """apk installs the sources with the relay, and all that the build needs besides meson's own
    dependencies."""
    rebuild = information(packages, "chatmail-dovecot-rebuild")
    [version] = re.findall(r"chatmail-relay=(\S+)", rebuild["install_if"])
    assert {
        f"chatmail-dovecot={version}", "dovecot-dev", "gcc", "jansson-dev", "meson", "musl-dev", "openssl-dev",
    } == set(rebuild["depends"].split())  # fmt: skip


def libraries(tree):
    """The libraries that the programs and modules of a tree need, without versions."""
    found = set()
    for path in tree.rglob("*"):
        if path.is_symlink() or not path.is_file() or path.open("rb").read(4) != b"\x7fELF":
            continue
        dynamic = subprocess.run(["readelf", "-d", path], check=True, capture_output=True, text=True)
        found |= set(re.findall(r"NEEDED.*\[(.*?)\.so", dynamic.stdout))
    return found


def test_every_library_is_in_makedepends(packages):
    """And each package is needed. Nothing links against Dovecot. The C library's package lacks
    linux/landlock.h."""
    makedepends = set(re.search(r'^makedepends="(.*?)"', TEXT, re.M | re.S).group(1).split())
    needed = set().union(*(libraries(tree) for tree in packages.iterdir() if tree.is_dir()))
    owners = {LIBRARIES[name] for name in needed - LIBC}
    assert makedepends == owners | {"dovecot-dev", "linux-headers", "meson"}


def test_every_program_requests_a_large_stack_for_its_threads(packages):
    """musl gives them 128 KiB otherwise. Parsing MIME and a DNS query need more."""
    programs = [*packages.glob("*/usr/sbin/*"), *packages.glob("*/usr/bin/*")]
    programs = [path for path in programs if path.open("rb").read(4) == b"\x7fELF"]
    assert len(programs) >= 6
    for path in programs:
        headers = subprocess.run(["readelf", "-lW", path], check=True, capture_output=True, text=True)
        [size] = re.findall(r"GNU_STACK(?:\s+0x[0-9a-f]+){4}\s+(0x[0-9a-f]+)", headers.stdout)
        assert int(size, 16) == 1 << 20, path.name


def test_version_is_that_of_the_tree():
    version = re.search(r"version: '(.*)'", (SOURCE / "meson.build").read_text()).group(1)
    assert f"pkgver={version}\n" in TEXT


def test_rules_of_aports():
    assert re.search(r"^# Maintainer: .+ <\S+@\S+\.\S+>$", TEXT, re.M)
    assert len(re.search(r'^pkgdesc="(.*)"$', TEXT, re.M).group(1)) <= 128
    subpackages = re.search(r'^subpackages="(.*?)"', TEXT, re.M | re.S).group(1).split()
    assert subpackages[0] == "$pkgname-dbg"
    assert subpackages[1:3] == ["$pkgname-doc", "$pkgname-openrc"]
    for line in TEXT.splitlines():
        assert line == line.rstrip()
        assert not line.startswith("  "), "tabs, not spaces: " + line
    assert "[[" not in TEXT and "function " not in TEXT and "source " not in TEXT


def test_every_script_belongs_to_a_package_and_is_named(packages):
    listed = re.search(r'^install="(.*?)"', TEXT, re.M | re.S).group(1).split()
    triggers = re.search(r'^triggers="(.*)"', TEXT, re.M).group(1)
    listed += [word.split("=")[0] for word in triggers.split()]
    assert sorted(listed) == [path.name for path in SCRIPTS]
    for name in listed:
        assert (packages / name.rsplit(".", 1)[0]).is_dir()


@pytest.mark.parametrize("path", [*SCRIPTS, *OPENRC, MODULES], ids=lambda path: path.name)
def test_scripts_are_posix(path):
    """busybox's ash parses them, and shellcheck has no warnings."""
    excluded = "SC2034,SC2154,SC2148"  # OpenRC reads an init script's variables
    subprocess.run(["busybox", "ash", "-n", path], check=True)
    check = ["shellcheck", "-s", "dash", "--severity=warning", "-e", excluded]
    subprocess.run([*check, path], check=True)
