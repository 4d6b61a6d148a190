"""数据备份: an archive of what the clearing will touch, read back and compared, before anything else."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from app.accounts.principal import SYSTEM
from app.backups import preferences
from app.backups import queries as backups_queries
from app.backups import service as backups_service
from app.backups.ledger import invoice_table
from app.backups.models import Backup, BackupKind
from app.clearing import ledger, queries
from app.clearing.models import ClearingRequest
from app.clearing.states import Scope, Stage, StageState
from app.contracts.devices import Statistics
from app.contracts.periods import Period
from app.core.db import Session
from app.errors import QingkaError
from app.operators.models import Operator
from app.prechecks import subject as facts
from app.prechecks.readings import statistics_of
from app.requests.run import repeated_readings
from app.requests.run.context import Attempt, StageFailed, failure_of
from app.requests.service import progress


@dataclass(frozen=True, slots=True)
class _Plan:
    """What goes into the archive, taken from the database."""

    name: str
    number: str
    operator_id: UUID
    operator_name: str
    enterprise_id: UUID
    subject: facts.Subject
    existing: UUID | None
    begun: bool


@dataclass(frozen=True, slots=True)
class _Totals:
    """What a device says of the period, or why it could not be asked."""

    number: str
    statistics: list[Statistics] | None = None
    problem: QingkaError | None = None


async def run(attempt: Attempt) -> None:
    """Raises StageFailed when there is no verified backup at the end."""
    plan = await attempt.read(_plan, attempt)
    if not plan.begun:
        await attempt.write(_begin_again, attempt)
    if plan.existing is not None:
        await attempt.write(_end, attempt, plan.existing)
        return
    statistics = await _read_statistics(attempt, plan.subject)
    try:
        await asyncio.to_thread(_create, attempt, plan, statistics)
    except backups_service.BackupFailed as error:
        raise StageFailed(failure_of(error)) from error


def begin(session: Session, request: ClearingRequest, at: datetime) -> None:
    """Begin the stage, in the transaction that ends the one before it."""
    progress.begin_stage(session, request, Stage.BACKUP, "正在备份发票与统计数据", at)


def _begin_again(session: Session, request: ClearingRequest, attempt: Attempt) -> None:
    begin(session, request, attempt.context.clock())


def _plan(session: Session, attempt: Attempt) -> _Plan:
    request = queries.request(session, attempt.request_id)
    name = f"{request.number}-{attempt.number}-before"
    existing = backups_queries.of_request(session, request.id, BackupKind.PRE_CLEARING)
    made_now = existing is not None and existing.summary.get("name") == name
    # What may have been cleared by now was backed up before it was.
    good = made_now or queries.has_unknown_outcome(session, request.id)
    return _Plan(
        name=name,
        number=request.number,
        operator_id=request.operator_id,
        operator_name=session.get_one(Operator, request.operator_id).name,
        enterprise_id=request.enterprise_id,
        subject=facts.subject_of_request(session, request.id),
        existing=existing.id if existing is not None and good else None,
        begun=progress.state_of(session, request, Stage.BACKUP) is StageState.RUNNING,
    )


async def _read_statistics(attempt: Attempt, subject: facts.Subject) -> dict[str, list[Statistics]]:
    """The device's own totals of the period, by device number; a device that gives none is not among them."""
    statistics: dict[str, list[Statistics]] = {}
    for device in subject.devices:
        read = await repeated_readings.read_patiently(
            attempt, partial(_totals, attempt, device, subject.period), _silent
        )
        if read.problem is not None:
            raise StageFailed(failure_of(read.problem)) from read.problem
        if read.statistics is not None:
            statistics[device.number] = read.statistics
    return statistics


async def _totals(attempt: Attempt, device: facts.SubjectDevice, period: Period) -> _Totals:
    try:
        client = await attempt.context.agents.of(device.agent_id)
        found, _ = await statistics_of(client, device.number, period)
    except QingkaError as error:
        return _Totals(device.number, problem=error)
    return _Totals(device.number, found)


