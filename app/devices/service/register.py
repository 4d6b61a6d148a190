"""Register, change, hand over and retire devices."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import sqlalchemy as sa

from app.accounts.principal import Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.canonical import JSON
from app.core.db import Session
from app.core.etags import require_match
from app.core.hooks import HookPoint
from app.devices import queries
from app.devices.models import Device, DeviceState
from app.devices.schemas import DeviceCreate, DeviceUpdate
from app.devices.states import TypeState, clock_now, type_state
from app.errors import Conflict, Invalid, NotFound
from app.operators import queries as operators_queries
from app.operators import service as operators_service
from app.operators.models import Operator


class DeviceNumberTaken(Conflict):
    """A number names one device in use."""

    code = "device.number_taken"
    title = "设备编号已登记"
    remedy = "请在设备列表中查找该编号；已停用的设备请先注销。"


class MachineNoTaken(Conflict):
    """Machine numbers are unique per taxpayer among devices in use (docs/domain.md, rule 12)."""

    code = "device.machine_no_taken"
    title = "开票机号已被本企业的另一台设备使用"
    remedy = "请核对开票机号：0 为主机，1 起为分机。"


class DeviceRetired(Conflict):
    """A retired device stays as it was."""

    code = "device.retired"
    title = "设备已注销"
    remedy = "已注销的设备不能再修改或读取；重新启用请另行登记。"


class NotReadyToRetire(Conflict):
    """注销 is refused until all is reported, cleared and uploaded (docs/domain.md, rule 15)."""

    code = "device.not_ready_to_retire"
    title = "设备还不能注销"
    remedy = "请先抄报、清卡并上传全部发票，再重新读取设备后注销。"


RetirementCheck = Callable[[Session, UUID], str | None]


class HandoverHook(Protocol):
    """Called with the device, still with its old operator, and the new operator's id."""

    def __call__(
        self,
        session: Session,
        device: Device,
        operator_id: UUID,
        *,
        principal: Principal,
        at: datetime,
    ) -> None: ...


retirement_checks = HookPoint[RetirementCheck]("devices.retirement_checks")
"""What else stands against retiring a device, as a sentence or None."""

handover_hooks = HookPoint[HandoverHook]("devices.handover_hooks")
"""What features above do when a device gets another operator; one that raises stops it."""


def register_device(
    session: Session, *, data: DeviceCreate, principal: Principal, at: datetime
) -> Device:
    """Register a device of an operator. Raises DeviceNumberTaken, MachineNoTaken, Invalid."""
    operator = _operator(session, data.operator_id, principal)
    if data.enterprise_id not in (None, operator.enterprise_id):
        raise Invalid(errors={"enterprise_id": "与操作员所属企业不一致"})
    _require_agent(session, data.agent_id)
    if queries.in_use_by_number(session, [data.number]):
        raise DeviceNumberTaken
    values = data.model_dump() | {"enterprise_id": operator.enterprise_id}
    device = Device(**values, created_at=at, updated_at=at)
    _require_free_machine_no(session, device, data.machine_no)
    session.add(device)
    _flush(session)
    refresh_operator(session, operator.id, at=at)
    _audit(session, device, AuditAction.DEVICE_REGISTERED, principal, at, values)
    return device


def change_device(
    session: Session,
    device_id: UUID,
    *,
    data: DeviceUpdate,
    principal: Principal,
    at: datetime,
    if_match: str | None = None,
) -> Device:
    """Change what was sent; another operator is a hand-over, `state` retired is 注销.

    Raises NotFound, PreconditionFailed, DeviceRetired, NotReadyToRetire, MachineNoTaken, Invalid.
    """
    device = queries.device_for_change(session, device_id, principal=principal)
    require_match(if_match, device.revision)
    if device.state is DeviceState.RETIRED:
        raise DeviceRetired
    wanted = data.changes()
    wanted.pop("password", None)
    retire = wanted.pop("state", None) is not None
    changed = {name: value for name, value in wanted.items() if getattr(device, name) != value}
    if changed:
        _apply(session, device, changed, principal, at)
    if retire:
        retire_device(session, device, principal=principal, at=at)
    return device


