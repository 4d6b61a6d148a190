"""API keys of other systems: shown once, stored hashed, scoped, expiring, revocable."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session, col

from app.accounts import key_queries
from app.accounts.models import ApiKey, ApiKeyEnterprise
from app.accounts.principal import (
    SYSTEM_WIDE,
    Permission,
    Principal,
    PrincipalKind,
    Role,
    role_permissions,
    scope_permissions,
    within_limits,
)
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.core import security
from app.core.db import Database
from app.core.ids import new_token
from app.core.logging import get_logger
from app.errors import Forbidden, Invalid, NotFound
from app.settings import Settings

log = get_logger(__name__)

KEY_MARK = "qk_"
"""What every key begins with, so that scanners find leaked ones."""

TOUCH_EVERY = timedelta(minutes=1)


class ScopeNotHeld(Forbidden):
    """Nobody hands out more than they have: with separated duties an admin could else do so."""

    code = "api_key.scope_not_held"
    title = "不能授予自己没有的权限"


class EnterprisesNotHeld(Forbidden):
    """Nobody makes a key that reaches further than they see."""

    code = "api_key.enterprises_not_held"
    title = "不能授予自己看不到的企业"


class LimitedScope(Invalid):
    """What knows no enterprise cannot be limited to some."""

    code = "api_key.limited_scope"
    title = "“系统管理”和“查看审计记录”涉及全部企业，不能限定企业"
    remedy = "去掉这两项权限，或不限定企业。"


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """The stored key and, this once, the text of it."""

    row: ApiKey
    key: str


def create_api_key(
    session: Session,
    *,
    by: Principal,
    name: str,
    scopes: Collection[Permission],
    expires_at: datetime | None,
    at: datetime,
    enterprise_ids: frozenset[UUID] | None = None,
) -> NewApiKey:
    """Make a key. Raises Invalid, ScopeNotHeld, EnterprisesNotHeld or LimitedScope.

    The caller has verified the person again. A key made by a key is of the same persons.
    """
    name = _checked_name(name)
    _check_scopes(by, scopes, expires_at, at)
    check_enterprises(by, scopes, enterprise_ids)
    prefix = KEY_MARK + secrets.token_hex(4)
    key = f"{prefix}_{new_token()}"
    row = ApiKey(
        name=name,
        prefix=prefix,
        key_hash=security.hash_token(key),
        scopes=" ".join(scope.value for scope in Permission if scope in scopes),
        expires_at=expires_at,
        created_by=by.id if by.is_person else by.maker_id,
        responsible_id=by.id if by.is_person else by.responsible_id,
        all_enterprises=enterprise_ids is None,
        created_at=at,
    )
    session.add(row)
    session.flush()
    session.add_all(
        ApiKeyEnterprise(api_key_id=row.id, enterprise_id=one) for one in enterprise_ids or ()
    )
    audit.record(
        session,
        actor=by.actor,
        action=AuditAction.API_KEY_CREATED,
        object_type="api_key",
        object_id=str(row.id),
        at=at,
        details={
            "name": name,
            "prefix": prefix,
            "scopes": row.scopes,
            "enterprise_ids": None if enterprise_ids is None else sorted(map(str, enterprise_ids)),
            "created_by": str(row.created_by or ""),
        },
    )
    return NewApiKey(row, key)


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if not 1 <= len(name) <= 64 or not name.isprintable():
        raise Invalid(errors={"name": "名称为 1 至 64 个字符"})
    return name


def _check_scopes(
    by: Principal, scopes: Collection[Permission], expires_at: datetime | None, at: datetime
) -> None:
    if not scopes:
        raise Invalid(errors={"scopes": "至少选择一项权限"})
    if expires_at is not None and expires_at <= at:
        raise Invalid(errors={"expires_at": "到期时间应在现在之后"})
    missing = frozenset(scopes) - by.permissions
    if missing:
        raise ScopeNotHeld("不能授予：" + "、".join(sorted(missing)))


def check_enterprises(
    by: Principal, scopes: Collection[Permission], enterprise_ids: frozenset[UUID] | None
) -> None:
    """Raises EnterprisesNotHeld, or LimitedScope for what knows no enterprise."""
    if enterprise_ids is None:
        if by.enterprise_ids is not None:
            raise EnterprisesNotHeld
        return
    if by.enterprise_ids is not None and enterprise_ids - by.enterprise_ids:
        raise EnterprisesNotHeld
    if SYSTEM_WIDE & set(scopes):
        raise LimitedScope(errors={"scopes": LimitedScope.title})


def authenticate_api_key(
    database: Database,
    key: str,
    *,
    settings: Settings,
    at: datetime,
    ip: str,
    note_use: bool = True,
) -> Principal | None:
    """Whose key this is, or None when unknown, revoked, expired or left by who answered for it: one query.

    It never does more than who answers for it may do now.
    """
    with database.looking_up() as connection:
        row = key_queries.api_key_in_use(connection, security.hash_token(key))
    if row is None or (row.expires_at is not None and row.expires_at <= at):
        return None
    unnoted = row.last_used_at is None or at - row.last_used_at >= TOUCH_EVERY
    if note_use and unnoted:
        _touch(database, row.id, at)
    return Principal(
        kind=PrincipalKind.API_KEY,
        id=row.id,
        name=row.name,
        display_name=row.name,
        permissions=within_limits(_permissions(row, settings), _enterprises(row)),
        ip=ip,
        enterprise_ids=_enterprises(row),
        maker_id=row.created_by,
        responsible_id=row.responsible_id,
    )


def _permissions(row: Any, settings: Settings) -> frozenset[Permission]:
    scopes = scope_permissions(row.scopes.split(), settings.profile)
    if row.responsible_id is None:
        return scopes
    roles = (Role(word) for word in (row.responsible_roles or "").split())
    return scopes & role_permissions(roles, settings.profile)


def _enterprises(row: Any) -> frozenset[UUID] | None:
    own = None if row.all_enterprises else _ids(row.enterprises)
    if row.responsible_id is None or row.responsible_sees_all:
        return own
    limits = _ids(row.responsible_enterprises)
    return limits if own is None else own & limits


def _ids(text: str | None) -> frozenset[UUID]:
    return frozenset(UUID(word) for word in (text or "").split())


def _touch(database: Database, key_id: UUID, at: datetime) -> None:
    """Note the use; a database that cannot be written now must not refuse readers."""
    try:
        with database.transaction() as session:
            session.execute(
                sa.update(ApiKey).where(col(ApiKey.id) == key_id).values(last_used_at=at)
            )
    except sa.exc.OperationalError as error:
        log.warning("last use of a key not noted", error=str(error))


def revoke_api_key(session: Session, key_id: UUID, *, by: Principal, at: datetime) -> ApiKey:
    """The key stops working at once. Revoking again changes nothing. Raises NotFound."""
    row = session.get(ApiKey, key_id)
    if row is None:
        raise NotFound
    if row.revoked_at is None:
        row.revoked_at = at
        session.add(row)
        session.flush()
        audit.record(
            session,
            actor=by.actor,
            action=AuditAction.API_KEY_REVOKED,
            object_type="api_key",
            object_id=str(row.id),
            at=at,
            details={"name": row.name, "prefix": row.prefix},
        )
    return row
