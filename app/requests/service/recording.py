"""What an execution did to one device, written down: the immutable record, and all that points at it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from app.backups.models import Backup
from app.calendar import service as calendar_service
from app.clearing import ledger, outcomes, queries
from app.clearing.grouping import types_to_clear
from app.clearing.models import ClearedType, ClearingRecord, ClearingRequest, ClearingTarget
from app.clearing.outcomes import Failure, TypeDate
from app.clearing.states import Outcome, Result, Scope, TargetState
from app.contracts.devices import InvoiceType
from app.contracts.operations import TypeOutcome
from app.contracts.periods import Period
from app.core.clock import Clock
from app.core.db import Session
from app.core.ids import new_id
from app.devices import queries as devices_queries
from app.devices import service as devices_service
from app.devices.models import Device
from app.enterprises.models import Enterprise
from app.invoices import figures, total_queries
from app.invoices import service as invoices_service
from app.invoices.figures import ByType
from app.operators.models import Operator
from app.requests.service import progress


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is kept of one device's execution: per type, and the messages exchanged."""

    types: tuple[TypeOutcome, ...]
    steps: tuple[Mapping[str, Any], ...] = ()


def complete(
    session: Session,
    request: ClearingRequest,
    target: ClearingTarget,
    device: Device,
    proof: Evidence,
    clock: Clock,
) -> None:
    """A device that shows it is cleared: its record first, then everything that points at it.

    When it was cleared was kept by whoever cleared it: of one that showed it before, nothing is noted.
    """
    already = queries.cleared_types(session, [device.id], request.period)[device.id]
    new = [outcome for outcome in proof.types if outcome.invoice_type.value not in already]
    record = keep_record(
        session, request, target, device, Result.SUCCEEDED, clock, proof=proof, new=new
    )
    if record is not None:
        session.add_all(
            ClearedType(
                device_id=device.id,
                period=request.period,
                invoice_type=outcome.invoice_type.value,
                record_id=record.id,
            )
            for outcome in new
        )
    if not target.already:
        devices_service.record_cleared(session, device, at=clock())
    target.state = TargetState.SUCCEEDED
    session.add(target)
    progress.note(session, request, _said(session, request, device, proof), clock())
    if not target.already:
        _compare_with_calendar(session, request, proof, clock)


def keep_record(
    session: Session,
    request: ClearingRequest,
    target: ClearingTarget,
    device: Device,
    result: Result,
    clock: Clock,
    *,
    failure: Failure | None = None,
    proof: Evidence | None = None,
    new: Sequence[TypeOutcome] = (),
) -> ClearingRecord | None:
    """The immutable record; None when this execution has one already."""
    if queries.record_exists(session, request.id, device.id, request.attempt):
        return None
    types = [outcome.invoice_type for outcome in new] or _wanted_types(request, device)
    record = ClearingRecord(
        id=new_id(),
        request_id=request.id,
        attempt=request.attempt,
        operator_id=request.operator_id,
        operator_name=session.get_one(Operator, request.operator_id).name,
        enterprise_id=request.enterprise_id,
        device_id=device.id,
        device_number=device.number,
        mode=request.mode,
        kind=request.kind,
        scope=request.scope,
        period=request.period,
        invoice_types=[kind.value for kind in types],
        result=result,
        already=target.already,
        simulated=device.simulated,
        error_code=failure.code if failure else None,
        error_message=failure.message if failure else None,
        started_at=target.started_at or request.started_at or clock(),
        finished_at=clock(),
        executed_by=request.executed_by or "",
        executed_by_name=request.executed_by_name or "",
        approved_by=request.reviewed_by,
        approved_by_name=request.reviewed_by_name,
        backup_id=request.backup_id,
        evidence=_evidence_json(proof, failure),
    )
    if proof is not None and proof.types:
        _say_what_is_left(session, record, device, proof)
    if proof is not None and result is Result.SUCCEEDED:
        _count(session, request, target, device, record, types, clock)
    session.add(record)
    session.flush()
    return record


def left_of(
    session: Session, request: ClearingRequest, device: Device, proof: Evidence
) -> tuple[TypeDate, ...]:
    """The types of the period the device still has open, by its last reading and these outcomes."""
    dates = _lock_dates(session, device, proof)
    return outcomes.left_of(device.number, Period(request.period), dates, proof.types)


def _lock_dates(session: Session, device: Device, proof: Evidence) -> dict[InvoiceType, date]:
    """Of every type of the device: as the execution left it, else as read before."""
    monitors = devices_queries.monitors_of(session, [device.id])[device.id]
    dates = {monitor.invoice_type: monitor.lock_date for monitor in monitors}
    shown = {one.invoice_type: one.lock_date_after for one in proof.types}
    return dates | {kind: day for kind, day in shown.items() if day is not None}


