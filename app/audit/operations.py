"""Exporting as people ask for it: a record of it first, then the long reading."""

from collections.abc import Iterator

from app.audit import service
from app.audit.actions import AuditAction
from app.audit.actor import Actor
from app.audit.checkpoint import Signer
from app.audit.export import export_lines
from app.audit.queries import AuditFilter
from app.core.clock import Clock
from app.core.db import Database


def export_now(
    database: Database, signer: Signer, wanted: AuditFilter, *, actor: Actor, clock: Clock
) -> Iterator[str]:
    """Put the export on record, then give its lines; the record is part of what is exported.

    Raises ChainBroken or CheckpointContradicted before the first line.
    """
    with database.transaction() as session:
        service.record(
            session,
            actor=actor,
            action=AuditAction.AUDIT_EXPORTED,
            object_type="audit",
            object_id="",
            at=clock(),
            details=_filter_details(wanted),
        )
    lines = _lines(database, signer, wanted)
    first = next(lines)
    return _after(first, lines)


def _lines(database: Database, signer: Signer, wanted: AuditFilter) -> Iterator[str]:
    with database.reading() as session:
        yield from export_lines(session, signer, wanted)


def _after(first: str, lines: Iterator[str]) -> Iterator[str]:
    yield first
    yield from lines


def _filter_details(wanted: AuditFilter) -> dict[str, str]:
    values = {
        "actor": wanted.actor,
        "action": wanted.action,
        "object_type": wanted.object_type,
        "object_id": wanted.object_id,
        "from": str(wanted.from_day or ""),
        "to": str(wanted.to_day or ""),
        "q": wanted.q,
    }
    return {name: value for name, value in values.items() if value}