def _silent(read: _Totals) -> list[str]:
    return [read.number] if repeated_readings.is_passing(read.problem) else []


def _create(attempt: Attempt, plan: _Plan, statistics: dict[str, list[Statistics]]) -> Backup:
    context = attempt.context
    content = backups_service.Content(
        kind=BackupKind.PRE_CLEARING,
        name=plan.name,
        tables=tuple(_tables(plan, statistics)),
        documents={"request.json": _request_document(plan)},
        request_id=attempt.request_id,
        enterprise_id=plan.enterprise_id,
        operator_id=plan.operator_id,
        operator_name=plan.operator_name,
        period=plan.subject.period,
        beside=partial(_end_beside, attempt),
    )
    return backups_service.create(
        context.database,
        backups_service.storage_of(context.settings),
        content,
        actor=SYSTEM.actor,
        clock=context.clock,
        fence=attempt.hold,
    )


def _request_document(plan: _Plan) -> dict[str, Any]:
    return {
        "number": plan.number,
        "period": plan.subject.period,
        "scope": plan.subject.scope,
        "invoice_types": {
            device.number: list(device.invoice_types) for device in plan.subject.devices
        },
        "devices": [device.number for device in plan.subject.devices],
    }


def _tables(
    plan: _Plan, statistics: dict[str, list[Statistics]]
) -> Iterator[backups_service.Table]:
    if plan.subject.scope is Scope.FULL:
        yield preferences.table(plan.operator_id)
    for device in plan.subject.devices:
        yield _invoice_table(device, plan.subject)
        if device.number in statistics:
            yield _statistics_table(device.number, statistics[device.number])


def _invoice_table(device: facts.SubjectDevice, subject: facts.Subject) -> backups_service.Table:
    def rows(session: Session) -> Iterator[Mapping[str, Any]]:
        return ledger.rows(
            session, device.device_id, subject.period, device.invoice_types, subject.scope
        )

    return invoice_table(device.number, rows)


_STATISTICS = {
    "invoice_type": "类型",
    "period_from": "起始",
    "period_to": "截止",
    "issued": "正数份数",
    "issued_amount": "正数金额",
    "issued_tax": "正数税额",
    "red": "红字份数",
    "red_amount": "红字金额",
    "red_tax": "红字税额",
    "void": "作废份数",
    "void_amount": "作废金额",
    "void_tax": "作废税额",
}
"""Columns of the sheet for people; the part of the archive has all the device tells."""


def _statistics_table(number: str, statistics: list[Statistics]) -> backups_service.Table:
    lines = [
        {"invoice_type": one.invoice_type.value, **period.model_dump(mode="json")}
        for one in statistics
        for period in one.periods
    ]
    return backups_service.Table(
        name=f"{number}/statistics",
        rows=lambda _: iter(lines),
        title="统计",
        header=tuple(_STATISTICS.values()),
        cells=lambda row: tuple(str(row[name]) for name in _STATISTICS),
    )


def _end_beside(attempt: Attempt, session: Session, backup: Backup) -> None:
    """End the stage in the transaction that registers the backup."""
    _end_with(session, attempt.hold(session), attempt, backup)


def _end(session: Session, request: ClearingRequest, attempt: Attempt, backup_id: UUID) -> None:
    _end_with(session, request, attempt, backups_queries.get(session, backup_id))


def _end_with(session: Session, request: ClearingRequest, attempt: Attempt, backup: Backup) -> None:
    request.backup_id = backup.id
    text = f"{backup.invoices} 张发票 · {_size(backup.size)} · 已读回校验"
    progress.end_stage(session, request, Stage.BACKUP, text, attempt.context.clock())


def _size(size: int) -> str:
    return f"{size / (1 << 20):.1f} MB" if size >= 1 << 20 else f"{size / 1024:.1f} KB"
