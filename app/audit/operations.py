"""Verifying and exporting as people ask for it: the long reading first, then a record of it."""

from collections.abc import Iterator

from sqlalchemy.exc import IntegrityError

from app.audit import service, tree
from app.audit.actions import AuditAction
from app.audit.actor import Actor
from app.audit.checkpoint import Signer
from app.audit.export import export_lines
from app.audit.queries import AuditFilter
from app.audit.service import AuditHeadMissing
from app.audit.verification import Verification, verify
from app.core.clock import Clock
from app.core.db import Database
from app.core.logging import get_logger

log = get_logger(__name__)


def verify_now(database: Database, signer: Signer, *, actor: Actor, clock: Clock) -> Verification:
    """Verify, put the result on record, and sign a checkpoint of a trail that is whole."""
    with database.reading() as session:
        result = verify(session, signer=signer)
    if result.ok:
        _record_success(database, signer, result, actor, clock)
    else:
        _record_failure(database, result, actor, clock)
    return result


def _record_success(
    database: Database, signer: Signer, result: Verification, actor: Actor, clock: Clock
) -> None:
    with database.transaction() as session:
        service.record(
            session,
            actor=actor,
            action=AuditAction.AUDIT_VERIFIED,
            object_type="audit",
            object_id="",
            at=clock(),
            details={"checked": result.checked, "head": result.head},
        )
        tree.issue(session, signer, actor=actor, at=clock())


def _record_failure(database: Database, result: Verification, actor: Actor, clock: Clock) -> None:
    """The log hears of it in any case: a trail whose end is broken takes no further record."""
    log.error(
        "audit trail does not verify", first_bad_seq=result.first_bad_seq, problem=result.problem
    )
    try:
        with database.transaction() as session:
            service.record(
                session,
                actor=actor,
                action=AuditAction.AUDIT_VERIFICATION_FAILED,
                object_type="audit",
                object_id="",
                at=clock(),
                details={"first_bad_seq": result.first_bad_seq, "problem": result.problem},
            )
    except (IntegrityError, AuditHeadMissing, ValueError) as error:
        log.error("the audit trail takes no record", error=str(error))


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
