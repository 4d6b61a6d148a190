"""The only writer of the audit trail."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import CursorResult

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
from app.audit.models import AuditRecord
from app.core.db import Session, dialect_name


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
    at_text = moment(at)
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
    new_hash = chain_hash(previous_hash, record_bytes(seq=seq, at=at_text, **texts))
    links = (VERSION, ALGORITHM, previous_hash, new_hash)
    _execute(session, _INSERT, (seq, at_text, *texts.values(), *links))
    _execute(session, _ADVANCE, (seq, new_hash))
    return AuditRecord(
        seq=seq,
        at=at.astimezone(UTC),
        version=VERSION,
        algorithm=ALGORITHM,
        prev_hash=previous_hash,
        hash=new_hash,
        **texts,
    )


def lock_head(session: Session) -> tuple[int, str]:
    """Number and hash of the last record, and the right to append.

    PostgreSQL locks the row; on SQLite a writer holds the write lock already.
    """
    session.flush()
    for_update = "" if dialect_name(session) == "sqlite" else " FOR UPDATE"
    row = _execute(session, f"SELECT seq, hash FROM audit_head{for_update}", ()).one_or_none()
    if row is None:
        raise AuditHeadMissing
    return row.seq, row.hash


_INSERT = (
    "INSERT INTO audit_records (seq, at, actor_kind, actor_id, actor_name, action, object_type,"
    " object_id, ip, details, version, algorithm, prev_hash, hash)"
    f" VALUES ({', '.join('?' * 14)})"
)
_ADVANCE = "UPDATE audit_head SET seq = ?, hash = ?"


def _execute(session: Session, statement: str, values: tuple[Any, ...]) -> CursorResult[Any]:
    """Straight to the driver: every change of the system pays for this."""
    if dialect_name(session) != "sqlite":
        statement = statement.replace("?", "%s")
    return session.connection().exec_driver_sql(statement, values)
