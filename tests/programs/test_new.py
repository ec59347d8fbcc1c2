"""POST /new of chatmail-httpd: accounts over the web, whose addresses it trusts, and what it
refuses. test_new_http.py sends hostile requests."""

import json
import random
import re
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from support.wait import eventually
from support.web import Answer, UnixConnection


def verify(password, stored):
    """True if the stored hash matches the password, by openssl's own implementation."""
    scheme, _, salt, _ = stored.split("$")
    made = subprocess.run(
        ["openssl", "passwd", "-6", "-salt", salt, password], capture_output=True, text=True, check=True
    ).stdout.strip()
    return scheme == "{SHA512-CRYPT}" and stored == "{SHA512-CRYPT}" + made


def test_an_account_is_created(web):
    answer = web.post()
    assert answer.status == 200
    assert set(answer.json) == {"email", "password"}
    address, password = answer.json["email"], answer.json["password"]
    assert re.fullmatch(r"[a-z0-9]{9}@relay\.test", address)
    assert re.fullmatch(r"[A-Za-z0-9]{22}", password)
    assert web.accounts() == {address}
    mailbox = web.mailboxes / address
    assert verify(password, (mailbox / "password").read_text())
    assert (mailbox / "enforceE2EEincoming").exists()
    assert (mailbox / "password").stat().st_mode & 0o777 == 0o600
    assert answer.headers["cache-control"] == "no-store"
    assert address not in web.log and password not in web.log


@pytest.mark.parametrize("path", ["/new", "/cgi-bin/newemail.py"])
def test_both_paths(web, path):
    assert web.post(path).status == 200
    answer = web.request("GET", path)
    assert (answer.status, answer.headers["location"]) == (301, "dcaccount:https://relay.test/new")


def test_names_and_passwords_as_configured(make_web):
    web = make_web(username_min_length=12, username_max_length=12, password_min_length=40)
    answer = web.post().json
    assert re.fullmatch(r"[a-z0-9]{12}@relay\.test", answer["email"])
    assert len(answer["password"]) == 40


TOKEN = "abcdefghijkmnpqrstuvwxyz23"


def test_a_relay_with_a_self_signed_certificate_adds_a_login_link(make_web):
    web = make_web(mail_domain="[192.0.2.1]")
    answer = web.post().json
    name = answer["email"].split("@")[0]
    assert answer["email"] == f"{name}@[192.0.2.1]"
    assert answer["dclogin_url"] == f"dclogin:{name}@%5B192.0.2.1%5D?p={answer['password']}&v=1&ih=192.0.2.1&sh=192.0.2.1&ic=3"
    assert make_web(mail_domain="_relay.test").post().json["dclogin_url"].endswith("&v=1&ic=3")


def test_a_login_link_with_the_operators_parameters(make_web):
    web = make_web(dclogin_parameters="ih=127.0.0.1&ip=2993&is=ssl&sh=127.0.0.1&sp=2465&ss=ssl&ic=3")
    parameters = web.ini["dclogin_parameters"]
    answer = web.post().json
    assert answer["dclogin_url"] == f"dclogin:{answer['email']}?p={answer['password']}&v=1&{parameters}"
    before = web.accounts()
    answer = web.request("GET", "/new")
    assert answer.status == 303
    assert re.fullmatch(rf"dclogin:[a-z0-9]{{9}}@relay\.test\?p=[A-Za-z0-9]{{22}}&v=1&{re.escape(parameters)}", answer.headers["location"])
    assert web.request("GET", "/new/qr.svg").body.startswith(b"<svg ")
    # A GET creates no account.
    assert web.accounts() == before


def test_no_login_qr_where_clients_request_accounts_themselves(web):
    assert web.request("GET", "/new/qr.svg").status == 404


@pytest.mark.parametrize("mode", ["invite", "closed"])
def test_login_links_only_if_registration_is_open(make_web, mode):
    web = make_web(mail_domain="[192.0.2.1]", registration=mode)
    for query, where in (("", "/"), (f"?{TOKEN}", f"/invite#{TOKEN}"), ("?x", "/")):
        answer = web.request("GET", f"/new{query}")
        assert (answer.status, answer.headers["location"]) == (303, where)
    assert web.request("GET", "/new/qr.svg").status == 404


