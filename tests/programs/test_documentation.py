"""The man pages and the manual agree with the programs."""

import json
import re
import shutil
import subprocess

import pytest

from support.help import MAN, PROGRAMS, help_of, subcommands
from support.tree import BUILD, SOURCE

PAGES = sorted(MAN.iterdir())


def long_options(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))


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


def settings_of_servers(directory, key, value, outbound="auto"):
    """The rendered files with one changed key."""
    keys = {"mail_domain": "relay.test", "username_max_length": "20", "front_network": "10.0.0.3"}
    keys |= {"outbound": outbound, key: value}
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
    rendered_from = set()
    for outbound in ("auto", "smtp"):
        before = settings_of_servers(tmp_path, "outbound", outbound)
        rendered_from |= {
            key for key, default in keys
            if settings_of_servers(tmp_path, key, other_value(key, default), outbound) != before
        }
    assert rendered_from == listed


@pytest.mark.parametrize("program", sorted(set(PROGRAMS) - {"chatmailctl", "chatmail-expire"}))
def test_services_offer_a_reload_that_works(program):
    """A reload that has no effect would hide that a restart is needed."""
    rereads = "SIGHUP reads the configuration again" in help_of(BUILD / PROGRAMS[program])
    unit = (SOURCE / f"packaging/systemd/{program}.service").read_text()
    script = (SOURCE / f"packaging/openrc/{program}.initd").read_text()
    assert ("ExecReload=" in unit, "\nreload() {" in script) == (rereads, rereads)


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


def test_diagnostics_are_lines_of_the_log():
    page = (MAN / "chatmail-notifyd.8").read_text().partition(".Sh DIAGNOSTICS\n")[2].partition("\n.Sh ")[0]
    lines = re.findall(r"^\.It (.*)$", page, re.MULTILINE)
    assert lines
    logged = {squeezed(line) for line in formats("services/notifyd", "cm_log")}
    assert {squeezed(line.replace("...", "…")) for line in lines} <= logged


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


def test_the_manual_lists_each_program():
    assert set(PROGRAMS) - {"chatmailctl"} <= first_cells(manual_sections()["What runs"])


def test_the_manual_lists_each_path_of_a_program():
    """The paths that nginx passes on; those about accounts also in the example for another server."""
    template = (SOURCE / "packaging/config/nginx/nginx.conf").read_text()
    locations = re.findall(r"^\t\tlocation (?:= )?(/\S+) \{\n(.*?)^\t\t\}", template, re.MULTILINE | re.DOTALL)
    passed = {path for path, block in locations if "proxy_pass" in block}
    assert passed
    sections = manual_sections()
    assert passed <= first_cells(sections["Port 443 and the web"])
    other_server = sections["Another web server"]
    accounts = {path for path, block in locations if "http://chatmail_" in block}
    assert "/new" in accounts and accounts <= set(re.findall(r"(?<= )/[\w./-]+(?=\s)", other_server))


def completed(*words):
    """What bash offers after these words of a command line, the last of them unfinished."""
    script = (
        f"PATH={BUILD}/ctl:$PATH; . {SOURCE}/packaging/completion/chatmailctl.bash;"
        ' COMP_WORDS=("$@") COMP_CWORD=$(($# - 1));'
        " _chatmailctl && printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    result = subprocess.run(
        ["bash", "-c", script, "bash", *words], capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stderr == ""
    return set(result.stdout.split())


def test_completion_offers_what_the_help_lists():
    program = BUILD / PROGRAMS["chatmailctl"]
    listed = subcommands(help_of(program))
    assert "config" in listed and completed("chatmailctl", "") == set(listed)
    listed.remove("expire")
    for command in listed:
        below = subcommands(help_of(program, command))
        if below:
            assert completed("chatmailctl", command, "") == set(below)
        for words in [[command, word] for word in below] or [[command]]:
            wanted = long_options(help_of(program, *words))
            assert "--help" in wanted
            assert completed("chatmailctl", *words, "--") == wanted, words
