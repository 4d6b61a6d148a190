"""REST API of accounts and API keys."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Body, Response
from pydantic import SecretStr

from app.accounts import key_queries, queries, service
from app.accounts.deps import Admin, CurrentPrincipal
from app.accounts.models import Account, ApiKey
from app.accounts.schemas import (
    AccountCreate,
    AccountCreated,
    AccountPublic,
    AccountUpdate,
    ApiKeyCreate,
    ApiKeyCreated,
    ApiKeyHandover,
    ApiKeyPublic,
    ApiKeyRevoke,
    Me,
)
from app.accounts.service import AccountDraft, verify_step_up
from app.accounts.service.update import update_account
from app.core.db import Session
from app.core.etags import IfMatch, require_match, set_etag
from app.core.pagination import Page
from app.core.routing import Router
from app.core.schemas import SearchText
from app.core.web import ClockDep, DatabaseDep, Paging, Reading, SettingsDep, Writing

KEY_LIFETIME = timedelta(days=365)
"""How long a key lives unless its maker says otherwise."""

router = Router(tags=["账号"])


@router.get("/me")
def me(principal: CurrentPrincipal) -> Me:
    """Who makes this request, and what they may do."""
    return Me.of(principal)


@router.get("/accounts")
def list_accounts(
    session: Reading, principal: Admin, page: Paging, clock: ClockDep, q: SearchText = None
) -> Page[AccountPublic]:
    """Accounts by name."""
    found = queries.list_accounts(session, q=q or "", page=page)
    shown = queries.views(session, found.items, at=clock())
    return Page(items=[AccountPublic.of(view) for view in shown], next_cursor=found.next_cursor)


@router.post("/accounts", status_code=201)
def create_account(
    data: AccountCreate,
    principal: Admin,
    database: DatabaseDep,
    session: Writing,
    settings: SettingsDep,
    clock: ClockDep,
    response: Response,
) -> AccountCreated:
    """Make an account; a one-time password is in this answer only."""
    verify_step_up(database, principal, _text(data.password), settings=settings, clock=clock)
    draft = AccountDraft(
        name=data.name,
        roles=data.roles,
        display_name=data.display_name,
        password=_text(data.initial_password),
        enterprise_ids=data.enterprise_ids,
        operator_id=data.operator_id,
    )
    new = service.create_account(session, draft, by=principal, settings=settings, clock=clock)
    public = _answer(session, response, new.account, clock())
    response.headers["Location"] = f"/api/v1/accounts/{public.id}"
    return AccountCreated(**public.model_dump(), one_time_password=new.one_time_password)


@router.get("/accounts/{account_id}")
def get_account(
    account_id: UUID, session: Reading, principal: Admin, clock: ClockDep, response: Response
) -> AccountPublic:
    """One account."""
    return _answer(session, response, service.find(session, account_id), clock())


@router.patch("/accounts/{account_id}")
def change_account(
    account_id: UUID,
    data: AccountUpdate,
    principal: Admin,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    response: Response,
    if_match: IfMatch = None,
) -> AccountPublic:
    """Change an account: only what is sent."""
    changes = data.changes()
    password = _text(changes.pop("password", None))
    verify_step_up(database, principal, password, settings=settings, clock=clock)
    with database.transaction() as session:
        require_match(if_match, service.find(session, account_id).revision)
        account = update_account(
            session, account_id, changes, by=principal, settings=settings, clock=clock
        )
        return _answer(session, response, account, clock())


@router.get("/api-keys")
def list_api_keys(session: Reading, principal: Admin, page: Paging) -> Page[ApiKeyPublic]:
    """API keys, newest first, revoked and expired ones included."""
    found = key_queries.list_api_keys(session, page=page)
    shown = [ApiKeyPublic.of(view) for view in key_queries.key_views(session, found.items)]
    return Page(items=shown, next_cursor=found.next_cursor)


@router.post("/api-keys", status_code=201)
def create_api_key(
    data: ApiKeyCreate,
    principal: Admin,
    database: DatabaseDep,
    session: Writing,
    settings: SettingsDep,
    clock: ClockDep,
) -> ApiKeyCreated:
    """Make a key; its text is in this answer only."""
    verify_step_up(database, principal, _text(data.password), settings=settings, clock=clock)
    at = clock()
    given = "expires_at" in data.model_fields_set
    new = service.create_api_key(
        session,
        by=principal,
        name=data.name,
        scopes=data.scopes,
        expires_at=data.expires_at if given else at + KEY_LIFETIME,
        at=at,
        enterprise_ids=data.enterprise_ids,
    )
    return ApiKeyCreated(**_key(session, new.row).model_dump(), key=new.key)


@router.post("/api-keys/{key_id}/hand-over")
def hand_over_api_key(
    key_id: UUID,
    data: ApiKeyHandover,
    principal: Admin,
    database: DatabaseDep,
    session: Writing,
    settings: SettingsDep,
    clock: ClockDep,
) -> ApiKeyPublic:
    """Let another account answer for the key: it works as long, and does as much, as that one."""
    verify_step_up(database, principal, _text(data.password), settings=settings, clock=clock)
    row = service.hand_over_api_key(session, key_id, data.to_account_id, by=principal, at=clock())
    return _key(session, row)


@router.delete("/api-keys/{key_id}", status_code=204)
def revoke_api_key(
    key_id: UUID,
    principal: Admin,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    data: Annotated[ApiKeyRevoke | None, Body()] = None,
) -> None:
    """Revoke a key: it stops working at once."""
    password = _text(data.password) if data else None
    verify_step_up(database, principal, password, settings=settings, clock=clock)
    with database.transaction() as session:
        service.revoke_api_key(session, key_id, by=principal, at=clock())


def _key(session: Session, row: ApiKey) -> ApiKeyPublic:
    return ApiKeyPublic.of(key_queries.key_views(session, [row])[0])


def _text(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _answer(session: Session, response: Response, account: Account, at: datetime) -> AccountPublic:
    set_etag(response, account.revision)
    return AccountPublic.of(queries.views(session, [account], at=at)[0])
