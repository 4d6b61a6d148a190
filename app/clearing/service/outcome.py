"""How an execution ends: succeeded, failed, or not known yet. Each in one transaction, each once.

A record is written for every device the attempt dealt with. What the device shows decides: a type
counts as cleared only with a lock date in a later month (product.md section 5, rule 3).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from app.accounts import service as accounts_service
from app.accounts.principal import SYSTEM
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.backups import preferences
from app.backups.models import Backup
from app.calendar import service as calendar_service
from app.clearing import ledger, queries
from app.clearing.grouping import types_to_clear
from app.clearing.models import ClearedType, ClearingRecord, ClearingRequest, ClearingTarget
from app.clearing.service import control, progress
from app.clearing.service.announce import announce_success, announce_trouble
from app.clearing.states import RequestState, Result, Scope, Stage, TargetState
from app.contracts.devices import InvoiceType
from app.contracts.operations import TypeOutcome
from app.contracts.periods import Period
from app.core.clock import Clock
from app.core.db import Session
from app.devices import service as devices_service
from app.devices.models import Device
from app.enterprises.models import Enterprise
from app.invoices import service as invoices_service
from app.notifications.service import EventKind
from app.operators import service as operators_service
from app.operators.models import Attention, Operator


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed, as the page shows it."""

    code: str
    message: str
    remedy: str
    device_code: str = ""
    device_message: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is kept of one device's execution: per type, and the messages exchanged."""

    types: tuple[TypeOutcome, ...]
    steps: tuple[Mapping[str, Any], ...] = ()


def succeed(
    session: Session,
    request: ClearingRequest,
    evidence: Mapping[UUID, Evidence],
    *,
    clock: Clock,
) -> None:
    """Every device is cleared: invoices, records, next period, audit, the request's end."""
    for target, device in queries.devices_of_request(session, request.id):
        if target.state is TargetState.CLEARED:
            _complete(session, request, target, device, evidence, clock)
    control.move(request, RequestState.SUCCEEDED, clock)
    request.finished_at = clock()
    progress.end_stage(session, request, Stage.DONE, "清卡成功", clock())
    control.release(session, request)
    _reset_preferences(session, request)
    operators_service.set_attention(session, request.operator_id, Attention.NONE)
    accounts_service.end_sessions_of_operator(session, request.operator_id, clock=clock)
    announce_success(session, request, clock)
    _audit(session, request, AuditAction.CLEARING_SUCCEEDED, clock, {})


def _reset_preferences(session: Session, request: ClearingRequest) -> None:
    """Personal settings go with a full clearing, as far as the backup holds them."""
    backup = session.get(Backup, request.backup_id) if request.backup_id else None
    if request.scope is not Scope.FULL or backup is None:
        return
    operator = session.get_one(Operator, request.operator_id)
    if preferences.is_backed_up(session, backup, operator):
        operators_service.reset_preferences(session, operator.id)


def fail(
    session: Session,
    request: ClearingRequest,
    failure: Failure,
    evidence: Mapping[UUID, Evidence],
    *,
    clock: Clock,
) -> None:
    """The attempt is over without success; devices that are cleared keep their success."""
    for target, device in queries.devices_of_request(session, request.id):
        if target.state is TargetState.CLEARED:
            _complete(session, request, target, device, evidence, clock)
        elif target.state is not TargetState.SUCCEEDED:
            _record(session, request, target, device, Result.FAILED, clock, failure=failure)
            target.state = TargetState.FAILED
            session.add(target)
    control.move(request, RequestState.FAILED, clock)
    request.finished_at = clock()
    _show(request, failure)
    progress.fail_stage(session, request, failure.message, clock())
    control.release(session, request)
    operators_service.set_attention(session, request.operator_id, Attention.FAILED)
    announce_trouble(session, request, EventKind.CLEARING_FAILED, clock)
    _audit(
        session,
        request,
        AuditAction.CLEARING_FAILED,
        clock,
        {"code": failure.code, "message": failure.message, "device_code": failure.device_code},
    )


def need_attention(
    session: Session, request: ClearingRequest, failure: Failure, *, clock: Clock
) -> None:
    """结果待查: said once; the devices stay held, and the system keeps finding out."""
    if request.state is RequestState.NEEDS_ATTENTION:
        return
    control.move(request, RequestState.NEEDS_ATTENTION, clock)
    _show(request, failure)
    progress.note(session, request, f"结果待查：{failure.message}", clock(), level="warning")
    announce_trouble(session, request, EventKind.CLEARING_NEEDS_ATTENTION, clock)
    _audit(
        session,
        request,
        AuditAction.CLEARING_NEEDS_ATTENTION,
        clock,
        {"code": failure.code, "message": failure.message},
    )


