"""Limits by enterprise hold for every role and for keys; keys do no more, and no longer, than their people."""

from dataclasses import replace
from uuid import UUID

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from app.accounts import service
from app.accounts.errors import LastAdmin
from app.accounts.models import Account, ApiKey
from app.accounts.principal import SYSTEM, SYSTEM_WIDE, Permission, Role
from app.accounts.service.api_keys import EnterprisesNotHeld
from app.audit.models import AuditRecord
from app.core.db import Database
from app.core.ids import new_id
from app.settings import Settings
from tests.accounts.conftest import PASSWORD, Browse, MakeAccount, MovableClock, as_person

ONE, OTHER = new_id(), new_id()


def _make_key(
    client: TestClient, headers: dict[str, str] | None = None, **body: object
) -> dict[str, str]:
    fields = {"name": "ERP", "scopes": ["read"], "password": PASSWORD, **body}
    answer = client.post("/api/v1/api-keys", json=fields, headers=headers or {})
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['key']}", "id": answer.json()["id"]}


def _me(client: TestClient, key: dict[str, str]) -> tuple[int, object, object]:
    """What the key may, asked without the cookie of a person."""
    client.cookies.clear()
    answer = client.get("/api/v1/me", headers={"Authorization": key["Authorization"]})
    body = answer.json()
    return answer.status_code, body.get("permissions"), body.get("enterprise_ids")


@pytest.mark.parametrize("role", [Role.ADMIN, Role.AUDITOR])
def test_roles_that_know_no_enterprise_are_not_limited(
    role: Role, browse: Browse, make_account: MakeAccount
) -> None:
    make_account("boss", Role.ADMIN)
    clerk = make_account("clerk", Role.OPERATOR, enterprise_ids=frozenset({ONE}))
    wide = make_account("wide", role)
    client = browse("boss")
    body = {"name": "new", "roles": [role], "enterprise_ids": [str(ONE)], "password": PASSWORD}
    refused = client.post("/api/v1/accounts", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "account.limited_role")
    for account, change in (
        (clerk, {"roles": [role]}),
        (wide, {"enterprise_ids": [str(ONE)]}),
        (wide, {"enterprise_ids": []}),
    ):
        url = f"/api/v1/accounts/{account.id}"
        refused = client.patch(url, json={**change, "password": PASSWORD})
        assert (refused.status_code, refused.json()["code"]) == (422, "account.limited_role")
    for allowed in (
        {"roles": [role], "enterprise_ids": None},
        {"roles": ["operator"], "enterprise_ids": [str(ONE), str(OTHER)]},
    ):
        url = f"/api/v1/accounts/{clerk.id}"
        done = client.patch(url, json={**allowed, "password": PASSWORD})
        assert done.status_code == 200, done.text


@pytest.mark.parametrize("role", [Role.ADMIN, Role.AUDITOR])
def test_a_limited_admin_or_auditor_of_before_has_nothing_system_wide(
    database: Database, browse: Browse, make_account: MakeAccount, role: Role
) -> None:
    """The limit is kept, what it cannot hold is gone: nothing is silently widened."""
    account = make_account("old", role)
    client = browse("old")
    with database.transaction() as session:
        session.get_one(Account, account.id).all_enterprises = False
    me = client.get("/api/v1/me").json()
    assert me["enterprise_ids"] == []
    assert not SYSTEM_WIDE & set(me["permissions"])
    body = {"enterprise_ids": None, "password": PASSWORD}
    assert client.patch(f"/api/v1/accounts/{account.id}", json=body).status_code == 403
    assert client.get("/api/v1/accounts").status_code == 403


def test_a_limited_admin_of_before_does_not_count_as_the_last_one(
    database: Database, settings: Settings, clock: MovableClock, make_account: MakeAccount
) -> None:
    old, boss = make_account("old", Role.ADMIN), make_account("boss", Role.ADMIN)
    with database.transaction() as session:
        session.get_one(Account, old.id).all_enterprises = False
    with database.transaction() as session, pytest.raises(LastAdmin):
        service.disable_account(session, boss.id, by=SYSTEM, clock=clock)