# Refusals


def refused(web, status, *words, target="/new"):
    answer = web.post(target)
    assert answer.status == status
    assert set(answer.json) == {"reason"}
    assert all(word in answer.json["reason"] for word in words), answer.json
    assert not web.accounts()
    return answer


def test_closed(make_web):
    refused(make_web(registration="closed"), 403, "does not accept new accounts")


def test_by_invitation_only(make_web):
    web = make_web(registration="invite")
    refused(web, 403, "by invitation only", "ask the operator")
    refused(web, 403, "not valid", target=f"/new?{TOKEN}")
    refused(web, 403, "not valid", target="/new?" + "a" * 100)


@pytest.mark.parametrize("ini, status", [
    ({"max_load_1m": "0.000001"}, 503), ({"min_available_memory": "90000G"}, 503),
    ({"min_free_disk_space": "90000000G"}, 507),
])  # fmt: skip
def test_registration_refused_for_lack_of_resources(make_web, ini, status):
    web = make_web(**ini)
    if "max_load_1m" in ini and open("/proc/loadavg").read().startswith("0.00 "):
        pytest.skip("this machine has no load at all")
    refused(web, status, "again")


def test_internal_errors_are_temporary(web):
    shutil.rmtree(web.mailboxes)
    answer = web.post()
    assert answer.status == 503
    assert "again later" in answer.json["reason"]
    eventually(lambda: "error: no new account" in web.log)


def test_each_address_has_its_own_limit(make_web):
    web = make_web(max_new_accounts_per_ip_per_hour=2)
    for source in ("192.0.2.1", "192.0.2.2", "2001:db8::1"):
        assert [web.post(source=source).status for _ in range(3)] == [200, 200, 429]
    answer = web.post(source="192.0.2.1")
    assert "try again later" in answer.json["reason"]
    assert int(answer.headers["retry-after"]) > 0
    # The /64 counts as one client.
    assert web.post(source="2001:db8::2").status == 429
    assert web.post(source="2001:db8:0:1::2").status == 200
    assert len(web.accounts()) == 7


@pytest.mark.parametrize("forged", [
    "192.0.2.{i}, 198.51.100.1", "192.0.2.{i},198.51.100.1", "x{i},,, \t198.51.100.1 ",
])
def test_only_the_proxys_header_field_counts(make_web, forged):
    web = make_web(max_new_accounts_per_ip_per_hour=2)
    statuses = [web.post(source=forged.format(i=i)).status for i in range(4)]
    assert statuses == [200, 200, 429, 429]
    assert web.post(source="198.51.100.1").status == 429


def test_the_last_of_several_fields_counts(make_web):
    web = make_web(max_new_accounts_per_ip_per_hour=1)
    for i in range(3):
        answer = web.raw(
            b"POST /new HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"
            b"X-Forwarded-For: 192.0.2.%d\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n" % i
        )
        assert answer.startswith(b"HTTP/1.1 200" if i == 0 else b"HTTP/1.1 429")


@pytest.mark.parametrize("nonsense", ["", "nobody", "1.2.3", "192.0.2.1:80", "[::1]", "a" * 5000])
def test_without_an_address_all_share_one_limit(make_web, nonsense):
    web = make_web(max_new_accounts_per_ip_per_hour=1)
    assert web.post().status == 200
    assert web.post(source=nonsense).status == 429


def test_what_is_refused_does_not_count(make_web):
    web = make_web(registration="invite", max_new_accounts_per_ip_per_hour=1)
    for _ in range(5):
        assert web.post(f"/new?{TOKEN}", source="192.0.2.1").status == 403
    [invitation] = web.invite()
    assert web.post("/new?" + invitation["token"], source="192.0.2.1").status == 200


def test_a_thousand_requests_at_once(make_web):
    """Each request gets its own account or a clean refusal. All connections are open before the
    first request."""
    web = make_web(max_new_accounts_per_minute=900)
    connected = Barrier(1000, timeout=120)

    def ask(_):
        connection = UnixConnection(web.socket)
        connection.connect()
        connected.wait()
        connection.request("POST", "/new")
        answer = Answer(connection.getresponse())
        connection.close()
        return answer

    with ThreadPoolExecutor(1000) as pool:
        answers = list(pool.map(ask, range(1000)))
    made = [answer.json["email"] for answer in answers if answer.status == 200]
    assert {answer.status for answer in answers} <= {200, 429}
    assert 900 <= len(made) == len(set(made))
    assert set(made) == web.accounts()


