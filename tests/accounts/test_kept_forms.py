"""A form whose session had ended: its input comes back to the account it was shown to, and to nobody else."""

from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, Form, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient

from app.accounts import kept_forms, service
from app.accounts.deps import CurrentPrincipal
from app.accounts.models import SessionEnd
from app.accounts.principal import SYSTEM
from app.core.db import Database
from app.settings import Settings
from tests.accounts.conftest import PASSWORD, Browse, MakeAccount, MovableClock

PAGE = "/drafts/new"
TYPED = {"reason": "补报后清卡 <b>", "boxes": ["a", "b"], "password": PASSWORD}


class Draft(BaseModel):
    """A form of a page."""

    reason: str = ""
    boxes: list[str] = []
    password: str = ""
    accepted_warnings: list[str] = []


@pytest.fixture
def app(app: FastAPI, settings: Settings, clock: MovableClock) -> FastAPI:
    """With a page that has a form, and what the form does."""
    app.state.done = []

    @app.get(PAGE)
    def show(request: Request, principal: CurrentPrincipal) -> Response:
        draft = kept_forms.restored(Draft, request, principal, settings, at=clock())
        answer = JSONResponse(
            {
                "mark": kept_forms.mark(principal, PAGE, settings),
                "draft": draft.model_dump() if draft else None,
            }
        )
        kept_forms.drop(request, answer, settings)
        return answer

    @app.post("/drafts")
    def submit(principal: CurrentPrincipal, draft: Annotated[Draft, Form()]) -> None:
        app.state.done.append((principal.name, draft))

    return app


def _sign_in(client: TestClient, name: str, target: str) -> str:
    data = {"username": name, "password": PASSWORD, "next": target}
    return str(client.post("/login", data=data).headers["location"])


def _lost(client: TestClient, settings: Settings, **changes: object) -> httpx.Response:
    """The form is sent after the session's cookie has gone; gives where that leads."""
    mark = client.get(PAGE).json()["mark"]
    client.cookies.delete(service.sessions.cookie_name(settings))
    answer: httpx.Response = client.post("/drafts", data={**TYPED, "form_mark": mark, **changes})
    return answer


def test_the_same_account_gets_its_input_back_once_without_the_password_and_nothing_is_submitted(
    app: FastAPI, browse: Browse, make_account: MakeAccount, settings: Settings
) -> None:
    make_account("anna")
    client = browse("anna")
    led = _lost(client, settings, accepted_warnings=["clock.drift"])
    assert led.headers["location"] == "/login?next=%2Fdrafts%2Fnew"
    form = client.get(led.headers["location"]).text
    assert "请先登录，登录后回到刚才的页面" in form
    assert "刚才填写的内容尚未提交" in form
    assert _sign_in(client, "anna", PAGE) == PAGE
    kept = {"reason": "补报后清卡 <b>", "boxes": ["a", "b"], "password": ""}
    assert client.get(PAGE).json()["draft"] == {**kept, "accepted_warnings": []}
    assert client.get(PAGE).json()["draft"] is None
    assert app.state.done == []


def test_another_account_gets_nothing(
    browse: Browse, make_account: MakeAccount, settings: Settings
) -> None:
    make_account("anna")
    make_account("bert")
    client = browse("anna")
    _lost(client, settings)
    _sign_in(client, "bert", PAGE)
    assert client.get(PAGE).json()["draft"] is None
    assert kept_forms.cookie_name(settings) not in client.cookies


def test_input_is_bound_to_whom_the_form_was_shown_not_to_who_was_signed_in_last(
    browse: Browse, make_account: MakeAccount, settings: Settings
) -> None:
    make_account("anna")
    make_account("bert")
    client = browse("anna")
    mark = client.get(PAGE).json()["mark"]
    _sign_in(client, "bert", "/")
    _lost(client, settings, form_mark=mark)
    _sign_in(client, "bert", PAGE)
    assert client.get(PAGE).json()["draft"] is None


