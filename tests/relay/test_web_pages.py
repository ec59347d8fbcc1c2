"""The web pages and the files that nginx serves beside them."""

import re
from datetime import datetime, timedelta, timezone
from xml.etree import ElementTree

import pytest
from support.wait import eventually
from test_web import ODD, request

LANGUAGES = ["en", "de", "es", "fr", "ru", "fa"]


@pytest.fixture(scope="module")
def pages(make_relay):
    """An operator who publishes a name and a start page of their own."""
    relay = make_relay(ini={
        "privacy_postal": "Example <e.V.>, Street 1",
        "privacy_mail": "privacy@relay.test",
        "privacy_pdo": "Data & Co",
        "privacy_supervisor": "The Authority",
    })  # fmt: skip
    return relay


@pytest.mark.parametrize("header, language", [
    ("", "en"), ("de", "de"), ("de-CH,fr;q=0.5", "de"), ("fa-IR", "fa"), ("ru,en", "ru"), ("xx", "en"), ("FR", "fr"),
    ("sv,de;q=0.8,en;q=0.5", "de"), ("sv-SE, xx;q=0.9, ru-RU;q=0.8", "ru"), ("en-GB,de", "en"), ("defoo,fr", "fr"),
    ("x," * 5000 + "es", "es"),
    ("de;q=0.5,fr;q=0.9", "fr"), ("de;q=0.1,es;q=0.15,fa;q=0.05", "de"), ("en;q=0.8, ru", "ru"),
    ("fa;q=0.001,de;q=0", "fa"), ("de;q=0,fr", "fr"), ("de;q=0.000, es;q=0.0", "en"), ("de; q=0.3 ,FA ; Q = 0.4", "fa"),
    ("fr;q=1.000,de", "fr"), ("de;q=2,es;q=x,fr;q=0.1", "fr"), ("*,ru;q=0.2", "ru"), ("en;q=0", "en"),
    ("de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7", "de"), ("de;q=0" + "," * 7000 + "fr;q=0.5", "fr"),
])
def test_language_by_header(pages, header, language):
    for path in ("/", "/privacy", "/invite"):
        answer = request(pages, "GET", path, {"Accept-Language": header})
        assert answer.status == 200
        assert f'<html lang="{language}"' in answer.text
        assert "Accept-Language" in answer.headers.get_all("Vary")
    answer = request(pages, "GET", "/nothing/here", {"Accept-Language": header})
    assert answer.status == 404
    assert f'<html lang="{language}"' in answer.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_of_each_language(pages, language):
    for name in ("", "privacy", "invite"):
        answer = request(pages, "GET", f"/{language}/{name}", {"Accept-Language": "xx"})
        assert answer.status == 200
        assert len(answer.text.encode()) < 50_000
        assert f'<html lang="{language}" dir="{"rtl" if language == "fa" else "ltr"}">' in answer.text
        for other in LANGUAGES:
            assert f'href="/{other}/{name}"' in answer.text
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")
        assert "{{" not in answer.text and "<e.V.>" not in answer.text
    privacy = request(pages, "GET", f"/{language}/privacy").text
    for words in ("Example &lt;e.V.&gt;, Street 1", "privacy@relay.test", "Data &amp; Co", "The Authority"):
        assert words in privacy


def prose(text):
    """What a reader reads, without markup, style, addresses and the operator's own texts."""
    return re.sub(r"<bdi>.*?</bdi>|<svg.*?</svg>|<head>.*?</head>|<[^>]*>|relay\.test", "", text, flags=re.DOTALL).replace("\xa0", " ")


def test_numbers_in_the_readers_digits(pages):
    """delete_mails_after and the like: Persian readers expect other digits."""
    english = [prose(request(pages, "GET", f"/en/{name}").text) for name in ("", "privacy")]
    persian = [prose(request(pages, "GET", f"/fa/{name}").text) for name in ("", "privacy")]
    assert "20 days" in english[0] and "500 MB" in english[0]
    assert "۲۰ روز" in persian[0] and "۵۰۰ مگابایت" in persian[0] and "۹۰ روز" in persian[1]
    for text in persian:
        assert not re.findall("[0-9]", text)


@pytest.mark.parametrize("path", ["/", "/en/", "/de/privacy", "/invite", "/style.css", "/invite.js", "/icon.svg"])
def test_browsers_ask_whether_a_page_has_changed(pages, path):
    """Otherwise they decide themselves for how many days they show a page from before `config apply`."""
    answer = request(pages, "GET", path)
    assert answer.headers.get_all("Cache-Control") == ["no-cache"]
    assert "Strict-Transport-Security" in answer.headers
    assert request(pages, "GET", path, {"If-None-Match": answer.headers["ETag"]}).status == 304


def test_answers_with_accounts_are_stored_nowhere(pages):
    for method, path in (("POST", "/new"), ("GET", "/new"), ("POST", "/invite/qr")):
        assert request(pages, method, path).headers.get_all("Cache-Control") == ["no-store"]


@pytest.mark.parametrize("path", ["/privacy", "/invite", "/de/privacy", "/fa/invite"])
def test_a_slash_at_the_end(pages, path):
    """A redirect would be to nginx's own port."""
    answer = request(pages, "GET", f"{path}/", {"Accept-Language": "en"})
    assert answer.status == 200
    assert answer.text == request(pages, "GET", path, {"Accept-Language": "en"}).text


