"""--help of each program and of each command of chatmailctl."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.tree import BUILD, SOURCE

MAN = SOURCE / "docs/man"
PROGRAMS = {
    "chatmailctl": "ctl/chatmailctl",
    "chatmail-expire": "services/expire/chatmail-expire",
    "chatmail-httpd": "services/httpd/chatmail-httpd",
    "chatmail-milter": "milter/chatmail-milter",
    "chatmail-notifyd": "services/notifyd/chatmail-notifyd",
    "chatmail-transport": "services/transport/chatmail-transport",
}


def help_of(*command):
    result = subprocess.run([*command, "--help"], capture_output=True, text=True, timeout=30)
    assert result.returncode == 0, command
    return result.stdout


def subcommands(help_text):
    """The words at the start of the lines that list commands."""
    return re.findall(r"^  ([a-z-]+)  +\S", help_text, re.MULTILINE) if "COMMAND" in help_text else []


@dataclass(frozen=True)
class Command:
    """A program, or a command of chatmailctl, that has options."""

    name: str  # "chatmailctl user list"
    page: Path
    help: str

    @property
    def section(self):
        """The heading of the part of the page that is about it; None: the page has no other part."""
        words = self.name.split()
        return f"chatmailctl {words[1]}" if self.page.stem == "chatmailctl" else None


def page_of(name):
    own = [MAN / f"{name.replace(' ', '-')}.{section}" for section in (1, 8)]
    return next((page for page in own if page.exists()), MAN / "chatmailctl.1")


def commands():
    for name, path in PROGRAMS.items():
        if name != "chatmailctl":
            yield Command(name, page_of(name), help_of(BUILD / path))
    program = BUILD / PROGRAMS["chatmailctl"]
    for word in subcommands(help_of(program)):
        if word == "expire":  # runs the installed chatmail-expire
            continue
        page = page_of(f"chatmailctl {word}")
        text = help_of(program, word)
        verbs = subcommands(text)
        for verb in verbs:
            yield Command(f"chatmailctl {word} {verb}", page, help_of(program, word, verb))
        if not verbs:
            yield Command(f"chatmailctl {word}", page, text)
