"""The built programs and plugins have the hardening that meson.build requests, and can be loaded."""

import os
import platform
import re
import subprocess

import pytest
from support.tree import BUILD

PROGRAMS = [
    BUILD / path
    for path in [
        "milter/chatmail-milter", "ctl/chatmailctl", "services/expire/chatmail-expire",
        "services/httpd/chatmail-httpd", "services/notifyd/chatmail-notifyd",
        "services/transport/chatmail-transport",
    ]
]  # fmt: skip
PLUGINS = sorted(BUILD.glob("dovecot-plugin/**/*.so"))


def read(program, *arguments):
    return subprocess.check_output([program, *arguments], text=True)


def test_every_program_is_listed():
    found = {path for path in BUILD.glob("services/*/chatmail-*") if os.access(path, os.X_OK) and path.is_file()}
    assert found <= set(PROGRAMS)
    assert len(PLUGINS) >= 3


@pytest.mark.parametrize("path", [*PROGRAMS, *PLUGINS], ids=lambda path: path.name)
def test_link(path):
    """A position-independent file without a writable table of functions, or executable stack."""
    assert "DYN" in read("readelf", "-hW", path)
    segments = read("readelf", "-lW", path)
    assert "GNU_RELRO" in segments
    [stack] = [line.split() for line in segments.splitlines() if "GNU_STACK" in line]
    assert "RWE" not in stack and "RW" in stack
    if path in PROGRAMS:
        assert "NOW" in read("readelf", "-dW", path)


@pytest.mark.parametrize("path", [*PROGRAMS, *PLUGINS], ids=lambda path: path.name)
def test_compiler(path):
    """The debugging information says how each file was compiled."""
    producers = [
        line for line in read("readelf", "--debug-dump=info", "--dwarf-depth=1", path).splitlines()
        if "DW_AT_producer" in line and "GNU C" in line
    ]  # fmt: skip
    if not producers:
        pytest.skip("compiled by clang, which does not record its options")
    for option in ("-fstack-clash-protection", "-fstack-protector-strong"):
        assert all(option in line for line in producers), option
    if platform.machine() == "x86_64":
        assert all("-fcf-protection" in line for line in producers)
        assert "endbr64" in read("objdump", "-d", path)


def own_symbols(path, which):
    return set(re.findall(r" \w (cm_\w+)$", read("nm", "-D", which, path), re.MULTILINE))


def test_plugins_load_with_the_plugins_they_depend_on():
    """A plugin with a symbol that nothing defines links, but Dovecot refuses to load it."""
    missing = {}
    for path in PLUGINS:
        needed = own_symbols(path, "--undefined-only")
        if path.name == "lib31_imap_chatmail_plugin.so":
            assert needed
            needed -= own_symbols(path.with_name("lib30_chatmail_plugin.so"), "--defined-only")
        missing[path.name] = needed
    assert not any(missing.values())
