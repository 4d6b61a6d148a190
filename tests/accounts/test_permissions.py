"""Every permission × every role, and API keys with their scopes."""

from datetime import timedelta
from uuid import UUID

import pytest
from fastapi import FastAPI

from app.accounts import service
from app.accounts.principal import ROLE_PERMISSIONS, SYSTEM, Permission, Role
from app.core.db import Database
from app.settings import Profile, Settings
from tests.accounts.conftest import Browse, MakeAccount, MovableClock, audited


def probe(permission: Permission) -> str:
    return f"/api/v1/probe/{permission.value.replace(':', '-')}"


def make_key(
    database: Database, clock: MovableClock, *scopes: Permission, days: int | None = None
) -> tuple[UUID, dict[str, str]]:
    expires_at = None if days is None else clock() + timedelta(days=days)
    with database.transaction() as session:
        new = service.create_api_key(
            session,
            by=SYSTEM,
            name="ERP",
            scopes=scopes,
            expires_at=expires_at,
            at=clock(),
        )
        return new.row.id, {"Authorization": f"Bearer {new.key}"}


@pytest.mark.parametrize("role", list(Role))
def test_roles(role: Role, browse: Browse, make_account: MakeAccount) -> None:
    make_account("anna", role)
    client = browse("anna")
    allowed = {one for one in Permission if client.get(probe(one)).status_code == 200}
    assert allowed == ROLE_PERMISSIONS[role]


@pytest.mark.parametrize("scope", list(Permission))
def test_scopes(scope: Permission, database: Database, clock: MovableClock, browse: Browse) -> None:
    _, headers = make_key(database, clock, scope)
    client = browse()
    allowed = {
        one for one in Permission if client.get(probe(one), headers=headers).status_code == 200
    }
    assert allowed == (set(Permission) if scope is Permission.ADMIN else {scope})


def test_dengbao_admins_neither_review_nor_audit(
    app: FastAPI, settings: Settings, browse: Browse, make_account: MakeAccount
) -> None:
    make_account("anna", Role.ADMIN)
    client = browse("anna")
    app.state.settings = settings.model_copy(update={"profile": Profile.DENGBAO})
    refused = {one for one in Permission if client.get(probe(one)).status_code == 403}
    assert refused == {Permission.CLEARING_REVIEW, Permission.AUDIT_READ}


def test_a_refusal_is_a_problem_and_on_the_trail(
    database: Database, browse: Browse, make_account: MakeAccount
) -> None:
    make_account("anna", Role.AUDITOR)
    answer = browse("anna").get(probe(Permission.ADMIN))
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "forbidden"
    assert audited(database)[-1] == "access.refused"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic eDp5"}])
def test_strangers_are_challenged(headers: dict[str, str], browse: Browse) -> None:
    answer = browse().get("/api/v1/me", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["code"] == "unauthenticated"


@pytest.mark.parametrize("key", ["qk_unknown", "x", "x" * 5000, "%00"])
def test_wrong_keys_are_refused(key: str, browse: Browse) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    assert browse().get("/api/v1/me", headers=headers).status_code == 401


def test_a_key_is_not_helped_by_a_cookie(browse: Browse, make_account: MakeAccount) -> None:
    make_account("anna")
    headers = {"Authorization": "Bearer qk_unknown"}
    assert browse("anna").get("/api/v1/me", headers=headers).status_code == 401


def test_revoked_and_expired_keys_stop(
    database: Database, clock: MovableClock, browse: Browse
) -> None:
    _, expiring = make_key(database, clock, Permission.READ, days=1)
    key_id, revoked = make_key(database, clock, Permission.READ)
    client = browse()
    assert client.get("/api/v1/me", headers=revoked).json()["name"] == "ERP"
    with database.transaction() as session:
        service.revoke_api_key(session, key_id, by=SYSTEM, at=clock())
    assert client.get("/api/v1/me", headers=revoked).status_code == 401
    assert client.get("/api/v1/me", headers=expiring).status_code == 200
    clock.move(days=1)
    assert client.get("/api/v1/me", headers=expiring).status_code == 401


def test_keys_are_limited_per_minute(
    app: FastAPI, settings: Settings, database: Database, clock: MovableClock, browse: Browse
) -> None:
    app.state.settings = settings.model_copy(update={"api_rate_per_minute": 2})
    _, headers = make_key(database, clock, Permission.READ)
    _, other = make_key(database, clock, Permission.READ)
    client = browse()
    assert client.get("/api/v1/me", headers=headers).headers["ratelimit-remaining"] == "1"
    client.get("/api/v1/me", headers=headers)
    answer = client.get("/api/v1/me", headers=headers)
    assert answer.status_code == 429
    assert (answer.headers["retry-after"], answer.headers["ratelimit-limit"]) == ("30", "2")
    assert client.get("/api/v1/me", headers=other).status_code == 200
    clock.move(seconds=30)
    assert client.get("/api/v1/me", headers=headers).status_code == 200
