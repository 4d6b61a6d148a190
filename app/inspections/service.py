"""Make inspections: entered by the calendar or by hand, done section by section, gone on with after a restart."""

from datetime import date, datetime, timedelta
from uuid import UUID

from app.accounts.principal import Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.actor import SYSTEM, Actor
from app.core.clock import Clock, local_date
from app.core.db import Session, shared_now
from app.core.ids import new_token
from app.core.logging import get_logger
from app.core.process import Process
from app.inspections import queries
from app.inspections.examinations import EXAMINATIONS, TITLES
from app.inspections.models import Inspection, InspectionKind, InspectionState
from app.inspections.section import Section, Severity, worst
from app.notifications import service as notifications
from app.notifications.service import EventKind, Subject
from app.settings import Settings

log = get_logger(__name__)

LEASE = timedelta(minutes=10)
"""Renewed after every section; it runs by the database's clock."""


class LeaseLost(Exception):
    """Another process has taken the inspection over."""


def request_inspection(session: Session, *, principal: Principal, clock: Clock) -> Inspection:
    """Enter one to be made now; one that waits already is the one."""
    now = clock()
    inspection = Inspection(
        kind=InspectionKind.ON_DEMAND,
        label=f"{local_date(now):%Y-%m-%d}",
        requested_by=str(principal.id),
        requested_by_name=principal.display_name,
        created_at=now,
    )
    session.add(inspection)
    session.flush()
    _audit(session, inspection, principal.actor, now, started=True)
    return inspection


def enter_scheduled(
    session: Session, settings: Settings, *, now: datetime, since: date
) -> list[Inspection]:
    """Enter what the calendar asks for: once a month, once a quarter.

    A month or quarter that began before `since` is not made up for: nobody asked then.
    """
    today = local_date(now)
    wanted = {part.strip() for part in settings.inspection_schedule.split(",") if part.strip()}
    entered = []
    for kind, label, first in _calendar(today):
        if kind.value in wanted and first > since and not queries.exists(session, kind, label):
            inspection = Inspection(
                kind=kind, label=label, requested_by_name="系统", created_at=now
            )
            session.add(inspection)
            entered.append(inspection)
    session.flush()
    return entered


def _calendar(today: date) -> list[tuple[InspectionKind, str, date]]:
    quarter = (today.month - 1) // 3
    return [
        (InspectionKind.MONTHLY, f"{today:%Y-%m}", today.replace(day=1)),
        (
            InspectionKind.QUARTERLY,
            f"{today.year}-Q{quarter + 1}",
            date(today.year, quarter * 3 + 1, 1),
        ),
    ]


def run_waiting(context: Process) -> int:
    """Make what waits, and go on with what a process left; gives how many were finished."""
    with context.database.reading() as session:
        waiting = queries.waiting(session, shared_now(session, context.clock))
    return sum(_run(context, inspection_id) for inspection_id in waiting)


def _run(context: Process, inspection_id: UUID) -> bool:
    lease = _claim(context, inspection_id)
    if lease is None:
        return False
    try:
        for name in EXAMINATIONS:
            _examine(context, inspection_id, lease, name)
        _finish(context, inspection_id, lease)
    except LeaseLost:
        log.warning("another process goes on with the inspection", inspection=str(inspection_id))
        return False
    return True


def _claim(context: Process, inspection_id: UUID) -> str | None:
    with context.database.transaction() as session:
        now = shared_now(session, context.clock)
        row = queries.claimable(session, inspection_id, now)
        if row is None:
            return None
        row.lease, row.leased_until = new_token(128), now + LEASE
        row.state, row.started_at = InspectionState.RUNNING, row.started_at or context.clock()
        session.add(row)
        return row.lease


def _examine(context: Process, inspection_id: UUID, lease: str, name: str) -> None:
    """One section, unless it is there already. One that breaks is a finding, and the rest goes on."""
    with context.database.reading() as session:
        if name in queries.inspection(session, inspection_id).sections:
            return
    try:
        section = EXAMINATIONS[name](context)
    except Exception as error:
        log.error("a section of an inspection broke", section=name, exc_info=error)
        section = _broken(name, error)
    with context.database.transaction() as session:
        row = _held(session, inspection_id, lease)
        row.sections = {**row.sections, name: section.to_json()}
        row.leased_until = shared_now(session, context.clock) + LEASE
        session.add(row)


def _broken(name: str, error: Exception) -> Section:
    return Section(
        TITLES[name],
        Severity.WARNING,
        f"检查未能完成：{type(error).__name__}",
        "重新执行检查；仍然出现时收集诊断信息并联系技术支持。",
        code="internal",
    )


def _held(session: Session, inspection_id: UUID, lease: str) -> Inspection:
    row = session.get_one(Inspection, inspection_id, with_for_update=True)
    if row.lease != lease:
        raise LeaseLost
    return row


def _finish(context: Process, inspection_id: UUID, lease: str) -> None:
    with context.database.transaction() as session:
        row = _held(session, inspection_id, lease)
        sections = [Section.from_json(row.sections[name]) for name in EXAMINATIONS]
        row.severity = worst(section.severity for section in sections).value
        row.state, row.finished_at = InspectionState.DONE, context.clock()
        row.lease, row.leased_until = "", None
        session.add(row)
        findings = [one for one in sections if one.severity is not Severity.OK]
        _announce(session, row, findings, context.clock())
        _audit(session, row, SYSTEM, context.clock(), findings=[one.title for one in findings])


def _announce(session: Session, row: Inspection, findings: list[Section], at: datetime) -> None:
    notifications.publish(
        session,
        EventKind.INSPECTION_FINISHED,
        subject=Subject("inspection", str(row.id), requester_id=row.requested_by),
        data={
            "label": row.label,
            "outcome": f"{len(findings)} 项需要处理" if findings else "没有发现问题",
            "severity": row.severity,
            "findings": [f"{one.title}：{one.summary}"[:200] for one in findings],
        },
        at=at,
    )


def _audit(
    session: Session, row: Inspection, actor: Actor, at: datetime, **details: bool | list[str]
) -> None:
    audit.record(
        session,
        actor=actor,
        action=AuditAction.INSPECTION_RUN,
        object_type="inspection",
        object_id=str(row.id),
        at=at,
        details={"kind": row.kind.value, "label": row.label, "severity": row.severity, **details},
    )
