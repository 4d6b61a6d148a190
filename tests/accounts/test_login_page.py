"""The login form."""

import pytest

from app.accounts.pages.login import SIGN_INS_PER_MINUTE, WRONG, own_path
from app.accounts.principal import Role
from tests.accounts.conftest import PASSWORD, Browse, MakeAccount, MovableClock


def test_a_stranger_is_led_to_the_form_and_back(browse: Browse, make_account: MakeAccount) -> None:
    make_account("anna")
    client = browse()
    answer = client.get("/page?a=1")
    assert answer.headers["location"] == "/login?next=%2Fpage%3Fa%3D1"
    form = client.get(answer.headers["location"]).text
    assert 'name="next" value="/page?a=1"' in form
    data = {"username": "anna", "password": PASSWORD, "next": "/page?a=1"}
    assert client.post("/login", data=data).headers["location"] == "/page?a=1"


def test_who_is_signed_in_goes_on(browse: Browse, make_account: MakeAccount) -> None:
    make_account("anna")
    assert browse("anna").get("/login?next=/page").headers["location"] == "/page"


@pytest.mark.parametrize("path", ["/", "/page", "/page?x=1&y=2", "/a/b-c"])
def test_own_paths(path: str) -> None:
    assert own_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "page",
        "//evil.example",
        "/\\evil.example",
        "/page\\..\\x",
        "https://evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/page\r\nSet-Cookie: x=1",
        "/login",
        "/logout",
        "/" + "x" * 2000,
    ],
)
def test_no_other_path_is_followed(path: str) -> None:
    assert own_path(path) == ""


def test_a_refusal_keeps_the_name_and_not_the_password(
    browse: Browse, make_account: MakeAccount
) -> None:
    make_account("anna")
    data = {"username": "anna", "password": "wrong password"}
    answer = browse().post("/login", data=data)
    assert answer.status_code == 422
    assert WRONG in answer.text
    assert 'value="anna"' in answer.text
    assert "wrong password" not in answer.text


def test_the_name_is_shown_as_text(browse: Browse) -> None:
    answer = browse().post("/login", data={"username": '"><script>', "password": "whatever it is"})
    assert "<script>" not in answer.text.replace('<script type="module"', "")


def test_unknown_and_known_names_get_the_same_page(
    browse: Browse, make_account: MakeAccount
) -> None:
    make_account("anna")
    known = browse().post("/login", data={"username": "anna", "password": "wrong password"})
    unknown = browse().post("/login", data={"username": "bert", "password": "wrong password"})
    assert known.text.replace("anna", "bert") == unknown.text


def test_locked_says_until_when(browse: Browse, make_account: MakeAccount) -> None:
    make_account("anna")
    client = browse()
    for _ in range(3):
        answer = client.post("/login", data={"username": "anna", "password": "wrong password"})
    assert answer.status_code == 422
    assert "10:16 之后再试" in answer.text  # 10:00 in Shanghai, and 15 minutes, rounded up


def test_tries_of_one_address_are_limited(browse: Browse, clock: MovableClock) -> None:
    client = browse()
    data = {"username": "not a name", "password": "whatever it is"}
    for _ in range(SIGN_INS_PER_MINUTE):
        assert client.post("/login", data=data).status_code == 422
    answer = client.post("/login", data=data)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"
    assert browse(ip="10.0.0.2").post("/login", data=data).status_code == 422
    clock.move(seconds=1)
    assert client.post("/login", data=data).status_code == 422


def test_nothing_changes_by_get(browse: Browse, make_account: MakeAccount) -> None:
    make_account("anna", Role.ADMIN)
    client = browse("anna")
    assert client.get("/logout").status_code == 405
    assert client.get("/page").status_code == 200


def test_an_unknown_address_leads_home_who_is_signed_in_and_others_to_the_form(
    browse: Browse, make_account: MakeAccount
) -> None:
    make_account("anna")
    mine = browse("anna").get("/nowhere/at-all")
    assert mine.status_code == 404
    assert "返回首页" in mine.text
    assert 'href="/login"' not in mine.text
    stranger = browse().get("/nowhere/at-all")
    assert stranger.status_code == 404
    assert 'href="/login"' in stranger.text