def test_the_cookie_is_sealed_and_read_by_no_script(
    browse: Browse, make_account: MakeAccount, settings: Settings
) -> None:
    make_account("anna")
    answer = _lost(browse("anna"), settings)
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "Max-Age=1800" in cookie
    assert "SameSite=lax" in cookie
    assert "reason" not in cookie


def test_what_is_kept_is_gone_after_half_an_hour(
    browse: Browse, make_account: MakeAccount, settings: Settings, clock: MovableClock
) -> None:
    make_account("anna")
    client = browse("anna")
    _lost(client, settings)
    clock.move(minutes=31)
    assert "刚才填写的内容尚未提交" not in client.get(f"/login?next={PAGE}").text
    _sign_in(client, "anna", PAGE)
    assert client.get(PAGE).json()["draft"] is None


@pytest.mark.parametrize("mark", ["", "nobody's", "aes-256-gcm$AAAA", "标记"])
def test_a_form_without_a_mark_of_ours_is_not_kept(
    browse: Browse, make_account: MakeAccount, settings: Settings, mark: str
) -> None:
    make_account("anna")
    client = browse("anna")
    answer = _lost(client, settings, form_mark=mark)
    assert answer.headers["location"] == "/login"
    assert "set-cookie" not in answer.headers


def test_what_is_too_long_for_a_cookie_is_said_to_be_lost(
    browse: Browse, make_account: MakeAccount, settings: Settings
) -> None:
    make_account("anna")
    client = browse("anna")
    answer = _lost(client, settings, reason="长" * 2000)
    form = client.get(answer.headers["location"]).text
    assert "内容太多，未能保留" in form
    assert "刚才填写的内容尚未提交，已在" not in form
    assert kept_forms.cookie_name(settings) not in client.cookies


def test_the_longest_reason_a_form_takes_fits(
    browse: Browse, make_account: MakeAccount, settings: Settings
) -> None:
    make_account("anna")
    client = browse("anna")
    _lost(client, settings, reason="长" * 500)
    _sign_in(client, "anna", PAGE)
    assert client.get(PAGE).json()["draft"]["reason"] == "长" * 500


@pytest.mark.parametrize(
    ("came_from", "led_to"),
    [
        ("http://testserver/page?a=1", "/login?next=%2Fpage%3Fa%3D1"),
        ("http://testserver/drafts", "/login"),
        ("http://evil.example/page", "/login"),
        ("", "/login"),
    ],
)
def test_a_form_that_is_not_kept_leads_back_to_its_page_if_that_can_be_asked_for(
    browse: Browse, came_from: str, led_to: str
) -> None:
    answer = browse().post("/drafts", data={"reason": "x"}, headers={"Referer": came_from})
    assert answer.headers["location"] == led_to


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (SessionEnd.CLEARED, "清卡完成，请重新登录"),
        (SessionEnd.PASSWORD_CHANGED, "密码已修改，请重新登录"),
        (SessionEnd.ENDED_BY_ADMIN, "管理员已结束这次登录，请重新登录"),
        (SessionEnd.ACCOUNT_DISABLED, "登录已失效，请重新登录"),
    ],
)
def test_the_login_page_says_how_the_session_ended(
    browse: Browse,
    make_account: MakeAccount,
    database: Database,
    clock: MovableClock,
    reason: SessionEnd,
    words: str,
) -> None:
    account = make_account("anna")
    client = browse("anna")
    with database.transaction() as session:
        service.sessions.end_sessions_of(
            session, account.id, actor=SYSTEM.actor, reason=reason, at=clock()
        )
    form = client.get(client.get("/page").headers["location"])
    assert words in form.text
    refused = client.post("/login", data={"username": "anna", "password": "wrong password"})
    assert words in refused.text


def test_the_login_page_says_that_a_session_ran_out(
    browse: Browse, make_account: MakeAccount, clock: MovableClock
) -> None:
    make_account("anna")
    client = browse("anna")
    clock.move(hours=24)
    assert "登录已失效，请重新登录" in client.get("/login").text


def test_who_comes_of_their_own_accord_is_told_nothing(browse: Browse) -> None:
    form = browse().get("/login").text
    assert "请重新登录" not in form
    assert "请先登录" not in form