@pytest.mark.parametrize("mode", ["open", "invite"])
def test_no_name_is_given_twice(make_web, mode):
    """There are 36 names of one character, so that most attempts find one that exists."""
    web = make_web(registration=mode, username_min_length=1, username_max_length=1)
    query = "?" + web.invite("--uses", "200")[0]["token"] if mode == "invite" else ""
    answers = [web.post(f"/new{query}") for _ in range(80)]
    assert {answer.status for answer in answers} == {200, 503}
    passwords = {answer.json["email"]: answer.json["password"] for answer in answers if answer.status == 200}
    assert len(passwords) == [answer.status for answer in answers].count(200) > 18
    assert set(passwords) == web.accounts()
    for address, password in passwords.items():
        assert verify(password, (web.mailboxes / address / "password").read_text())
    if mode == "invite":
        [invitation] = web.invitations().values()
        assert invitation["left"] == 200 - len(passwords)


# Invitations


def test_an_invitation_creates_as_many_accounts_as_it_allows(make_web):
    web = make_web(registration="invite")
    [invitation] = web.invite("--uses", "2", "--note", "for Alice")
    token = invitation["token"]
    assert re.fullmatch(r"[a-z2-9]{26}", token)
    assert invitation["link"] == f"https://relay.test/invite#{token}"
    assert web.invitations()[invitation["id"]]["left"] == 2
    assert [web.post(f"/new{query}{token}").status for query in ("?", "?t=", "?")] == [200, 200, 403]
    assert len(web.accounts()) == 2
    listed = web.invitations()[invitation["id"]]
    assert (listed["uses"], listed["left"], listed["note"]) == (2, 0, "for Alice")


def test_lists_for_people_and_for_programs(make_web):
    web = make_web(registration="invite")
    used, other = web.invite("--count", "2", "--uses", "3", "--note", "Ann & Tom")
    web.post(f"/new?{used['token']}")
    whole = web.ctl("invite", "list", "-c", web.ini_file).stdout
    one = web.ctl("invite", "show", "-c", web.ini_file, used["id"]).stdout
    assert used["id"] in whole and other["id"] in whole and "Ann & Tom" in whole
    assert re.search(rf"^{used['id']} +2 of 3 .* Ann & Tom$", one, re.MULTILINE) and other["id"] not in one
    [shown] = json.loads(web.ctl("invite", "show", "-c", web.ini_file, "--json", used["id"]).stdout)["invitations"]
    assert shown == web.invitations()[used["id"]]
    assert (shown["uses"], shown["left"], shown["note"]) == (3, 2, "Ann & Tom")
    # The batch has one end; each of its invitations is created some moments later.
    assert 0 <= shown["created"] + 7 * 86400 - shown["expires"] < 60
    for command in ("show", "revoke"):
        absent = web.ctl("invite", command, "-c", web.ini_file, "0123456789ab", check=False)
        assert absent.returncode == 1 and "invitation 0123456789ab: does not exist" in absent.stderr


def test_columns_of_the_list(make_web):
    web = make_web(registration="invite")
    web.invite("--uses", "10000", "--note", "Ann")
    web.invite("--expires", "never", "--note", "Tom")
    head, *rows = web.ctl("invite", "list", "-c", web.ini_file).stdout.splitlines()
    assert len(rows) == 2
    for row in rows:
        assert re.fullmatch(r"[0-9a-f]{12} +(1 of 1|10000 of 10000)  (never|\d{4}-\d\d-\d\d .*?) +(Ann|Tom)", row)
        assert row.index(" of ") < head.index("LEFT") + len("LEFT") == head.index("EXPIRES") - 2
        assert row[head.index("EXPIRES") - 3] in "01" and row[head.index("EXPIRES")] in "n2"
        assert row[head.index("NOTE"):] in ("Ann", "Tom")


