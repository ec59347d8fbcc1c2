"""Each command line of our programs in the manual is one that the program accepts."""

import re
import shlex

import pytest

from support.help import PROGRAMS, help_of, subcommands
from support.manual import TEXT
from support.tree import BUILD


def command_lines():
    """(program, arguments) from the code blocks, and from what the text quotes."""
    block = re.compile(r"^ *```\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
    lines = "".join(block.findall(TEXT)).replace("\\\n", " ").splitlines()
    lines += re.findall(r"`(chatmail[^`]*)`", block.sub("", TEXT))
    for line in lines:
        found = re.match(rf"\s*(?:podman exec relay )?({'|'.join(PROGRAMS)})(?= |$)(?! [:=])(.*)", " ".join(line.split()))
        if found:
            yield found.group(1), re.split(r"\s#|[;>]|&&|\s\|\s", found.group(2))[0].strip()


LINES = sorted(set(command_lines()))


@pytest.mark.parametrize("program, arguments", LINES, ids=[" ".join(line) for line in LINES])
def test_options_and_subcommands_exist(program, arguments):
    words = shlex.split(arguments, comments=True)
    path = []
    if program == "chatmailctl":
        while words and not words[0].startswith("-"):
            known = subcommands(help_of(BUILD / PROGRAMS[program], *path))
            if not known:
                break
            assert words[0] in known
            path.append(words.pop(0))
    options = help_of(BUILD / PROGRAMS[program], *path)
    for word in words:
        if word.startswith("-"):
            assert re.search(rf"(?<![\w-]){re.escape(word.split('=')[0])}(?![\w-])", options), word