def test_a_key_reaches_the_enterprises_it_is_bound_to(
    browse: Browse, make_account: MakeAccount
) -> None:
    make_account("boss", Role.ADMIN)
    client = browse("boss")
    key = _make_key(client, enterprise_ids=[str(ONE)])
    listed = client.get("/api/v1/api-keys").json()["items"][0]
    assert listed["enterprise_ids"] == [str(ONE)]
    assert _me(client, key) == (200, ["read"], [str(ONE)])


@pytest.mark.parametrize("scope", ["admin", "audit:read"])
def test_a_bound_key_has_no_scope_that_knows_no_enterprise(
    browse: Browse, make_account: MakeAccount, scope: str
) -> None:
    make_account("boss", Role.ADMIN)
    body = {
        "name": "x",
        "scopes": [scope],
        "enterprise_ids": [str(ONE)],
        "password": PASSWORD,
    }
    refused = browse("boss").post("/api/v1/api-keys", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "api_key.limited_scope")


@pytest.mark.parametrize("wanted", [None, frozenset({OTHER}), frozenset({ONE, OTHER})])
def test_nobody_makes_a_key_that_reaches_further_than_they_do(
    database: Database,
    clock: MovableClock,
    make_account: MakeAccount,
    wanted: frozenset[UUID] | None,
) -> None:
    person = as_person(make_account("boss", Role.ADMIN))
    limited = replace(
        person, permissions=frozenset({Permission.READ}), enterprise_ids=frozenset({ONE})
    )
    with database.transaction() as session, pytest.raises(EnterprisesNotHeld):
        service.create_api_key(
            session,
            by=limited,
            name="wide",
            scopes=[Permission.READ],
            expires_at=None,
            at=clock(),
            enterprise_ids=wanted,
        )


def test_a_key_ends_with_its_maker_and_a_key_made_by_it_too(
    browse: Browse, make_account: MakeAccount, database: Database, clock: MovableClock
) -> None:
    boss = make_account("boss", Role.ADMIN)
    make_account("second", Role.ADMIN)
    client = browse("boss")
    parent = _make_key(client, scopes=["admin"])
    client.cookies.clear()
    child = _make_key(client, {"Authorization": parent["Authorization"]})
    with database.reading() as session:
        row = session.get_one(ApiKey, UUID(child["id"]))
        assert (row.created_by, row.responsible_id) == (boss.id, boss.id)
    assert _me(client, child)[0] == 200
    with database.transaction() as session:
        service.disable_account(session, boss.id, by=SYSTEM, clock=clock)
    assert [_me(client, key)[0] for key in (parent, child)] == [401, 401]


def test_a_key_does_no_more_than_its_maker_may_do_now(
    browse: Browse,
    make_account: MakeAccount,
    database: Database,
    settings: Settings,
    clock: MovableClock,
) -> None:
    boss = make_account("boss", Role.ADMIN)
    make_account("second", Role.ADMIN)
    client = browse("boss")
    key = _make_key(client, scopes=["read", "clearing:execute"])
    with database.transaction() as session:
        service.set_roles(
            session, boss.id, frozenset({Role.OPERATOR}), by=SYSTEM, settings=settings, clock=clock
        )
        changes = service.AccountChanges("boss", None, frozenset({OTHER}))
        service.change_account(session, boss.id, changes, by=SYSTEM, clock=clock)
    assert _me(client, key) == (200, ["read"], [str(OTHER)])


def test_a_key_handed_over_lives_on_with_the_other_person_and_is_on_record(
    browse: Browse, make_account: MakeAccount, database: Database, clock: MovableClock
) -> None:
    boss, second = make_account("boss", Role.ADMIN), make_account("second", Role.ADMIN)
    client = browse("boss")
    key = _make_key(client)
    url = f"/api/v1/api-keys/{key['id']}/hand-over"
    assert client.post(url, json={"to_account_id": str(second.id)}).status_code == 422
    body = {"to_account_id": str(second.id), "password": PASSWORD}
    done = client.post(url, json=body)
    assert done.status_code == 200, done.text
    assert (done.json()["created_by"], done.json()["responsible_id"]) == (
        str(boss.id),
        str(second.id),
    )
    with database.transaction() as session:
        service.disable_account(session, boss.id, by=SYSTEM, clock=clock)
    assert _me(client, key)[0] == 200
    with database.reading() as session:
        wanted = select(AuditRecord).where(AuditRecord.action == "api_key.handed_over")
        assert str(second.id) in session.exec(wanted).one().details
