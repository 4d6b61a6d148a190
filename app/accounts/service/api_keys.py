"""API keys of other systems: shown once, stored hashed, scoped, expiring, revocable."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session, col

from app.accounts import queries
from app.accounts.models import ApiKey
from app.accounts.principal import Permission, Principal, PrincipalKind, scope_permissions
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
) -> NewApiKey:
    """Make a key. Raises Invalid or ScopeNotHeld. The caller has verified the person again."""
    name = _checked_name(name)
    _check_scopes(by, scopes, expires_at, at)
    prefix = KEY_MARK + secrets.token_hex(4)
    key = f"{prefix}_{new_token()}"
    row = ApiKey(
        name=name,
        prefix=prefix,
        key_hash=security.hash_token(key),
        scopes=" ".join(scope.value for scope in Permission if scope in scopes),
        expires_at=expires_at,
        created_by=by.id if by.is_person else None,
        created_at=at,
    )
    session.add(row)
    session.flush()
    audit.record(
        session,
        actor=by.actor,
        action=AuditAction.API_KEY_CREATED,
        object_type="api_key",
        object_id=str(row.id),
        at=at,
        details={"name": name, "prefix": prefix, "scopes": row.scopes},
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


def authenticate_api_key(
    database: Database,
    key: str,
    *,
    settings: Settings,
    at: datetime,
    ip: str,
    note_use: bool = True,
) -> Principal | None:
    """Whose key this is, or None when unknown, revoked or expired: one query."""
    with database.looking_up() as connection:
        row = queries.api_key_in_use(connection, security.hash_token(key))
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
        permissions=scope_permissions(row.scopes.split(), settings.profile),
        ip=ip,
    )


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