def _say_what_is_left(
    session: Session, record: ClearingRecord, device: Device, proof: Evidence
) -> None:
    dates = _lock_dates(session, device, proof)
    left = outcomes.left_of(device.number, Period(record.period), dates, proof.types)
    record.remaining = [one.as_json() for one in left]
    record.next_lock_date = outcomes.nearest(dates.values())
    if record.result is Result.SUCCEEDED:
        record.outcome = outcomes.of_device(proof.types, left)
        record.lock_date_before = outcomes.nearest(one.lock_date_before for one in proof.types)
        record.lock_date_after = outcomes.nearest(one.lock_date_after for one in proof.types)


def _count(
    session: Session,
    request: ClearingRequest,
    target: ClearingTarget,
    device: Device,
    record: ClearingRecord,
    types: Iterable[InvoiceType],
    clock: Clock,
) -> None:
    """The figures of both sides for the record's types, and what leaves the working set with it."""
    kinds = frozenset(types)
    ledger_side = {
        one.invoice_type: one.figures
        for one in total_queries.totals(session, device.id, Period(request.period))
    }
    record.ledger_totals = figures.as_json(_only(ledger_side, kinds))
    if target.device_totals is not None:
        device_side = figures.from_json(target.device_totals)
        record.device_totals = figures.as_json(_only(device_side, kinds))
    cleared = _take_out(session, request, target, device, kinds, record, clock)
    record.invoices_cleared = cleared.count
    record.amount, record.tax = cleared.amount, cleared.tax


def _only(found: ByType, kinds: frozenset[InvoiceType]) -> ByType:
    return {kind: one for kind, one in found.items() if kind in kinds} if kinds else found


def _take_out(
    session: Session,
    request: ClearingRequest,
    target: ClearingTarget,
    device: Device,
    types: Iterable[InvoiceType],
    record: ClearingRecord,
    clock: Clock,
) -> invoices_service.Cleared:
    """Invoices become 已清卡, drafts go with a full clearing: only what the backup holds, row for row.

    What was written to the ledger after the backup stays in the working set, and the log says so. On a
    device that was cleared before, nothing is executed, so its drafts stay.
    """
    period = Period(request.period)
    backup = session.get(Backup, request.backup_id) if request.backup_id else None
    wanted = _wanted_types(request, device)
    exact = ledger.is_backed_up(
        session, backup, device.id, device.number, period, wanted, request.scope
    )
    if exact and request.scope is Scope.FULL and not target.already:
        invoices_service.delete_drafts(session, device_ids=[device.id])
    if not exact:
        text = f"设备 {device.number} 的发票在备份后有变动，变动的部分未标记为已清卡，请核对"
        progress.note(session, request, text, clock(), level="warning")
    return invoices_service.mark_cleared(
        session,
        device_id=device.id,
        period=period,
        types=types,
        record_id=record.id,
        at=clock(),
        unchanged_since=None if exact else _backed_up_at(backup, clock),
    )


def _backed_up_at(backup: Backup | None, clock: Clock) -> datetime:
    """Before this moment nothing escaped the backup; without one nothing is in it."""
    if backup is None:
        return datetime.min.replace(tzinfo=clock().tzinfo)
    return datetime.fromisoformat(backup.summary["created_at"])


def _wanted_types(request: ClearingRequest, device: Device) -> tuple[InvoiceType, ...]:
    """What was asked for on this device; () means all."""
    return types_to_clear(request.invoice_types, device.clear_groups)


def _evidence_json(proof: Evidence | None, failure: Failure | None) -> dict[str, Any]:
    return {
        "types": [outcome.model_dump(mode="json") for outcome in (proof.types if proof else ())],
        "steps": [dict(step) for step in (proof.steps if proof else ())],
        "device_code": failure.device_code if failure else "",
        "device_message": failure.device_message if failure else "",
    }


def _compare_with_calendar(
    session: Session, request: ClearingRequest, proof: Evidence, clock: Clock
) -> None:
    """The new date is the bureau's; a day other than the filing deadline is said (rule 3)."""
    after = outcomes.nearest(one.lock_date_after for one in outcomes.executed(proof.types))
    if after is None:
        return
    region = session.get_one(Enterprise, request.enterprise_id).tax_authority_code
    expected = calendar_service.deadline_for(session, Period.of(after), region=region).deadline
    if after != expected:
        text = f"新的锁死日期 {after} 与当月申报期限 {expected} 不同，请留意"
        progress.note(session, request, text, clock(), level="warning")


def _said(session: Session, request: ClearingRequest, device: Device, proof: Evidence) -> str:
    """The line of the log: what was done to the device, the dates it moved, and what is left."""
    left = left_of(session, request, device, proof)
    done = outcomes.executed(proof.types)
    after = outcomes.nearest(one.lock_date_after for one in done or proof.types)
    if outcomes.of_device(proof.types, left) is Outcome.ALREADY:
        what = f"{outcomes.NOT_EXECUTED}，锁死日期 {after or '—'}"
    else:
        before = outcomes.nearest(one.lock_date_before for one in done)
        names = "、".join(one.invoice_type.value for one in done) + " " if left else ""
        what = f"{names}清卡完成，锁死日期 {before or '—'} → {after or '—'}"
    rest = f"；{outcomes.sentence((), left)}" if left else ""
    return f"设备 {device.number} {what}{rest}"