def test_an_invitation_whose_link_was_changed(pages):
    """Some programs encode the '#', so that browsers send the token. It is in no log, and the page gets it."""
    token = "abcdefghijkmnpqrstuvwxyz23"
    for path in ("/invite", "/de/invite"):
        for between in ("%23", "/", "/%23", "?", "/?", "%3F"):
            answer = request(pages, "GET", f"{path}{between}{token}")
            if between == "%3F":
                assert answer.status == 404
            elif "?" in between:
                assert answer.status == 200
            else:
                assert (answer.status, answer.headers["Location"]) == (302, f"{path}#{token}")
    request(pages, "GET", f"/invite%23{token.upper()}x")
    request(pages, "POST", "/invite/qr", body=token)
    eventually(lambda: "200 POST /invite/qr" in pages.log("nginx-access"))
    assert token not in pages.log("nginx-access").lower()


def test_pages_load_nothing_from_other_sites(pages):
    for path in ("/", "/privacy", "/invite"):
        text = request(pages, "GET", path).text
        assert not re.findall(r'(?:src|action|<link[^>]* href)="(?!/)[^"]*"', text)
    for path, kind in (("/style.css", "text/css"), ("/invite.js", "application/javascript"), ("/icon.svg", "image/svg+xml")):
        answer = request(pages, "GET", path)
        assert answer.status == 200
        assert answer.headers["Content-Type"].split(";")[0] == kind


def test_the_button_links_to_new(pages):
    text = request(pages, "GET", "/").text
    assert f'href="dcaccount:{pages.settings["web_url"]}/new"' in text


@pytest.mark.parametrize("mode", ["invite", "closed"])
def test_without_open_registration_there_is_no_button(make_relay, mode):
    others = ["postfix", "dovecot", "opendkim", "milter", "notifyd"]
    relay = make_relay(ini={"registration": mode}, without=others)
    text = request(relay, "GET", "/").text
    assert "dcaccount:" not in text and "<svg" not in text
    assert ("invitation" if mode == "invite" else "new profiles") in text


@pytest.mark.parametrize("name", ["pages", f"pages{ODD}x"])
def test_operators_own_pages(make_relay, name):
    others = ["postfix", "dovecot", "opendkim", "milter", "notifyd"]
    relay = make_relay(ini={"www_folder": f"/etc/{name}"}, without=others)
    folder = relay.path(f"/etc/{name}")
    folder.mkdir()
    (folder / "index.html").write_text("<h1>Mine</h1>")
    (folder / "rules.html").write_text("Be kind")
    assert request(relay, "GET", "/").text == "<h1>Mine</h1>"
    assert request(relay, "GET", "/rules").text == "Be kind"
    assert "Welcome to" in request(relay, "GET", "/en/").text
    assert request(relay, "GET", "/privacy", {"Accept-Language": "de"}).status == 200
    assert request(relay, "GET", "/nothing").status == 404


def test_qr_of_an_invitation(pages):
    token = "abcdefghijkmnpqrstuvwxyz23"
    answer = request(pages, "POST", "/invite/qr", {"Host": f"relay.test:{pages.ports['https_port']}"}, body=token)
    assert answer.status == 200
    assert answer.headers["Content-Type"].split(";")[0] == "image/svg+xml"
    assert answer.text.startswith("<svg ")
    for wrong in ("", "x", token.upper(), token + "\n", token[:-1] + "\0", "a" * 60):
        assert request(pages, "POST", "/invite/qr", body=wrong).status == 400
    assert token not in pages.log("nginx-access") + pages.log("httpd")


# Files that clients and other relays look up


@pytest.mark.parametrize("path", ["/.well-known/autoconfig/mail/config-v1.1.xml", "/mail/config-v1.1.xml"])
@pytest.mark.parametrize("host", ["relay.test", "autoconfig.relay.test"])
def test_autoconfig(pages, host, path):
    answer = request(pages, "GET", f"{path}?emailaddress=a@relay.test", {"Host": host})
    assert answer.status == 200
    assert answer.headers["Content-Type"].split(";")[0] in ("application/xml", "text/xml")
    provider = ElementTree.fromstring(answer.text).find("emailProvider")
    assert provider.find("domain").text == "relay.test"

    def servers(kind):
        return [
            (server.find("hostname").text, int(server.find("port").text), server.find("socketType").text)
            for server in provider.findall(kind)
        ]

    assert servers("incomingServer") == [
        ("relay.test", pages.ports["imaps_port"], "SSL"),
        ("relay.test", pages.ports["imap_port"], "STARTTLS"),
        ("relay.test", pages.ports["https_port"], "SSL"),
    ]
    assert servers("outgoingServer") == [
        ("relay.test", pages.ports["smtps_port"], "SSL"),
        ("relay.test", pages.ports["submission_port"], "STARTTLS"),
        ("relay.test", pages.ports["https_port"], "SSL"),
    ]
    assert {name.text for name in provider.iter("username")} == {"%EMAILADDRESS%"}


def test_text_files(pages):
    policy = request(pages, "GET", "/.well-known/mta-sts.txt", {"Host": "mta-sts.relay.test"})
    assert policy.headers["Content-Type"].split(";")[0] == "text/plain"
    assert policy.text == "version: STSv1\nmode: enforce\nmx: relay.test\nmax_age: 2419200\n"
    contact = request(pages, "GET", "/.well-known/security.txt").text
    assert "Contact: mailto:privacy@relay.test\n" in contact
    [expires] = re.findall(r"Expires: (\S+)Z", contact)
    ahead = datetime.fromisoformat(expires) - datetime.now(timezone.utc).replace(tzinfo=None)
    assert timedelta(days=100) < ahead < timedelta(days=370)
    assert "Disallow: /invite" in request(pages, "GET", "/robots.txt").text
