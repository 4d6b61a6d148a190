"""Brings together what the pre-checks judge: what was just looked at, the registers, the ledger, the trail."""

from datetime import datetime
from uuid import UUID

from app import __version__
from app.audit import queries as audit_queries
from app.audit.actions import AuditAction
from app.clearing import queries
from app.clearing.states import Scope
from app.clearing.window import parse_window
from app.contracts.devices import DeviceReading, InvoiceType, LinkState
from app.contracts.periods import Period
from app.core.clock import Clock
from app.core.db import Session
from app.devices import service as devices_service
from app.devices.models import Device
from app.devices.service import Change
from app.devices.states import clock_now
from app.invoices import queries as invoices_queries
from app.invoices import total_queries
from app.invoices.figures import of_device
from app.invoices.unfinished import Waiting, unfinished_of
from app.prechecks import DeviceFacts, Facts
from app.prechecks.facts import Reported, SubMachine, SubState, SystemFacts, sub_state
from app.prechecks.readings import Look, Read, Readings
from app.prechecks.subject import Sub, Subject, SubjectDevice
from app.settings import Settings

_OUTCOMES = (
    # the alarm, what says that it is over, what says that it is there
    ("审计链验证失败", AuditAction.AUDIT_VERIFIED, AuditAction.AUDIT_VERIFICATION_FAILED),
    ("最近一次备份失败", AuditAction.BACKUP_CREATED, AuditAction.BACKUP_FAILED),
    (
        "最近一次备份校验失败",
        AuditAction.BACKUP_VERIFIED,
        AuditAction.BACKUP_VERIFICATION_FAILED,
    ),
)


def collect(
    session: Session,
    subject: Subject,
    look: Look,
    settings: Settings,
    clock: Clock,
    *,
    starts_at: datetime | None = None,
) -> Facts:
    """Everything the checks look at. `starts_at`: when it is going to start, if not now."""
    now = clock()
    subs = tuple(_sub_machine(sub, look.subs, subject.period, now) for sub in subject.subs)
    ids = [device.device_id for device in subject.devices]
    cleared = queries.cleared_types(session, ids, subject.period)
    cleared_before = queries.cleared_before(session, ids)
    return Facts(
        now=now,
        period=subject.period,
        devices=tuple(
            _device(
                session,
                subject,
                device,
                look.devices[device.device_id],
                frozenset(InvoiceType(kind) for kind in cleared[device.device_id]),
                cleared_before,
                subs,
            )
            for device in subject.devices
        ),
        tax_no=subject.tax_no,
        taxpayer_name=subject.taxpayer_name,
        free_bytes=look.space.free_bytes,
        needed_bytes=settings.backup_min_free_mb << 20,
        target_problem=look.space.problem,
        peak_window=parse_window(settings.peak_window),
        override_window=subject.override_window,
        exceptional=subject.exceptional,
        mode=subject.mode,
        kind=subject.kind,
        min_days_between=settings.min_days_between_clearings,
        system=SystemFacts(__version__, *look.schema, alarms=alarms(session)),
        starts_at=starts_at or now,
    )


def _device(
    session: Session,
    subject: Subject,
    device: SubjectDevice,
    read: Read,
    cleared: frozenset[InvoiceType],
    cleared_before: set[UUID],
    subs: tuple[SubMachine, ...],
) -> DeviceFacts:
    ids, until = [device.device_id], subject.period
    machine_no = read.reading.info.machine_no if read.reading else device.machine_no
    return DeviceFacts(
        device_id=device.device_id,
        number=device.number,
        machine_no=machine_no,
        invoice_types=device.invoice_types,
        reading=read.reading,
        fault=read.fault,
        drafts=invoices_queries.count_drafts(session, ids, until=until),
        later_drafts=_later_drafts(session, device.device_id, subject),
        not_uploaded=_waiting(session, device.device_id, read, until),
        cleared_types=cleared,
        last_cleared_at=device.last_cleared_at,
        version=device.version,
        agent=read.agent,
        bureau=read.bureau,
        bureau_fault=read.bureau_fault,
        subs=() if machine_no else subs,
        changes=_changes(session, device.device_id, read.reading),
        cleared_before=device.device_id in cleared_before,
        ledger={
            one.invoice_type: one.figures
            for one in total_queries.totals(session, device.device_id, until)
        },
        ledger_current=read.invoices is not None,
        uploads_read=read.invoices is not None or read.waiting is not None,
        statistics=None if read.statistics is None else of_device(read.statistics, until),
        statistics_fault=read.statistics_fault,
    )


def _waiting(session: Session, device_id: UUID, read: Read, until: Period) -> Waiting:
    """By the ledger, which a run has just brought up to date; the period's as the device was asked itself."""
    if read.waiting is None:
        return unfinished_of(session, [device_id], until)[device_id].not_uploaded
    earlier = unfinished_of(session, [device_id], until.plus(-1))[device_id].not_uploaded
    return earlier + read.waiting


def _changes(
    session: Session, device_id: UUID, reading: DeviceReading | None
) -> tuple[Change, ...]:
    if reading is None:
        return ()
    device = session.get_one(Device, device_id)
    return tuple(devices_service.differences(session, device, reading))


def _later_drafts(session: Session, device_id: UUID, subject: Subject) -> int:
    """Drafts of months after the period: a full clearing resets them."""
    if subject.scope is not Scope.FULL:
        return 0
    earlier = invoices_queries.count_drafts(session, [device_id], until=subject.period)
    return invoices_queries.count_drafts(session, [device_id]) - earlier


def _sub_machine(sub: Sub, reads: Readings, period: Period, now: datetime) -> SubMachine:
    """As just read where it was read, else as last read."""
    read = reads.get(sub.device.device_id)
    reading = read.reading if read else None
    if reading is None:
        clock = clock_now(now, sub.drift_seconds)
        state = sub_state(sub.types, period, clock, locked=sub.locked)
        if sub.goes_first and state is not SubState.REPORTED:
            state = SubState.AHEAD
        return SubMachine(sub.device.number, sub.device.machine_no, state, live=False)
    types = [Reported(one.lock_date, one.last_reported_at) for one in reading.monitors]
    locked = reading.summary.state is LinkState.LOCKED
    state = sub_state(types, period, reading.info.clock_at, locked=locked)
    if sub.goes_first and state is not SubState.REPORTED:
        state = SubState.AHEAD
    return SubMachine(sub.device.number, reading.info.machine_no, state, live=True)


def alarms(session: Session) -> tuple[tuple[str, datetime], ...]:
    """What the trail says of the last verifications and the last backup, where it is not good."""
    newest = ((name, audit_queries.newest_of(session, pair)) for name, *pair in _OUTCOMES)
    bad = {failure for *_, failure in _OUTCOMES}
    return tuple(
        (name, record.at) for name, record in newest if record is not None and record.action in bad
    )
