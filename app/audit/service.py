"""The only writer of the audit trail."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from app.audit.actions import AuditAction
from app.audit.actor import Actor
from app.audit.canonical import (
    ALGORITHM,
    JSON,
    VERSION,
    chain_hash,
    details_text,
    moment,
    plain,
    record_bytes,
)
from app.audit.models import AuditHead, AuditRecord
from app.core.db import Session


class AuditHeadMissing(RuntimeError):
    """The row that says where the chain ends is gone: the database was tampered with or not migrated."""


def record(
    session: Session,
    *,
    actor: Actor,
    action: AuditAction,
    object_type: str,
    object_id: object,
    at: datetime,
    details: Mapping[str, JSON] | None = None,
) -> AuditRecord:
    """Append what was done, in the caller's transaction: both are kept, or neither.

    From here to the commit no other transaction can append, so call it after the other writes.
    Text under a name like `password` or `token` is hidden. Raises ValueError for a time without
    zone and for floats in `details`.
    """
    previous_seq, previous_hash = lock_head(session)
    texts: dict[str, Any] = {
        "actor_kind": str(actor.kind),
        "actor_id": plain(str(actor.id), 64),
        "actor_name": plain(actor.name, 200),
        "action": str(action),
        "object_type": plain(object_type, 64),
        "object_id": plain(str(object_id), 100),
        "ip": plain(actor.ip, 64),
        "details": details_text(details or {}),
    }
    seq = previous_seq + 1
    new_hash = chain_hash(previous_hash, record_bytes(seq=seq, at=moment(at), **texts))
    values: dict[str, Any] = {
        **texts,
        "seq": seq,
        "at": at,
        "version": VERSION,
        "algorithm": ALGORITHM,
        "prev_hash": previous_hash,
        "hash": new_hash,
    }
    session.execute(_INSERT, values)
    session.execute(_ADVANCE, {"new_seq": seq, "new_hash": new_hash})
    return AuditRecord(**values)


_HEAD = sa.select(col(AuditHead.seq), col(AuditHead.hash)).with_for_update()
_INSERT = sa.insert(AuditRecord.__table__)  # type: ignore[attr-defined]
_ADVANCE = sa.update(AuditHead.__table__).values(  # type: ignore[attr-defined]
    seq=sa.bindparam("new_seq"), hash=sa.bindparam("new_hash")
)


def lock_head(session: Session) -> tuple[int, str]:
    """Number and hash of the last record, and the right to append. PostgreSQL locks the row; on SQLite a writer holds the write lock."""
    row = session.execute(_HEAD).one_or_none()
    if row is None:
        raise AuditHeadMissing
    return row.seq, row.hash
