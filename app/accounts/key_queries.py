"""Selects of API keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.accounts.models import Account, ApiKey, ApiKeyEnterprise
from app.accounts.queries import ENTERPRISES_TEXT, ROLES_TEXT
from app.core.pagination import Page, PageRequest, newest_first

_KEY_ENTERPRISES = (
    sa.select(
        sa.func.aggregate_strings(sa.cast(col(ApiKeyEnterprise.enterprise_id), sa.String), " ")
    )
    .where(col(ApiKeyEnterprise.api_key_id) == col(ApiKey.id))
    .correlate(ApiKey)
    .scalar_subquery()
)
_API_KEY: sa.Select[Any] = (
    sa.select(
        col(ApiKey.id),
        col(ApiKey.name),
        col(ApiKey.scopes),
        col(ApiKey.expires_at),
        col(ApiKey.last_used_at),
        col(ApiKey.created_by),
        col(ApiKey.responsible_id),
        col(ApiKey.all_enterprises),
        _KEY_ENTERPRISES.label("enterprises"),
        col(Account.all_enterprises).label("responsible_sees_all"),
        ROLES_TEXT.label("responsible_roles"),
        ENTERPRISES_TEXT.label("responsible_enterprises"),
    )
    .join(Account, col(Account.id) == col(ApiKey.responsible_id), isouter=True)
    .where(
        col(ApiKey.key_hash) == sa.bindparam("key_hash"),
        col(ApiKey.revoked_at).is_(None),
        sa.or_(
            col(ApiKey.responsible_id).is_(None),
            sa.and_(col(Account.id).is_not(None), col(Account.disabled_at).is_(None)),
        ),
    )
)


def api_key_in_use(connection: sa.Connection, key_hash: str) -> Any | None:
    """One row with what a request of this key needs; expiry is the caller's.

    None when it is revoked, or when the account that answers for it is disabled or gone.
    """
    return connection.execute(_API_KEY, {"key_hash": key_hash}).one_or_none()


def list_api_keys(session: Session, *, page: PageRequest) -> Page[ApiKey]:
    """API keys, newest first, revoked ones included."""
    rows, cursor = newest_first(session, select(ApiKey), ApiKey.id, page)
    return Page[ApiKey](items=rows, next_cursor=cursor)


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key with what lists show of it. `enterprise_ids` None: reaches all that who answers for it sees."""

    row: ApiKey
    enterprise_ids: frozenset[UUID] | None
    maker: str
    responsible: str
    responsible_disabled: bool


def key_views(session: Session, keys: Sequence[ApiKey]) -> list[KeyView]:
    """These keys with their limits and people: two queries for any number."""
    limits: dict[UUID, set[UUID]] = {}
    wanted = select(ApiKeyEnterprise).where(
        col(ApiKeyEnterprise.api_key_id).in_([one.id for one in keys])
    )
    for row in session.exec(wanted):
        limits.setdefault(row.api_key_id, set()).add(row.enterprise_id)
    ids = {one for key in keys for one in (key.created_by, key.responsible_id) if one}
    people = {
        one.id: one for one in session.exec(select(Account).where(col(Account.id).in_(list(ids))))
    }
    return [_key_view(key, limits.get(key.id, set()), people) for key in keys]


def _key_view(key: ApiKey, limits: set[UUID], people: dict[UUID, Account]) -> KeyView:
    maker = people.get(key.created_by) if key.created_by else None
    responsible = people.get(key.responsible_id) if key.responsible_id else None
    left = responsible is None or responsible.disabled_at is not None
    return KeyView(
        key,
        None if key.all_enterprises else frozenset(limits),
        maker=maker.display_name if maker else "",
        responsible=responsible.display_name if responsible else "",
        responsible_disabled=key.responsible_id is not None and left,
    )


def keys_answered_for(session: Session, account_id: UUID) -> Sequence[ApiKey]:
    """The keys in use that stop with this account."""
    return session.exec(
        select(ApiKey)
        .where(ApiKey.responsible_id == account_id, col(ApiKey.revoked_at).is_(None))
        .order_by(col(ApiKey.id))
    ).all()
