"""Sessions over HTTP: cookies, idle and absolute end, renewal, limits."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlmodel import col, select
from starlette.testclient import TestClient

from app.accounts import service
from app.accounts.models import AccountSession, SessionEnd
from app.accounts.principal import SYSTEM, Role
from app.accounts.service.sessions import authenticate_session
from app.core.db import Database
from app.settings import Settings
from tests.accounts.conftest import PASSWORD, Browse, MakeAccount, MovableClock

NEW_PASSWORD = "another good phrase"


@contextmanager
def counted_statements(database: Database) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_c: object, _cur: object, statement: str, *_: object) -> None:
        seen.append(statement)

    sa.event.listen(database.engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(database.engine, "before_cursor_execute", note)


def test_the_cookie_is_protected(browse: Browse, make_account: MakeAccount) -> None:
    make_account("anna")
    answer = browse().post("/login", data={"username": "anna", "password": PASSWORD})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("qingka=")
    for part in ("HttpOnly", "SameSite=lax", "Path=/"):
        assert part in cookie
    assert "Domain" not in cookie


def test_over_tls_the_cookie_is_bound_to_the_host(
    app: FastAPI, settings: Settings, browse: Browse, make_account: MakeAccount
) -> None:
    make_account("anna")
    app.state.settings = settings.model_copy(update={"public_url": "https://qingka.example"})
    answer = browse().post("/login", data={"username": "anna", "password": PASSWORD})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-qingka=")
    assert "Secure" in cookie


def test_a_request_costs_one_query(
    database: Database, browse: Browse, make_account: MakeAccount
) -> None:
    make_account("anna", enterprise_ids=frozenset({UUID(int=1), UUID(int=2)}))
    client = browse("anna")
    with counted_statements(database) as seen:
        assert client.get("/api/v1/probe/read").status_code == 200
    assert len([one for one in seen if not one.startswith("BEGIN")]) == 1


def test_limits_and_roles_arrive_in_the_principal(
    browse: Browse, make_account: MakeAccount
) -> None:
    limit = frozenset({UUID(int=1), UUID(int=2)})
    make_account("anna", Role.OPERATOR, Role.REVIEWER, enterprise_ids=limit)
    me = browse("anna").get("/api/v1/me").json()
    assert me["roles"] == ["operator", "reviewer"]
    assert me["permissions"] == ["read", "clearing:request", "clearing:review"]
    assert me["enterprise_ids"] == [str(UUID(int=1)), str(UUID(int=2))]


def test_a_limited_account_without_enterprises_sees_none(
    browse: Browse, make_account: MakeAccount
) -> None:
    make_account("anna", enterprise_ids=frozenset())
    assert browse("anna").get("/api/v1/me").json()["enterprise_ids"] == []


def test_limits_on_both_databases(
    any_database: Database, make_on_any: MakeAccount, settings: Settings, clock: MovableClock
) -> None:
    limit = frozenset({UUID(int=7), UUID(int=9)})
    account = make_on_any("anna", Role.OPERATOR, Role.REVIEWER, enterprise_ids=limit)
    with any_database.transaction() as session:
        opened = service.open_session(
            session, account.id, settings=settings, at=clock(), ip="10.0.0.1"
        )
    found = authenticate_session(
        any_database, opened.token, settings=settings, at=clock(), ip="10.0.0.1"
    )
    assert found is not None
    assert found.enterprise_ids == limit
    assert found.roles == {Role.OPERATOR, Role.REVIEWER}


def test_idle_sessions_end_and_used_ones_go_on(
    browse: Browse, make_account: MakeAccount, settings: Settings, clock: MovableClock
) -> None:
    make_account("anna")
    used, idle = browse("anna"), browse("anna")
    for _ in range(3):
        clock.move(minutes=settings.session_idle_minutes - 1)
        assert used.get("/api/v1/me").status_code == 200
    assert idle.get("/api/v1/me").status_code == 401


def test_sessions_end_in_any_case(
    browse: Browse, make_account: MakeAccount, settings: Settings, clock: MovableClock
) -> None:
    make_account("anna")
    client = browse("anna")
    for _ in range(settings.session_hours * 2):
        assert client.get("/api/v1/me").status_code == 200
        clock.move(minutes=30)
    assert client.get("/api/v1/me").status_code == 401


def test_last_use_is_written_once_a_minute(
    database: Database, browse: Browse, make_account: MakeAccount, clock: MovableClock
) -> None:
    make_account("anna")
    client = browse("anna")
    clock.move(seconds=59)
    with counted_statements(database) as seen:
        client.get("/api/v1/me")
    assert not any(one.startswith("UPDATE") for one in seen)
    clock.move(seconds=1)
    with counted_statements(database) as seen:
        client.get("/api/v1/me")
        client.get("/api/v1/me")
    assert len([one for one in seen if one.startswith("UPDATE")]) == 1


def test_signing_in_gives_a_new_token_whatever_the_browser_had(
    browse: Browse, make_account: MakeAccount
) -> None:
    make_account("anna")
    victim = browse()
    victim.cookies.set("qingka", "planted-by-an-attacker")
    victim.post("/login", data={"username": "anna", "password": PASSWORD})
    attacker = browse()
    attacker.cookies.set("qingka", "planted-by-an-attacker")
    assert attacker.get("/api/v1/me").status_code == 401


def test_signing_in_again_ends_the_session_before(
    browse: Browse, make_account: MakeAccount
) -> None:
    make_account("anna")
    client = browse("anna")
    before = client.cookies["qingka"]
    client.post("/login", data={"username": "anna", "password": PASSWORD})
    other = browse()
    other.cookies.set("qingka", before)
    assert other.get("/api/v1/me").status_code == 401


def test_signing_out_ends_it_on_the_server(browse: Browse, make_account: MakeAccount) -> None:
    make_account("anna")
    client = browse("anna")
    token = client.cookies["qingka"]
    answer = client.post("/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert "qingka" not in client.cookies
    client.cookies.set("qingka", token)
    assert client.get("/api/v1/me").status_code == 401


def test_disabling_ends_sessions_at_once(
    database: Database, browse: Browse, make_account: MakeAccount, clock: MovableClock
) -> None:
    account = make_account("anna")
    client = browse("anna")
    with database.transaction() as session:
        service.disable_account(session, account.id, by=SYSTEM, clock=clock)
    assert client.get("/api/v1/me").status_code == 401


def test_after_a_clearing_the_operator_signs_in_afresh(
    database: Database, browse: Browse, make_account: MakeAccount, clock: MovableClock
) -> None:
    make_account("anna", operator_id=UUID(int=5))
    make_account("bert", operator_id=UUID(int=6))
    anna, bert = browse("anna"), browse("bert")
    with database.transaction() as session:
        assert service.end_sessions_of_operator(session, UUID(int=5), clock=clock) == 1
    assert anna.get("/api/v1/me").status_code == 401
    assert bert.get("/api/v1/me").status_code == 200


def change(client: TestClient, old: str = PASSWORD, new: str = NEW_PASSWORD) -> int:
    data = {"old_password": old, "new_password": new, "repeated": new}
    status: int = client.post("/account/password", data=data).status_code
    return status


def test_changing_the_password_ends_the_others_and_renews_this(
    browse: Browse, make_account: MakeAccount
) -> None:
    make_account("anna")
    here, elsewhere = browse("anna"), browse("anna")
    before = here.cookies["qingka"]
    assert change(here) == 303
    assert here.cookies["qingka"] != before
    assert here.get("/api/v1/me").status_code == 200
    assert elsewhere.get("/api/v1/me").status_code == 401
    browse("anna", password=NEW_PASSWORD)


@pytest.mark.parametrize(
    ("old", "new"), [("wrong one", NEW_PASSWORD), (PASSWORD, PASSWORD), (PASSWORD, "password123")]
)
def test_a_change_refused_changes_nothing(
    old: str, new: str, browse: Browse, make_account: MakeAccount
) -> None:
    make_account("anna")
    assert change(browse("anna"), old, new) == 422
    browse("anna")


class TestChangeRequired:
    """One-time and expired passwords."""

    def test_pages_lead_to_the_change(self, browse: Browse, make_account: MakeAccount) -> None:
        make_account("anna", must_change_password=True)
        client = browse("anna")
        answer = client.get("/page")
        assert (answer.status_code, answer.headers["location"]) == (303, "/account/password")
        assert "一次性密码" in client.get("/account/password").text

    def test_the_api_refuses(self, browse: Browse, make_account: MakeAccount) -> None:
        make_account("anna", must_change_password=True)
        answer = browse("anna").get("/api/v1/me")
        assert answer.status_code == 403
        assert answer.json()["code"] == "password.change_required"

    def test_afterwards_everything_works(self, browse: Browse, make_account: MakeAccount) -> None:
        make_account("anna", must_change_password=True)
        client = browse("anna")
        assert change(client) == 303
        assert client.get("/page").status_code == 200

    def test_passwords_expire(
        self, browse: Browse, make_account: MakeAccount, settings: Settings, clock: MovableClock
    ) -> None:
        make_account("anna")
        clock.move(days=settings.password_max_days)
        client = browse("anna")
        assert client.get("/page").status_code == 303
        assert "超过 90 天" in client.get("/account/password").text
        assert change(client) == 303
        assert client.get("/page").status_code == 200

    def test_signing_out_is_always_possible(
        self, browse: Browse, make_account: MakeAccount
    ) -> None:
        make_account("anna", must_change_password=True)
        assert browse("anna").post("/logout").headers["location"] == "/login"


def test_own_sessions_are_listed_and_ended(browse: Browse, make_account: MakeAccount) -> None:
    make_account("anna")
    here, elsewhere = browse("anna"), browse("anna")
    assert "结束其他登录" in here.get("/account").text
    assert here.post("/account/sessions/end-others").status_code == 303
    assert elsewhere.get("/api/v1/me").status_code == 401
    assert here.get("/api/v1/me").status_code == 200


def test_nobody_ends_anothers_session(
    database: Database, browse: Browse, make_account: MakeAccount
) -> None:
    make_account("anna")
    make_account("bert")
    anna, bert = browse("anna"), browse("bert")
    with database.reading() as session:
        ids = session.exec(select(AccountSession.id).order_by(col(AccountSession.id))).all()
    assert bert.post(f"/account/sessions/{ids[0]}/end").status_code == 404
    assert anna.get("/api/v1/me").status_code == 200


def test_old_sessions_are_purged(
    any_database: Database, make_on_any: MakeAccount, settings: Settings, clock: MovableClock
) -> None:
    account = make_on_any("anna")
    with any_database.transaction() as session:
        service.open_session(session, account.id, settings=settings, at=clock(), ip="")
    clock.move(days=30)
    with any_database.transaction() as session:
        kept = service.open_session(session, account.id, settings=settings, at=clock(), ip="")
        session.flush()
        assert service.purge_sessions(session, before=clock()) == 1
        assert service.purge_sessions(session, before=clock()) == 0
        ended = service.end_sessions_of(
            session, account.id, actor=SYSTEM.actor, reason=SessionEnd.ENDED_BY_ADMIN, at=clock()
        )
    assert ended == 1
    assert kept.expires_at > clock()


def test_a_database_that_cannot_be_written_still_lets_people_read(
    sqlite_url: str,
    database: Database,
    make_account: MakeAccount,
    settings: Settings,
    clock: MovableClock,
) -> None:
    account = make_account("anna")
    with database.transaction() as session:
        opened = service.open_session(session, account.id, settings=settings, at=clock(), ip="")
    clock.move(minutes=5)
    impatient = Database(sqlite_url, busy_seconds=0.01)
    with database.transaction() as session:
        session.execute(sa.text("SELECT 1"))
        found = authenticate_session(impatient, opened.token, settings=settings, at=clock(), ip="")
    impatient.dispose()
    assert found is not None