def resume(session: Session, request: ClearingRequest, *, clock: Clock) -> None:
    """The outcome has been found out: go on."""
    if request.state is not RequestState.NEEDS_ATTENTION:
        return
    control.move(request, RequestState.RUNNING, clock)
    request.error_code = request.error_message = request.error_remedy = None
    request.error_device_code = request.error_device_message = None
    progress.note(session, request, "已确认设备上的结果，继续执行", clock())


def give_up(
    session: Session,
    request: ClearingRequest,
    failure: Failure,
    unknown: ClearingTarget,
    *,
    clock: Clock,
) -> None:
    """Stop finding out by itself: a record `unknown` is kept, and a person decides by a retry."""
    need_attention(session, request, failure, clock=clock)
    request.finished_at = clock()
    for target, device in queries.devices_of_request(session, request.id):
        if target.device_id == unknown.device_id:
            _record(session, request, target, device, Result.UNKNOWN, clock, failure=failure)
    progress.note(session, request, "暂停自动查询；请检查设备连接后重试", clock(), level="warning")


def _complete(
    session: Session,
    request: ClearingRequest,
    target: ClearingTarget,
    device: Device,
    evidence: Mapping[UUID, Evidence],
    clock: Clock,
) -> None:
    """One device: its record first, then everything that points at it."""
    proof = evidence.get(device.id, Evidence(()))
    already = queries.cleared_types(session, [device.id], request.period)[device.id]
    new = [outcome for outcome in proof.types if outcome.invoice_type.value not in already]
    record = _record(
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
    devices_service.record_cleared(session, device, at=clock())
    target.state = TargetState.SUCCEEDED
    session.add(target)
    progress.note(session, request, _lock_dates(device, proof), clock())
    _compare_with_calendar(session, request, proof, clock)


def _compare_with_calendar(
    session: Session, request: ClearingRequest, proof: Evidence, clock: Clock
) -> None:
    """The new date is the bureau's; a day other than the filing deadline is said (rule 3)."""
    after = _earliest(outcome.lock_date_after for outcome in proof.types)
    if after is None:
        return
    region = session.get_one(Enterprise, request.enterprise_id).tax_authority_code
    expected = calendar_service.deadline_for(session, Period.of(after), region=region).deadline
    if after != expected:
        text = f"新的锁死日期 {after} 与当月申报期限 {expected} 不同，请留意"
        progress.note(session, request, text, clock(), level="warning")


def _record(
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
    if proof is not None:
        record.lock_date_before = _earliest(outcome.lock_date_before for outcome in proof.types)
        record.lock_date_after = _earliest(outcome.lock_date_after for outcome in proof.types)
        cleared = _take_out(session, request, device, types, record.id, clock)
        record.invoices_cleared = cleared.count
        record.amount, record.tax = cleared.amount, cleared.tax
    session.add(record)
    session.flush()
    return record


def _take_out(
    session: Session,
    request: ClearingRequest,
    device: Device,
    types: Iterable[InvoiceType],
    record_id: UUID,
    clock: Clock,
) -> invoices_service.Cleared:
    """Invoices become 已清卡, drafts go with a full clearing: only what the backup holds, row for row.

    What was written to the ledger after the backup stays in the working set, and the log says so.
    """
    period = Period(request.period)
    backup = session.get(Backup, request.backup_id) if request.backup_id else None
    wanted = _wanted_types(request, device)
    exact = ledger.is_backed_up(
        session, backup, device.id, device.number, period, wanted, request.scope
    )
    if exact and request.scope is Scope.FULL:
        invoices_service.delete_drafts(session, device_ids=[device.id])
    if not exact:
        text = f"设备 {device.number} 的发票在备份后有变动，变动的部分未标记为已清卡，请核对"
        progress.note(session, request, text, clock(), level="warning")
    return invoices_service.mark_cleared(
        session,
        device_id=device.id,
        period=period,
        types=types,
        record_id=record_id,
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


def _earliest(days: Any) -> date | None:
    return min((day for day in days if day is not None), default=None)


def _lock_dates(device: Device, proof: Evidence) -> str:
    before = _earliest(outcome.lock_date_before for outcome in proof.types)
    after = _earliest(outcome.lock_date_after for outcome in proof.types)
    return f"设备 {device.number} 清卡完成，锁死日期 {before or '—'} → {after or '—'}"


def _show(request: ClearingRequest, failure: Failure) -> None:
    request.error_code = failure.code
    request.error_message = failure.message[:500]
    request.error_remedy = failure.remedy[:500]
    request.error_device_code = failure.device_code[:80] or None
    request.error_device_message = failure.device_message[:500] or None


def _audit(
    session: Session,
    request: ClearingRequest,
    action: AuditAction,
    clock: Clock,
    details: dict[str, Any],
) -> None:
    audit.record(
        session,
        actor=SYSTEM.actor,
        action=action,
        object_type="clearing_request",
        object_id=str(request.id),
        at=clock(),
        details={
            "number": request.number,
            "attempt": request.attempt,
            "period": request.period,
            "executed_by": request.executed_by or "",
            **details,
        },
    )