@pytest.mark.parametrize("mode, warning", [
    ("invite", None), ("open", "registration is open, so invitations are not needed"),
    ("closed", "registration is closed, so invitations create no accounts"),
])  # fmt: skip
def test_warning_about_useless_invitations(make_web, mode, warning):
    web = make_web(registration=mode)
    output = web.ctl("invite", "create", "-c", web.ini_file).stderr
    assert (f"warning: {web.ini_file}: {warning}" in output) if warning else output == ""


def test_a_sheet_is_not_json(make_web):
    web = make_web(registration="invite")
    refused = web.ctl("invite", "create", "-c", web.ini_file, "--json", "--sheet", check=False)
    assert refused.returncode == 2 and "only one of them" in refused.stderr
    assert web.invitations() == {}


def test_the_token_is_stored_nowhere(make_web):
    web = make_web(registration="invite")
    token = web.invite("--uses", "3")[0]["token"]
    web.post(f"/new?{token}")
    web.post(f"/new?{token[:-1]}a")
    for path in web.directory.rglob("*"):
        assert token not in path.name
        assert not path.is_file() or token.encode() not in path.read_bytes()


def test_a_revoked_or_expired_invitation_is_not_valid(make_web):
    web = make_web(registration="invite")
    revoked, kept = web.invite("--count", "2", "--uses", "5")
    assert web.post(f"/new?{revoked['token']}").status == 200
    done = web.ctl("invite", "revoke", "-c", web.ini_file, "--json", revoked["id"])
    assert json.loads(done.stdout) == {"revoked": [revoked["id"]]}
    assert web.post(f"/new?{revoked['token']}").status == 403
    assert set(web.invitations()) == {kept["id"]}
    assert web.post(f"/new?{kept['token']}").status == 200
    [expired] = web.invite("--expires", "1s")
    eventually(lambda: web.post(f"/new?{expired['token']}").status == 403)


def test_open_registration_uses_up_no_invitation(make_web):
    web = make_web()
    [invitation] = web.invite()
    for _ in range(2):
        assert web.post(f"/new?{invitation['token']}").status == 200
    assert web.invitations()[invitation["id"]]["left"] == 1


def test_fifty_requests_at_once_share_an_invitation(make_web):
    web = make_web(registration="invite")
    [invitation] = web.invite("--uses", "20")
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: web.post(f"/new?{invitation['token']}"), range(50)))
    made = {answer.json["email"] for answer in answers if answer.status == 200}
    assert len(made) == 20
    assert [answer.status for answer in answers].count(403) == 30
    assert made == web.accounts()
    assert web.invitations()[invitation["id"]]["left"] == 0


def test_killed_at_any_moment(make_web):
    """The number of used-up uses always equals the number of accounts."""
    web = make_web(registration="invite")
    [invitation] = web.invite("--uses", "400")
    token = invitation["token"]

    def ask(_):
        try:
            return web.post(f"/new?{token}").status
        except OSError:
            return None  # chatmail-httpd was killed

    for round_ in range(25):
        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(ask, i) for i in range(8)]
            # Kill it a few accounts later each time.
            eventually(lambda: any(future.done() for future in asked) or round_ % 2)
            web.process.kill()
            web.process.wait()
        left = web.invitations()[invitation["id"]]["left"]
        assert len(web.accounts()) == 400 - left
        web.start()
    # Remains of killed instances are used like any other.
    while (answer := web.post(f"/new?{token}")).status == 200:
        pass
    assert answer.status == 403
    assert len(web.accounts()) == 400


def test_guessed_tokens_are_refused(make_web):
    web = make_web(registration="invite")
    web.invite("--count", "3")
    with ThreadPoolExecutor(20) as pool:
        tokens = {"".join(random.choices("abcdefghijkmnpqrstuvwxyz23456789", k=26)) for _ in range(2000)}
        assert {answer.status for answer in pool.map(lambda t: web.post(f"/new?{t}"), tokens)} == {403}
    # The guesses make neither the log nor the disk grow.
    assert web.log.count("no new account") <= 3
    assert len(list(web.mailboxes.rglob("*"))) < 20


def test_the_socket_of_a_killed_instance_is_replaced(web):
    web.stop(signal.SIGKILL)
    assert web.socket.exists()
    web.start()
    assert web.post().status == 200
    assert web.stop() == 0
    assert not web.socket.exists()
