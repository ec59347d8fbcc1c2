"""--help and the man page of each program name the same options, letters, arguments and defaults."""

import re
from dataclasses import dataclass

import pytest

from support.help import MAN, PROGRAMS, commands, help_of, subcommands
from support.tree import BUILD

COMMANDS = list(commands())
PAGES = sorted({command.page for command in COMMANDS})
# chatmailctl(1) explains --config and --json once, at its beginning.
ONCE = {"help", "version", "config", "json"}
# "addr[@port]" in --help is "addr Ns Op @ Ns Ar port" in a page.
BRACKETS = str.maketrans("", "", "[]")


@dataclass(frozen=True)
class Option:
    name: str
    letter: str
    argument: str
    text: str
    verb: str = ""  # in a page: the command below which it stands


def options_of_help(command):
    """{name: Option}"""
    found = re.findall(
        r"^ {2}(?:-(\w),|   ) --([a-z-]+)(?: (\S+))?(?:  +|\n +)(.*(?:\n {7,}[^ -].*)*)", command.help, re.M
    )
    return {
        name: Option(name, letter, argument.lower().translate(BRACKETS), " ".join(text.split()))
        for letter, name, argument, text in found
    }


def words_of_mdoc(line):
    """[(macro, word)] for the words after Fl, Ar, Cm and Op. Ns joins a word to the one before it."""
    macro, words, join = "", [], False
    for word in line.split():
        if word in ("Fl", "Ar", "Cm", "Op"):
            macro = word
        elif word == "Ns":
            macro, join = "", True
        elif join:
            words[-1] = (words[-1][0], words[-1][1] + word)
            join = False
        else:
            words.append((macro, word))
    return words


def options_of_item(line, text, verb):
    """The options that one .It line names."""
    letter = name = argument = ""
    for macro, word in [*words_of_mdoc(line), ("Fl", "-")]:
        if macro == "Fl" and word != ",":
            if name:
                yield Option(name, letter, argument, text, verb)
                letter = name = argument = ""
            if word.startswith("-"):
                name = word[1:]
            else:
                letter = word
        elif macro in ("Ar", "Cm") and word != ",":
            argument += word


def lines_of_page(command):
    """The lines of the page that are about the command, after the synopsis."""
    text = command.page.read_text().partition("\n.Sh DESCRIPTION\n")[2]
    if command.section is not None:
        text = text.partition(f"\n.Ss {command.section}\n")[2]
        assert text, f"{command.page.name} has no section {command.section}"
        text = re.split(r"^\.S[sh] ", text, flags=re.MULTILINE)[0]
    return text.splitlines()


def options_of_page(command):
    """All Options that this part of the page explains, also for its other verbs."""
    lines = lines_of_page(command)
    verb, depth, verb_depth = "", 0, 0
    for number, line in enumerate(lines, 1):
        depth += line.startswith(".Bl ") - (line == ".El")
        if depth < verb_depth:
            verb, verb_depth = "", 0
        if line.startswith(".It Cm "):
            verb, verb_depth = line.split()[2], depth
        if line.startswith(".It Fl "):
            end = number
            while not re.match(r"\.(It|El)\b", lines[end]):
                end += 1
            yield from options_of_item(line[4:], "\n".join(lines[number:end]), verb)


def explained(command):
    """{name: Option} that the page explains for this command."""
    verbs = ("", command.name.split()[-1])
    return {option.name: option for option in options_of_page(command) if option.verb in verbs}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_page_explains_each_option_as_the_help_does(command):
    helped, paged = options_of_help(command), explained(command)
    assert set(helped) >= {"help", "version"}
    missing = set(helped) - set(paged)
    assert not missing - (ONCE if command.name.startswith("chatmailctl ") else set())
    for name in set(helped) & set(paged):
        assert (helped[name].letter, helped[name].argument) == (paged[name].letter, paged[name].argument), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_explains_no_option_that_does_not_exist(page):
    known = {
        (command.section, verb, name)
        for command in COMMANDS if command.page == page
        for name in options_of_help(command)
        for verb in ("", command.name.split()[-1])
    }
    told = {
        (command.section, option.verb, option.name)
        for command in COMMANDS if command.page == page
        for option in options_of_page(command)
    }
    assert told and told <= known
    mentioned = re.findall(r"\bFl -([a-z][a-z-]+)|--([a-z][a-z-]+)", page.read_text())
    assert {"".join(names) for names in mentioned} <= {name for _, _, name in known} | ONCE


