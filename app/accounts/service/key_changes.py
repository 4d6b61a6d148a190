"""What may be changed of an API key: who answers for it, and which enterprises it reaches."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session, col

from app.accounts.models import Account, ApiKey, ApiKeyEnterprise
from app.accounts.principal import Permission, Principal
from app.accounts.service.api_keys import check_enterprises
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.errors import Conflict, Invalid, NotFound


class KeyNotInUse(Conflict):
    code = "api_key.not_in_use"
    title = "密钥已吊销"
    remedy = "请新建密钥。"


def hand_over_api_key(
    session: Session, key_id: UUID, to_account: UUID, *, by: Principal, at: datetime
) -> ApiKey:
    """Another person answers for the key from now on; who made it is not forgotten.

    Raises NotFound, Invalid for an account that does not work, KeyNotInUse. The caller has verified the person.
    """
    row = key_in_use(session, key_id)
    receiver = session.get(Account, to_account)
    if receiver is None or receiver.disabled_at is not None:
        raise Invalid(errors={"to_account_id": "没有这个账号，或已停用"})
    before = row.responsible_id
    row.responsible_id = receiver.id
    session.add(row)
    session.flush()
    audit.record(
        session,
        actor=by.actor,
        action=AuditAction.API_KEY_HANDED_OVER,
        object_type="api_key",
        object_id=str(row.id),
        at=at,
        details={
            "name": row.name,
            "prefix": row.prefix,
            "from": str(before or ""),
            "to": str(receiver.id),
        },
    )
    return row


def limit_api_key(
    session: Session,
    key_id: UUID,
    enterprise_ids: frozenset[UUID] | None,
    *,
    by: Principal,
    at: datetime,
) -> ApiKey:
    """Replace the enterprises a key reaches. Raises NotFound, KeyNotInUse, and what making one raises."""
    row = key_in_use(session, key_id)
    scopes = [Permission(scope) for scope in row.scopes.split()]
    check_enterprises(by, scopes, enterprise_ids)
    session.execute(sa.delete(ApiKeyEnterprise).where(col(ApiKeyEnterprise.api_key_id) == row.id))
    row.all_enterprises = enterprise_ids is None
    session.add(row)
    session.add_all(
        ApiKeyEnterprise(api_key_id=row.id, enterprise_id=one) for one in enterprise_ids or ()
    )
    session.flush()
    audit.record(
        session,
        actor=by.actor,
        action=AuditAction.API_KEY_LIMITED,
        object_type="api_key",
        object_id=str(row.id),
        at=at,
        details={
            "name": row.name,
            "prefix": row.prefix,
            "enterprise_ids": None if enterprise_ids is None else sorted(map(str, enterprise_ids)),
        },
    )
    return row


def key_in_use(session: Session, key_id: UUID) -> ApiKey:
    """The key. Raises NotFound, and KeyNotInUse once it is revoked."""
    row = session.get(ApiKey, key_id)
    if row is None:
        raise NotFound
    if row.revoked_at is not None:
        raise KeyNotInUse
    return row
