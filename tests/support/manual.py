"""The code blocks of the manual, which the tests run."""

import re
from support.tree import SOURCE


TEXT = (SOURCE / "docs/manual.md").read_text()


def block(beginning):
    """The code block that begins with this text."""
    blocks = re.findall(r"^```\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    [found] = [block for block in blocks if block.startswith(beginning)]
    return found


def section(heading):
    """The text between a heading of the third level and the next heading."""
    return re.split(r"^##", TEXT.split(f"\n### {heading}\n")[1], flags=re.MULTILINE)[0]


def five_commands(heading):
    """The commands of the one code block with five lines below a heading."""
    blocks = re.findall(r"^```\n(.*?)^```", section(heading), re.MULTILINE | re.DOTALL)
    [commands] = [block.splitlines() for block in blocks if block.count("\n") == 5]
    return commands
