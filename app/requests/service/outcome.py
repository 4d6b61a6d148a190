"""How an execution ends: succeeded, failed, or not known yet. Each in one transaction, each once.

A record is written for every device the attempt dealt with. What the device shows decides: a type
counts as cleared only with a lock date in a later month (docs/domain.md, rule 3).
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.accounts import service as accounts_service
from app.accounts.principal import SYSTEM
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.backups import preferences
from app.backups.models import Backup
from app.clearing import outcomes, queries
from app.clearing.evidence import of_attempt
from app.clearing.models import ClearingRequest, ClearingTarget
from app.clearing.outcomes import Failure, TypeDate
from app.clearing.states import Outcome, RequestState, Result, Scope, Stage, TargetState
from app.contracts.operations import TypeOutcome
from app.core.clock import Clock
from app.core.db import Session
from app.notifications.service import EventKind
from app.operators import service as operators_service
from app.operators.models import Attention, Operator
from app.requests.service import control, progress, recording
from app.requests.service.announcements import announce_success, announce_trouble
from app.requests.service.recording import Evidence


def succeed(
    session: Session,
    request: ClearingRequest,
    evidence: Mapping[UUID, Evidence],
    *,
    clock: Clock,
) -> None:
    """Every device shows what was asked for: invoices, records, next period, audit, the request's end.

    Where all of it was cleared before, nothing was executed: settings and sessions stay as they are.
    """
    for target, device in queries.devices_of_request(session, request.id):
        if target.state is TargetState.CLEARED:
            proof = evidence.get(device.id, Evidence(()))
            recording.complete(session, request, target, device, proof, clock)
    control.move(request, RequestState.SUCCEEDED, clock)
    request.finished_at = clock()
    request.outcome = _sum_up(session, request)
    text = outcomes.conclusion(
        request.outcome,
        outcomes.from_json(request.cleared) or (),
        outcomes.from_json(request.remaining) or (),
        "清卡成功",
    )
    progress.end_stage(session, request, Stage.DONE, text, clock())
    control.release(session, request)
    operators_service.set_attention(session, request.operator_id, Attention.NONE)
    if request.outcome is not Outcome.ALREADY:
        _reset_preferences(session, request)
        accounts_service.end_sessions_of_operator(session, request.operator_id, clock=clock)
    announce_success(session, request, clock)
    details = {"outcome": request.outcome or "", "said": text}
    _audit(session, request, AuditAction.CLEARING_SUCCEEDED, clock, details)


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
        proof = evidence.get(device.id, Evidence(()))
        if target.state is TargetState.CLEARED:
            recording.complete(session, request, target, device, proof, clock)
        elif target.state is not TargetState.SUCCEEDED:
            recording.keep_record(
                session,
                request,
                target,
                device,
                Result.FAILED,
                clock,
                failure=failure,
                proof=proof if proof.types else None,
            )
            target.state = TargetState.FAILED
            session.add(target)
    control.move(request, RequestState.FAILED, clock)
    request.finished_at = clock()
    if _sum_up(session, request) is not None and request.cleared:
        request.outcome = Outcome.PARTIAL
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
    kept = [
        recording.keep_record(
            session, request, target, device, Result.UNKNOWN, clock, failure=failure
        )
        for target, device in queries.devices_of_request(session, request.id)
        if target.device_id == unknown.device_id
    ]
    progress.note(session, request, "暂停自动查询；请检查设备连接后重试", clock(), level="warning")
    if any(kept):
        told = {"code": failure.code, "message": failure.message, "looking": False}
        _audit(session, request, AuditAction.CLEARING_NEEDS_ATTENTION, clock, told)


def _sum_up(session: Session, request: ClearingRequest) -> Outcome | None:
    """Keep on the request what the newest record of each device says; gives what the successes came to.

    None where no record tells what was found on a device.
    """
    records = queries.records_of(session, [request.id])[request.id]
    newest = {one.device_id: one for one in records if one.remaining is not None}
    told = list(newest.values())
    done: list[TypeDate] = []
    left: list[TypeDate] = []
    for record in told:
        types = map(TypeOutcome.model_validate, record.evidence["types"])
        done += [
            TypeDate(record.device_number, one.invoice_type, one.lock_date_after)
            for one in outcomes.executed(types)
        ]
        left += outcomes.from_json(record.remaining) or ()
    if not told:
        return None
    request.cleared = [one.as_json() for one in done]
    request.remaining = [one.as_json() for one in left]
    request.next_lock_date = outcomes.nearest(one.next_lock_date for one in told)
    return outcomes.of_request([one.outcome for one in told if one.outcome is not None], left)


def _show(request: ClearingRequest, failure: Failure) -> None:
    request.error_code = failure.code
    request.error_message = failure.message[:500]
    request.error_remedy = _remedy(request, failure)[:500]
    request.error_device_code = failure.device_code[:80] or None
    request.error_device_message = failure.device_message[:500] or None


def _remedy(request: ClearingRequest, failure: Failure) -> str:
    """Of an exceptional request it is no remedy to make one."""
    if request.exceptional and failure.code == "bureau.mismatch":
        return "更正申报；申报无误的，携带本申请的资料到主管税务机关办理，放行后重试。"
    return failure.remedy


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
            **of_attempt(session, request),
        },
    )
