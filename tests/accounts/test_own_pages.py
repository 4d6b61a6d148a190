"""我的账号 and the second factor, from set-up to signing in."""

import re

import pyotp
import pytest
from starlette.testclient import TestClient

from app.accounts.pages.own import browser_name
from app.accounts.principal import Role
from app.core.db import Database
from tests.accounts.conftest import PASSWORD, Browse, MakeAccount, MovableClock, audited


@pytest.fixture
def anna(browse: Browse, make_account: MakeAccount) -> TestClient:
    make_account("anna")
    return browse("anna")


def set_up(client: TestClient, clock: MovableClock) -> pyotp.TOTP:
    assert client.post("/account/totp/start", data={"password": PASSWORD}).status_code == 303
    found = re.search(r'<span class="mono">([A-Z2-7]{32})</span>', client.get("/account").text)
    assert found
    totp = pyotp.TOTP(found[1])
    answer = client.post("/account/totp/confirm", data={"code": totp.at(clock())})
    assert answer.status_code == 303
    clock.move(minutes=2)
    return totp


def test_the_page_shows_the_account(anna: TestClient) -> None:
    text = anna.get("/account").text
    assert "2027-02-03" in text  # the password's last day, 90 days on
    assert "本机" in text
    assert "未启用" in text


def test_the_qr_code_is_an_image_of_ours(anna: TestClient) -> None:
    assert anna.get("/account/totp.svg").status_code == 409
    anna.post("/account/totp/start", data={"password": PASSWORD})
    answer = anna.get("/account/totp.svg")
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert answer.headers["cache-control"] == "no-store"
    assert b"<svg" in answer.content
    assert b"style=" not in answer.content


def test_signing_in_asks_for_the_code(
    anna: TestClient, browse: Browse, clock: MovableClock
) -> None:
    totp = set_up(anna, clock)
    client = browse()
    data = {"username": "anna", "password": PASSWORD}
    asked = client.post("/login", data=data)
    assert asked.status_code == 422
    assert "动态验证码" in asked.text
    assert 'name="totp"' in asked.text
    answer = client.post("/login", data={**data, "totp": totp.at(clock())})
    assert answer.status_code == 303


def test_the_secret_is_not_shown_again(anna: TestClient, clock: MovableClock) -> None:
    totp = set_up(anna, clock)
    text = anna.get("/account").text
    assert totp.secret not in text
    assert "已启用" in text
    assert anna.get("/account/totp.svg").status_code == 409


def test_a_wrong_first_code_enables_nothing(anna: TestClient, browse: Browse) -> None:
    anna.post("/account/totp/start", data={"password": PASSWORD})
    answer = anna.post("/account/totp/confirm", data={"code": "12345"})
    assert answer.status_code == 422
    assert "验证码不正确" in answer.text
    browse("anna")


def test_factors_change_with_the_password_only(
    anna: TestClient, clock: MovableClock, database: Database
) -> None:
    assert anna.post("/account/totp/start", data={"password": "wrong one"}).status_code == 422
    assert anna.get("/account/totp.svg").status_code == 409
    set_up(anna, clock)
    answer = anna.post("/account/totp/remove", data={"password": "wrong one"})
    assert answer.status_code == 422
    assert "密码不正确" in answer.text
    assert anna.post("/account/totp/remove", data={"password": PASSWORD}).status_code == 303
    assert audited(database)[-1] == "account.totp_disabled"


def test_an_admin_removes_a_lost_factor(
    anna: TestClient, browse: Browse, make_account: MakeAccount, clock: MovableClock
) -> None:
    set_up(anna, clock)
    own = anna.get("/api/v1/me").json()["id"]
    make_account("root", Role.ADMIN)
    answer = browse("root").post(
        f"/settings/accounts/{own}/remove-totp", data={"password": PASSWORD}
    )
    assert answer.status_code == 303
    browse("anna")


def test_two_new_passwords_must_agree(anna: TestClient) -> None:
    data = {"old_password": PASSWORD, "new_password": "another phrase", "repeated": "another"}
    answer = anna.post("/account/password", data=data)
    assert answer.status_code == 422
    assert "两次输入的新密码不一致" in answer.text


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/130 Safari/537 Edg/130", "Edge · Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:1) Gecko Firefox/130", "Firefox · Linux"),
        ("Mozilla/5.0 (iPhone; like Mac OS X) Safari MicroMessenger/8", "微信 · iPhone"),
        ("curl/8", "其他程序"),
        ("", "其他程序"),
    ],
)
def test_browser_names(agent: str, name: str) -> None:
    assert browser_name(agent) == name