def test_page_has_a_section_for_each_command():
    page = (MAN / "chatmailctl.1").read_text()
    headings = re.findall(r"^\.Ss chatmailctl (.*)$", page, re.MULTILINE)
    listed = subcommands(help_of(BUILD / PROGRAMS["chatmailctl"]))
    assert sorted(listed) == sorted(name for heading in headings for name in heading.split(", "))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_defaults_agree(command):
    """A default that is a value, not a description, is in both texts."""
    helped, paged = options_of_help(command), explained(command)
    for name in set(helped) & set(paged):
        for value in re.findall(r"\(([^ ()]+)\)$|default is (\w+)", helped[name].text):
            assert re.search(rf"\s{re.escape(''.join(value))}\b", paged[name].text), (name, value)
        for value in re.findall(r"default is(?:\n\.\w\w | )([/\d][\w/.]*\w|\d)", paged[name].text):
            assert value in helped[name].text, (name, value)
        for value in re.findall(r"default is\n\.(?:Sy|Cm|Li) (\w+)", paged[name].text):
            assert value in helped[name].text, (name, value)


def is_about(form, command):
    """A form of a synopsis names the words of the command: ".Cm certificate check | deployed"."""
    words = re.sub(r"^\.(Nm|Cm) ?", "", form.partition("\n.Op")[0], flags=re.MULTILINE).split()
    return set(command.name.split()) <= {"chatmailctl" if command.page.suffix == ".1" else command.name, *words}


def synopsis_of_page(command):
    """(the options, the operands) in the forms of the page's synopsis for the command."""
    text = command.page.read_text().partition(".Sh SYNOPSIS\n")[2].partition("\n.Sh ")[0]
    forms = re.split(r"^(?=\.Nm)", text, flags=re.MULTILINE)
    form = "".join(form for form in forms if form and is_about(form, command))
    flags = {
        word for line in form.splitlines() for macro, word in words_of_mdoc(line.replace(".", "", 1)) if macro == "Fl" and word != "|"
    }
    options = {word[1:] for word in flags if word.startswith("-")}
    options |= {letter for word in flags if not word.startswith("-") for letter in word}
    operands = re.findall(r"^\.(?:Op )?Ar (.*)$", form, re.MULTILINE)
    return options, {word for line in operands for word in re.findall(r"[a-z]+", re.sub(r"\bAr\b", "", line))}


def synopsis_of_help(command):
    text = command.help.partition("\n\n")[0].replace("usage:", "").replace(command.name, "")
    options = re.findall(r"(?<!\w)--?([a-z][a-z-]*)", text)
    rest = re.sub(r"(?<!\w)--?[a-z][a-z-]*(?: [A-Za-z|]+)?", "", text)
    return set(options), {word.lower() for word in re.findall(r"[A-Z]+", rest)}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_synopses_are_complete(command):
    """Each names every option, or says that there are options; both name the same operands."""
    known = [{option.name, option.letter} - {""} for option in options_of_help(command).values()]
    in_help, operands_in_help = synopsis_of_help(command)
    in_page, operands_in_page = synopsis_of_page(command)
    for options, operands in ((in_help, operands_in_help), (in_page, operands_in_page)):
        assert options <= set().union(*known)
        if "option" not in operands:
            assert not [names for names in known if not names & (options | {"help", "version"})]
    assert operands_in_help - {"option"} <= operands_in_page - {"option"}
