"""The backup after a clearing: ledger and records as they are now. It never undoes a success."""

import asyncio
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from app.accounts.principal import SYSTEM
from app.backups import queries as backups_queries
from app.backups import service as backups_service
from app.backups.ledger import invoice_table
from app.backups.models import Backup, BackupKind
from app.backups.rows import row_of
from app.clearing import ledger, queries
from app.clearing.models import ClearingRecord, ClearingRequest
from app.clearing.states import RequestState, TargetState
from app.core.db import Session
from app.core.logging import get_logger
from app.errors import QingkaError
from app.operators.models import Operator
from app.prechecks import subject as facts
from app.requests.run.context import Attempt
from app.requests.service import progress

log = get_logger(__name__)

_OVER = (RequestState.SUCCEEDED, RequestState.CONFIRMED)
"""The states in which the backup after a clearing is made: a person may confirm meanwhile."""


async def run(attempt: Attempt) -> None:
    """Make it once for the attempt; a failure becomes a line of the log and an audit record."""
    content = await attempt.read(_content, attempt)
    if content is None:
        return
    try:
        await asyncio.to_thread(_create, attempt, content)
    except QingkaError as error:
        log.warning("post-clearing backup failed", request=str(attempt.request_id), code=error.code)
        await asyncio.to_thread(_note_failure, attempt, content.name, error)


def has_succeeded(session: Session, attempt: Attempt) -> bool:
    """Whether this attempt wrote its success before the process ended: only the backup is left."""
    request = queries.request(session, attempt.request_id)
    return request.attempt == attempt.number and request.state is RequestState.SUCCEEDED


def _content(session: Session, attempt: Attempt) -> backups_service.Content | None:
    request = queries.request(session, attempt.request_id)
    name = f"{request.number}-{attempt.number}-after"
    existing = backups_queries.of_request(session, request.id, BackupKind.POST_CLEARING)
    if existing is not None and existing.summary.get("name") == name:
        return None
    subject = facts.subject_of_request(session, request.id, states=(TargetState.SUCCEEDED,))
    return backups_service.Content(
        kind=BackupKind.POST_CLEARING,
        name=name,
        tables=tuple(_tables(request, subject)),
        documents={"request.json": {"number": request.number, "period": request.period}},
        request_id=request.id,
        enterprise_id=request.enterprise_id,
        operator_id=request.operator_id,
        operator_name=session.get_one(Operator, request.operator_id).name,
        period=request.period,
        beside=partial(_note, attempt),
    )


def _tables(request: ClearingRequest, subject: facts.Subject) -> Iterator[backups_service.Table]:
    yield backups_service.Table(name="records", rows=_records_of(request.id))
    for device in subject.devices:
        yield invoice_table(device.number, _invoices_of(device, subject))


def _records_of(request_id: UUID) -> Any:
    def rows(session: Session) -> Iterator[Mapping[str, Any]]:
        statement = (
            select(ClearingRecord)
            .where(ClearingRecord.request_id == request_id)
            .order_by(col(ClearingRecord.id))
        )
        return (row_of(record) for record in session.exec(statement))

    return rows


def _invoices_of(device: facts.SubjectDevice, subject: facts.Subject) -> Any:
    def rows(session: Session) -> Iterator[Mapping[str, Any]]:
        return ledger.rows(
            session, device.device_id, subject.period, device.invoice_types, subject.scope
        )

    return rows


def _create(attempt: Attempt, content: backups_service.Content) -> Backup:
    context = attempt.context
    storage = backups_service.storage_of(context.settings)
    return backups_service.create(
        context.database,
        storage,
        content,
        actor=SYSTEM.actor,
        clock=context.clock,
        fence=lambda session: attempt.hold(session, _OVER),
    )


def _note(attempt: Attempt, session: Session, backup: Backup) -> None:
    """In the log of a request that is over, in the transaction that registers the backup."""
    _write_line(session, attempt, f"清卡后备份完成：{backup.invoices} 张发票", "info")


def _note_failure(attempt: Attempt, name: str, error: QingkaError) -> None:
    with attempt.context.database.transaction() as session:
        _write_line(session, attempt, f"清卡后备份失败：{error.detail}", "warning")
        backups_service.record_failure(
            session, name, error, actor=SYSTEM.actor, at=attempt.context.clock()
        )


def _write_line(session: Session, attempt: Attempt, text: str, level: str) -> None:
    request = attempt.hold(session, _OVER)
    message = request.message
    progress.note(session, request, text, attempt.context.clock(), level=level)
    # What the page shows as the outcome stays the success.
    request.message = message
