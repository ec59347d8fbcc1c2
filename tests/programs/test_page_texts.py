"""The texts of the web pages: every language has all of them, words that fit their numbers, and its own typography."""

import os
import re
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("CHATMAIL_BUILD", SOURCE / "build" / "plain")) / "ctl" / "chatmailctl"
TEMPLATES = SOURCE / "packaging" / "config"
LANGUAGES = ("en", "de", "es", "fr", "ru", "fa")
PAGES = ("index", "invite", "privacy", "404", "busy")
# Texts that only counted words use; a language may need several of one word.
WORD = re.compile(r"(days|messages)(_[a-z]+)?")


def page(root, language, name, **ini):
    """A page's HTML, with this chatmail.ini."""
    (root / "etc").mkdir(exist_ok=True)
    lines = [f"{key} = {value}" for key, value in {"mail_domain": "relay.test", **ini}.items()]
    (root / "etc/chatmail.ini").write_text("\n".join(["[params]", *lines, ""]))
    command = [PROGRAM, "config", "show", "--root", root, "--templates", TEMPLATES, "--dovecot", "2.3"]
    done = subprocess.run([*command, f"www/{language}/{name}.html"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def texts(language):
    parser = RawConfigParser()
    parser.read(TEMPLATES / f"www/languages/{language}.ini", encoding="utf-8")
    return dict(parser["page"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_of_each_language(language):
    """The same as in English, with the same values and links."""
    ours, english = texts(language), texts("en")
    assert {name for name in ours if not WORD.fullmatch(name)} == {name for name in english if not WORD.fullmatch(name)}

    def parts(text):
        values = {value.split()[0] for value in re.findall(r"{{(.*?)}}", text)}
        return values, re.findall(r'href="(.*?)"', text)

    for name, text in english.items():
        if not WORD.fullmatch(name):
            assert parts(ours[name]) == parts(text), name


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_used(language):
    used = {"direction"}
    for path in (TEMPLATES / "www").glob("*.html"):
        used |= set(re.findall(r"{{(.*?)}}", path.read_text()))
    for text in texts(language).values():
        used |= {value.split()[-1] for value in re.findall(r"{{(.*?)}}", text)}
    assert {name for name in texts(language) if not name.startswith("title_")} <= used


# The texts with the words after "after", "for" and "send"; and which of their forms follows a number.
WORDS = {"de": ("days_dative", "days", "messages"), "ru": ("days", "days", "messages_genitive")}
FORMS = {
    **dict.fromkeys(("en", "de", "es", "fr"), {1: 0, 2: 1, 11: 1, 21: 1, 101: 1}),
    "ru": {1: 0, 2: 1, 4: 1, 5: 2, 11: 2, 12: 2, 20: 2, 21: 0, 22: 1, 101: 0, 112: 2},
    "fa": {1: 0, 2: 0, 21: 0},
}
COUNTED = ("delete_mails_after", "delete_large_after", "delete_inactive_users_after", "max_user_send_per_minute")


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_fit_their_numbers(tmp_path, language):
    """In the order of the page: after, after, messages, for."""
    after, during, messages = (texts(language)[name].split("|") for name in WORDS.get(language, ("days", "days", "messages")))
    for number, form in FORMS[language].items():
        text = page(tmp_path, language, "index", **dict.fromkeys(COUNTED, number))
        counted = re.findall(r"[0-9۰-۹]+\xa0(\w+)", re.sub("<svg.*?</svg>", "", text))
        words = [word for word in counted if word not in ("MB", "Mo", "МБ", "مگابایت")]
        assert words == [words_[form] for words_ in (after, after, messages, during)], number


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_privacy_policy_states_what_is_stored(tmp_path, language):
    """Postfix logs addresses, whatever log_addresses is; the limit of new accounts keeps a hash of the network."""
    ours = texts(language)
    usual, logged = page(tmp_path, language, "privacy"), page(tmp_path, language, "privacy", log_addresses="true")
    unlimited = page(tmp_path, language, "privacy", max_new_accounts_per_ip_per_hour=0)
    assert [ours["stored_addresses"] in text for text in (usual, logged)] == [True, False]
    assert [ours["addresses_logged"] in text for text in (usual, logged)] == [False, True]
    assert [ours["stored_networks"] in text for text in (usual, unlimited)] == [True, False]


@pytest.mark.parametrize("language", LANGUAGES)
def test_typography(language):
    for name, text in texts(language).items():
        text = re.sub("{{.*?}}", "N", re.sub("<[^>]*>", "", text))
        assert not re.search(r"  | $|'|\"|\.\.\.", text), name
        if language == "fr":
            assert not re.search("(?<!\u202f)[;!?]|(?<!\xa0):", text), name
        else:
            assert not re.search(r"\s[;!?:.,]", text), name
        if language == "ru":
            assert "–" not in text and not re.search("(?<!\xa0)—", text), name
        if language == "fa":
            # The prefix of verbs and the plural are joined by a zero-width non-joiner.
            assert not re.search(r"\b(ن?می) |\S ها(ی)?\b|[يك?,;0-9]", text), name


@pytest.mark.parametrize("domain, name", [("2001:db8::1", "2001:db8::1"), ("192.0.2.1", "192.0.2.1"), ("relay.test", "relay.test")])
def test_the_relays_name(tmp_path, domain, name):
    """Without the brackets of an address; between texts that are written from right to left, its direction is isolated."""
    for file in PAGES:
        for language in LANGUAGES:
            text = re.sub(r'href="[^"]*"', "", page(tmp_path, language, file, mail_domain=domain))
            assert text.count(name) >= 2
            assert f"[{name}]" not in text
            if language == "fa":
                assert text.count(name) == len(re.findall(f"(?:<bdi>|\u2068){re.escape(name)}(?:</bdi>|\u2069)", text))
