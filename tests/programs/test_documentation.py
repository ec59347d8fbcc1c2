"""The man pages and the manual agree with the programs."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("CHATMAIL_BUILD", SOURCE / "build/plain")).resolve()
MAN = SOURCE / "docs/man"
PAGES = sorted(MAN.iterdir())
PROGRAMS = {
    "chatmailctl": "ctl/chatmailctl",
    "chatmail-expire": "services/expire/chatmail-expire",
    "chatmail-httpd": "services/httpd/chatmail-httpd",
    "chatmail-milter": "milter/chatmail-milter",
    "chatmail-notifyd": "services/notifyd/chatmail-notifyd",
    "chatmail-transport": "services/transport/chatmail-transport",
}


def rendered(page):
    """The page as a reader sees it, without overstrikes."""
    result = subprocess.run(
        ["mandoc", "-T", "utf8", "-O", "width=200", page], capture_output=True, text=True, check=True
    )
    return re.sub(".\b", "", result.stdout)


def help_of(*command):
    result = subprocess.run([*command, "--help"], capture_output=True, text=True, timeout=30)
    assert result.returncode == 0, command
    return result.stdout


def long_options(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))


def subcommands(help_text):
    """The words at the start of the lines that list commands."""
    return re.findall(r"^  ([a-z-]+)  +\S", help_text, re.MULTILINE) if "COMMAND" in help_text else []


def commands():
    """Each program, and each command of chatmailctl with a page: (page, words to run)."""
    for name, path in PROGRAMS.items():
        page = next((p for p in PAGES if p.stem == name), None)
        yield pytest.param(page, [BUILD / path], id=name)
    listed = subcommands(help_of(BUILD / PROGRAMS["chatmailctl"]))
    listed.remove("expire")  # which runs the installed chatmail-expire
    for command in listed:
        page = MAN / f"chatmailctl-{command}.1"
        if not page.exists():
            page = MAN / "chatmailctl.1"
        words = [BUILD / PROGRAMS["chatmailctl"], command]
        yield pytest.param(page, words, id=f"chatmailctl {command}")
        for verb in subcommands(help_of(*words)):
            yield pytest.param(page, [*words, verb], id=f"chatmailctl {command} {verb}")


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_is_well_formed(page):
    result = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True
    )
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_references_name_existing_pages(page):
    there = {p.name for p in PAGES}
    references = re.findall(r"^\.Xr (chatmail\S*) (\d)", page.read_text(), re.MULTILINE)
    assert {f"{name}.{section}" for name, section in references} <= there


def test_every_page_is_installed():
    assert {f"man/{page.name}" for page in PAGES} == set(
        re.findall(r"'(man/[^']+)'", (SOURCE / "docs/meson.build").read_text())
    )


@pytest.mark.parametrize("page, command", commands())
def test_every_option_is_explained(page, command):
    assert page is not None, "there is no man page"
    options = long_options(help_of(*command))
    assert options
    if page.stem != command[0].name:
        options -= {"--help", "--version"}
    missing = options - long_options(rendered(page))
    assert not missing


@pytest.mark.parametrize("page", [p for p in PAGES if p.suffix in (".1", ".8")], ids=lambda p: p.name)
def test_every_option_of_the_page_exists(page):
    known = set()
    for parameter in commands():
        if parameter.values[0] == page:
            known |= long_options(help_of(*parameter.values[1]))
    known |= {"--help", "--version", "--config"}
    assert long_options(rendered(page)) <= known


# chatmail.ini(5)

# A value that differs from the default, for each key that is neither a number nor a size.
OTHER_VALUES = {
    "mail_domain": "other.test",
    "max_mailbox_size": "600M",
    "tls_external_cert_and_key": "/a /b",
    "iroh_relay": "https://other.test",
    "mtail_address": "127.0.0.1",
    "turn_host": "other.test",
    "registration": "closed",
    "notify_url": "https://other.test/",
    "metrics_listen": "127.0.0.1:9",
    "web_listen": "127.0.0.1:9",
    "mxdeliv_listen": "127.0.0.1:9",
    "outbound": "smtp",
    "federation": "listed",
    "resolver": "127.0.0.1",
    "mail_compress": "off",
    "dkim_signing": "opendkim",
    "dkim_selector": "other",
    "front_listen": "10.0.0.2",
    "dclogin_parameters": "ic=3",
    "front_network": "10.0.0.1",
    "backends": "10.0.0.1",
    "backend_listen": "10.0.0.1",
    "fronts": "10.0.0.1",
}


def other_value(key, default):
    if key in OTHER_VALUES:
        return OTHER_VALUES[key]
    if default.isdecimal():
        return str(int(default) + 5)
    if re.fullmatch(r"\d+[MG]", default):
        return "3" + default
    return {"true": "false", "false": "true"}.get(default, "/other")


def settings_of_servers(directory, key, value):
    """The rendered files with one changed key."""
    keys = {"mail_domain": "relay.test", "username_max_length": "20", "front_network": "10.0.0.3", key: value}
    text = "[params]\n" + "".join(f"{name} = {text}\n" for name, text in keys.items())
    (directory / "chatmail.ini").write_text(text)
    command = [BUILD / PROGRAMS["chatmailctl"], "config", "show", "--dovecot", "2.3", "--templates",
               SOURCE / "packaging/config", "-c", directory / "chatmail.ini"]
    output = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True).stdout
    return {name: text for name, text in json.loads(output).items() if not name.startswith("www/")}


def test_keys_that_change_the_servers_files_are_listed(tmp_path):
    page = (MAN / "chatmail.ini.5").read_text()
    told = page.split("In the servers\n")[1].split("In the web pages")[0]
    listed = set(re.findall(r"^\.Ic (\w+) [,.]$", told, re.MULTILINE))
    keys = re.findall(r"^\.It Ic (\w+) (?:= ?|No )(.*)$", page, re.MULTILINE)
    before = settings_of_servers(tmp_path, "mail_domain", "relay.test")
    rendered_from = {
        key for key, default in keys
        if settings_of_servers(tmp_path, key, other_value(key, default)) != before
    }
    assert rendered_from == listed


# The manual

MANUAL = SOURCE / "docs/manual.md"


def manual_sections():
    """{heading: text up to the next heading}"""
    parts = re.split(r"^#+ (.*)$", MANUAL.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def first_cells(text):
    """The texts in backquotes in the first column of the tables."""
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("|")]
    return {quoted for row in rows for quoted in re.findall(r"`([^`]+)`", row)}


def shape(text):
    """A log line without its variable parts, to compare a format string with the manual."""
    text = re.sub(r'"\s*PRI\w+\s*"', "u", text)
    text = re.sub(r"%[-+0-9.*]*(?:ll|l|z)?[a-zA-Z]|…", "…", text)
    return re.sub(r"…+", "…", text)


def formats(directory, function):
    """The format strings that the sources below a directory log."""
    call = re.compile(function + r'\(\s*(?:[^",]+,\s*)?((?:(?:"(?:[^"\\]|\\.)*"|PRIu64)\s*)+)')
    for source in (SOURCE / directory).rglob("*.c"):
        for match in call.finditer(source.read_text()):
            pieces = re.findall(r'"((?:[^"\\]|\\.)*)"|(PRIu64)', match.group(1))
            yield shape("".join(text or "u" for text, macro in pieces))


# For each heading: the directory of the sources, the logging functions, and the prefix in the log.
LOGS = {
    "chatmail-milter": ("milter", "cm_log", ""),
    "chatmail-notifyd": ("services/notifyd", "cm_log", ""),
    "chatmail-httpd": ("services/httpd", "cm_log", ""),
    "Dovecot": ("dovecot-plugin", "e_(?:error|warning|info)", "chatmail: "),
}


@pytest.mark.parametrize("heading", LOGS)
def test_every_log_line_is_explained(heading):
    directory, call, prefix = LOGS[heading]
    lines = {prefix + line if line != "…" else line for line in formats(directory, call)}
    assert lines
    explained = {shape(cell) for cell in first_cells(manual_sections()[heading])}
    assert not {line for line in lines if line != "…" and squeezed(line) not in map(squeezed, explained)}


def squeezed(line):
    """"…%s%s" and "…" look the same to a reader."""
    return re.sub(r"[…\s]*…[…\s]*", "…", line)


def test_every_reason_is_explained_with_its_reply():
    expected = re.findall(r'CM_REASON\(\w+, "([^"]+)", (\d+)', (SOURCE / "common/stats/reasons.def").read_text())
    assert expected
    rows = re.findall(r"^\| `([^`]+)` \| (\d+) \|", manual_sections()["Why a message was refused"], re.M)
    assert rows == expected


def test_every_metadata_entry_is_listed():
    source = (SOURCE / "dovecot-plugin/mail/metadata.c").read_text()
    table = source.split("server_entries[] = {")[1].split("};")[0]
    entries = re.findall(r'\{(VENDOR_PREFIX )?"(\w+)", ', table)
    assert entries
    names = {("/shared/vendor/deltachat/" if vendor else "/shared/") + name for vendor, name in entries}
    assert names == first_cells(manual_sections()["What METADATA says"])


def test_every_registration_refusal_is_explained():
    names = re.findall(r'\{"(\w+)", CM_STAT_REGISTRATION_', (SOURCE / "common/accounts/registration.c").read_text())
    assert names
    assert set(names) == first_cells(manual_sections()["Why an account was not created"]) & set(names)


def test_links_point_to_existing_headings():
    text = MANUAL.read_text()
    anchors = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in manual_sections()
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors


def test_keys_in_the_manual_exist():
    """Each word of the manual that looks like a key of chatmail.ini is one."""
    keys = set(re.findall(r"^\.It Ic (\w+)", (MAN / "chatmail.ini.5").read_text(), re.MULTILINE))
    assigned = set(re.findall(r"`(\w+) = ", MANUAL.read_text()))
    assert assigned <= keys
    quoted = set(re.findall(r"`((?:max|min|delete|username|password|log|turn|tls|metrics)_\w+)`", MANUAL.read_text()))
    assert quoted and quoted <= keys


def test_the_manual_lists_the_allowed_header_fields():
    rows = re.findall(r'^    \{"([\w-]+)", cm_field_', (SOURCE / "policy/header/outgoing_fields.c").read_text(), re.M)
    manual = (SOURCE / "docs/manual.md").read_text()
    table = manual.partition("## What leaves of a header\n")[2].partition("\n## ")[0]
    first_column = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert len(rows) > 20
    assert sorted(rows) == sorted(re.findall(r"`([\w-]+)`", " ".join(first_column)))


def test_each_line_of_a_code_block_is_one_command():
    """No editor has joined commands to a paragraph."""
    blocks = re.findall(r"^ *```\n(.*?)^ *```", MANUAL.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    commands = r"(?<!['\"`&|;] )(?<!-y )\bchatmailctl (?:config|user|backup|restore|migrate|status|report|init) "
    assert lines
    assert not [line for line in lines if len(re.findall(commands, line)) > 1]
