"""Submit a clearing request: what is asked for is checked against the rules before anything is kept."""

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from app.accounts.principal import Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.clearing import completion, evidence, moments, queries
from app.clearing.errors import (
    AlreadyCleared,
    NoDevices,
    NotDue,
    NotFirst,
    OperatorInactive,
    PastPeriod,
    TypeNotAuthorized,
)
from app.clearing.models import ClearingRequest, ClearingStage, ClearingTarget
from app.clearing.schemas import RequestCreate
from app.clearing.states import STAGES, Mode
from app.contracts.devices import InvoiceType
from app.core.clock import Clock, local_date
from app.core.db import Session
from app.devices import queries as devices_queries
from app.devices.models import Device
from app.notifications.service import EventKind
from app.operators import queries as operators_queries
from app.operators.models import Operator
from app.prechecks import acceptance, subject
from app.prechecks.subject import in_clearing_order
from app.requests.service import holding, review
from app.requests.service.announcements import announce


def submit_request(
    session: Session,
    *,
    principal: Principal,
    clock: Clock,
    data: RequestCreate,
    direct: bool = False,
    batch_id: UUID | None = None,
) -> ClearingRequest:
    """Keep a new request for the operator's devices. `direct`: who asks goes on to execute it.

    `batch_id`: of which batch it is one; part of what the audit record vouches for, so never set later.

    Raises AlreadyCleared when every device is cleared for the period, ClearingInProgress when one of
    them is held by an open request, NotDue for a month that has not ended, DateRefused
    and AfterLock for a day that is past or on which a device would be locked, NotFirst for a first clearing
    of a device that was cleared before.
    """
    now = clock()
    operator, devices = require_submittable(session, data, principal=principal, now=now)
    request = _new_request(session, operator, data, principal, clock, batch_id)
    with holding.taking(session, [device.id for device in devices], principal=principal):
        session.add_all(
            ClearingTarget(
                request_id=request.id,
                device_id=device.id,
                position=index,
                device_number=device.number,
            )
            for index, device in enumerate(devices)
        )
    session.add_all(ClearingStage(request_id=request.id, name=stage) for stage in STAGES)
    awaits_review = request.exceptional or (not direct and review.is_needed(session, request))
    announce(session, request, EventKind.CLEARING_SUBMITTED, clock, awaits_review=awaits_review)
    audit.record(
        session,
        actor=principal.actor,
        action=AuditAction.CLEARING_SUBMITTED,
        object_type="clearing_request",
        object_id=str(request.id),
        at=now,
        details={
            "number": request.number,
            "operator": operator.code,
            "devices": [device.number for device in devices],
            "period": request.period,
            "mode": request.mode,
            "kind": request.kind,
            "scope": request.scope,
            "invoice_types": list(request.invoice_types),
            "reason": request.reason,
            "exceptional": request.exceptional,
            "asked_for": list(request.asked_for),
            "accepted_warnings": list(request.accepted_warnings),
            **evidence.of_request(session, request),
        },
    )
    return request


def require_submittable(
    session: Session, data: RequestCreate, *, principal: Principal, now: datetime
) -> tuple[Operator, list[Device]]:
    """The operator and the devices to clear, if nothing the registers know stands against it; see above."""
    operator = operators_queries.visible(session, data.operator_id, principal)
    if not operator.active:
        raise OperatorInactive
    if data.period > completion.last_ended(now):
        raise NotDue(errors={"period": "该月份尚未结束"})
    moments.require_ahead(data, now)
    devices = _devices_to_clear(session, operator, data, now)
    moments.require_before_lock(data, ((one.number, one.lock_date) for one in devices), now)
    if data.mode is Mode.FIRST:
        _require_never_cleared(session, devices)
    holding.require_free(session, [device.id for device in devices], principal=principal)
    return operator, devices


def _devices_to_clear(
    session: Session, operator: Operator, data: RequestCreate, now: datetime
) -> list[Device]:
    """The devices to clear, sub machines before the main machine; those that are done left out."""
    in_use = devices_queries.in_use_of_operator(session, operator.id)
    devices = subject.chosen_devices(in_use, data.device_ids)
    if not devices:
        raise NoDevices
    monitors = devices_queries.monitors_of(session, [device.id for device in devices])
    recorded = queries.cleared_types(session, [device.id for device in devices], data.period)
    left, past = [], []
    for device in devices:
        locks = {monitor.invoice_type: monitor.lock_date for monitor in monitors[device.id]}
        _require_authorised(device, data.invoice_types, locks)
        wanted = completion.wanted_types(data.invoice_types, device.clear_groups, locks)
        first = completion.first_clearable((locks[kind] for kind in wanted), now)
        if completion.is_recorded(wanted, recorded[device.id]):
            continue
        if first is not None and data.period < first:
            days = [locks[kind] for kind in wanted]
            past.append(completion.past_text(device.number, data.period, days, now))
        else:
            left.append(device)
    if past and not left:
        raise PastPeriod("；".join(past), errors={"period": "；".join(past)})
    if not left:
        raise AlreadyCleared(f"{operator.name} 的设备属期 {data.period} 已经清卡，请勿重复清卡。")
    return in_clearing_order(left)


def _require_authorised(
    device: Device, chosen: Iterable[InvoiceType], known: Collection[InvoiceType]
) -> None:
    """Raises TypeNotAuthorized; of a device that was never read nothing is known."""
    missing = sorted(kind for kind in chosen if known and kind not in known)
    if missing:
        raise TypeNotAuthorized(
            f"设备 {device.number} 没有 {'、'.join(missing)} 的授权",
            errors={"invoice_types": "包含设备未授权的发票类型"},
        )


def _require_never_cleared(session: Session, devices: list[Device]) -> None:
    """首次清卡 is the device's first. Raises NotFirst."""
    cleared = queries.cleared_before(session, [device.id for device in devices])
    again = [device.number for device in devices if device.id in cleared]
    if again:
        text = f"设备 {'、'.join(again)} 已有成功的清卡记录，不是首次清卡"
        raise NotFirst(text, errors={"mode": "请选择常规清卡或更新清卡"})


def _new_request(
    session: Session,
    operator: Operator,
    data: RequestCreate,
    principal: Principal,
    clock: Clock,
    batch_id: UUID | None,
) -> ClearingRequest:
    now = clock()
    request = ClearingRequest(
        number=queries.next_number(session, local_date(now)),
        batch_id=batch_id,
        operator_id=operator.id,
        enterprise_id=operator.enterprise_id,
        mode=data.mode,
        kind=data.kind,
        scope=data.scope,
        invoice_types=[kind.value for kind in dict.fromkeys(data.invoice_types)],
        period=data.period,
        clearing_date=moments.day_of(data, now),
        reason=data.reason,
        contact_name=data.contact_name,
        contact_phone=data.contact_phone,
        scheduled_for=data.scheduled_for,
        override_window=data.override_window,
        exceptional=data.exceptional,
        checklist=[item.value for item in dict.fromkeys(data.checklist)],
        accepted_warnings=acceptance.accepted_by(principal, data.accepted_warnings),
        requested_by=str(principal.id),
        requested_by_name=principal.display_name,
        asked_by=str(principal.id),
        asked_by_name=principal.display_name,
        asked_by_kind=principal.kind.value,
        asked_for=sorted(str(one) for one in principal.persons),
        created_at=now,
        updated_at=now,
    )
    session.add(request)
    session.flush()
    return request