def retire_device(session: Session, device: Device, *, principal: Principal, at: datetime) -> None:
    """注销. Raises NotReadyToRetire naming everything that stands against it."""
    against = [*_not_cleared(session, device, at), *_other_reasons(session, device)]
    if against:
        raise NotReadyToRetire("；".join(against))
    device.sqlmodel_update(
        {"state": DeviceState.RETIRED, "retired_at": at, "updated_at": at}
        | {"revision": device.revision + 1}
    )
    session.flush()
    refresh_operator(session, device.operator_id, at=at)
    _audit(session, device, AuditAction.DEVICE_RETIRED, principal, at, {"number": device.number})


def record_cleared(session: Session, device: Device, *, at: datetime) -> None:
    """Keep when the device was cleared last; the clearing itself is on record elsewhere."""
    device.sqlmodel_update(
        {"last_cleared_at": at, "updated_at": at, "revision": device.revision + 1}
    )
    session.flush()
    refresh_operator(session, device.operator_id, at=at)


def refresh_operator(session: Session, operator_id: UUID, *, at: datetime) -> None:
    """Bring the operator's row up to date with the devices in use."""
    facts = queries.in_use_facts(session, operator_id)
    operators_service.set_device_facts(
        session,
        operator_id,
        facts=operators_service.DeviceFacts(facts.numbers, facts.lock_date, facts.last_cleared_at),
        at=at,
    )


def _apply(
    session: Session, device: Device, changed: dict[str, Any], principal: Principal, at: datetime
) -> None:
    before = {name: getattr(device, name) for name in changed}
    if "operator_id" in changed:
        operator = _operator(session, changed["operator_id"], principal)
        if operator.enterprise_id != device.enterprise_id:
            raise Invalid(errors={"operator_id": "该操作员不属于设备所在的企业"})
        for hook in handover_hooks:
            hook(session, device, operator.id, principal=principal, at=at)
    _require_agent(session, changed.get("agent_id"))
    _require_free_machine_no(session, device, changed.get("machine_no"))
    device.sqlmodel_update({**changed, "updated_at": at, "revision": device.revision + 1})
    _flush(session)
    handed_over = "operator_id" in changed
    if handed_over:
        refresh_operator(session, before["operator_id"], at=at)
        refresh_operator(session, device.operator_id, at=at)
    action = AuditAction.DEVICE_HANDED_OVER if handed_over else AuditAction.DEVICE_CHANGED
    details: dict[str, JSON] = {name: [before[name], changed[name]] for name in changed}
    _audit(session, device, action, principal, at, details)


def _not_cleared(session: Session, device: Device, at: datetime) -> list[str]:
    """Types that are not reported and cleared; one never read is not known to be."""
    monitors = queries.monitors_of(session, [device.id])[device.id]
    if device.read_at is None or not monitors:
        return ["设备从未读取，无法确认是否已清卡"]
    clock = clock_now(at, device.clock_drift_seconds)
    return [
        f"{monitor.invoice_type} 尚未抄报清卡"
        for monitor in monitors
        if type_state(monitor.last_reported_at, monitor.lock_date, clock) is not TypeState.CLEARED
    ]


def _other_reasons(session: Session, device: Device) -> list[str]:
    found = (check(session, device.id) for check in retirement_checks)
    return [reason for reason in found if reason is not None]


def _operator(session: Session, operator_id: UUID, principal: Principal) -> Operator:
    try:
        operator = operators_queries.visible(session, operator_id, principal)
    except NotFound as error:
        raise Invalid(errors={"operator_id": "没有这个操作员"}) from error
    if not operator.active:
        raise Invalid(errors={"operator_id": "该操作员已停用"})
    return operator


def _require_agent(session: Session, agent_id: UUID | None) -> None:
    if agent_id is None:
        return
    try:
        queries.get_agent(session, agent_id)
    except NotFound as error:
        raise Invalid(errors={"agent_id": "没有这个设备代理"}) from error


def _require_free_machine_no(session: Session, device: Device, machine_no: int | None) -> None:
    if machine_no is not None and queries.machine_no_taken(session, device, machine_no):
        raise MachineNoTaken


def _flush(session: Session) -> None:
    """Two people registering at once: the database's unique indexes decide."""
    try:
        session.flush()
    except sa.exc.IntegrityError as error:
        taken = MachineNoTaken if "machine_no" in str(error.orig) else DeviceNumberTaken
        raise taken from error


def _audit(
    session: Session,
    device: Device,
    action: AuditAction,
    principal: Principal,
    at: datetime,
    details: Mapping[str, JSON],
) -> None:
    audit.record(
        session,
        actor=principal.actor,
        action=action,
        object_type="device",
        object_id=device.id,
        at=at,
        details=details,
    )
