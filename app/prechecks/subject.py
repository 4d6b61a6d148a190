"""Gathers what the pre-checks look at in the registers, the ledger and the trail; what is outside is `looking`."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from app.clearing import queries
from app.clearing.errors import NoDevices
from app.clearing.grouping import types_to_clear
from app.clearing.states import Kind, Mode, RequestState, Scope, TargetState
from app.contracts.devices import InvoiceType
from app.contracts.periods import Period, due_period, is_reported
from app.core.clock import local_date
from app.core.db import Session
from app.devices import queries as devices_queries
from app.devices.models import Device, DeviceMonitor
from app.enterprises.models import Enterprise
from app.prechecks.choice import Choice
from app.prechecks.facts import Reported


@dataclass(frozen=True, slots=True)
class SubjectDevice:
    """One device to look at, as registered. `invoice_types`: what is cleared on it; () means all."""

    device_id: UUID
    number: str
    agent_id: UUID | None
    machine_no: int
    last_cleared_at: datetime | None
    version: str
    invoice_types: tuple[InvoiceType, ...] = ()


@dataclass(frozen=True, slots=True)
class Sub:
    """A sub machine (分机) of the taxpayer outside the subject, as last read. `is_open`: not reported then.

    `goes_first`: a request that this one waits for has it.
    """

    device: SubjectDevice
    types: tuple[Reported, ...]
    drift_seconds: int | None
    locked: bool
    is_open: bool
    goes_first: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be cleared, and how. `subs` are those the main machine among the devices has to wait for."""

    period: Period
    mode: Mode
    kind: Kind
    scope: Scope
    override_window: bool
    exceptional: bool
    tax_no: str
    taxpayer_name: str
    devices: tuple[SubjectDevice, ...]
    subs: tuple[Sub, ...] = ()


_NOT_DONE = (TargetState.WAITING, TargetState.RUNNING, TargetState.FAILED)


def subject_of_request(
    session: Session, request_id: UUID, *, states: Sequence[TargetState] = _NOT_DONE
) -> Subject:
    """The devices of a request that are in these states; else those that are not done yet."""
    request = queries.request(session, request_id)
    enterprise = session.get_one(Enterprise, request.enterprise_id)
    targets = queries.devices_of_request(session, request_id)
    devices = [device for target, device in targets if target.state in states]
    period = Period(request.period)
    return Subject(
        period,
        request.mode,
        request.kind,
        request.scope,
        request.override_window,
        request.exceptional,
        enterprise.tax_no,
        enterprise.name,
        tuple(_subject_device(device, request.invoice_types) for device in devices),
        _subs(session, devices, period, but={device.id for _, device in targets}),
    )


def subject_of_operator(
    session: Session,
    operator_id: UUID,
    choice: Choice,
    *,
    override_window: bool = False,
    exceptional: bool = False,
    device_ids: Sequence[UUID] | None = None,
    waits_for: Collection[RequestState] = (),
) -> Subject:
    """The devices in use of an operator (or these of them), for what is asked for. Raises NoDevices.

    `waits_for`: sub machines of requests in these states go first by themselves.
    """
    in_use = devices_queries.in_use_of_operator(session, operator_id)
    devices = chosen_devices(in_use, device_ids)
    enterprise = session.get_one(Enterprise, devices[0].enterprise_id) if devices else None
    return Subject(
        choice.period,
        choice.mode,
        choice.kind,
        choice.scope,
        override_window,
        exceptional,
        enterprise.tax_no if enterprise else "",
        enterprise.name if enterprise else "",
        tuple(_subject_device(device, choice.invoice_types) for device in devices),
        _subs(
            session,
            devices,
            choice.period,
            but={device.id for device in devices},
            waits_for=waits_for,
        ),
    )


def chosen_devices(in_use: Sequence[Device], device_ids: Sequence[UUID] | None) -> list[Device]:
    """Those that are asked for, without ids all. Raises NoDevices for one that is not among them."""
    if device_ids is not None and not set(device_ids) <= {device.id for device in in_use}:
        raise NoDevices("所选设备不属于该操作员或已注销", errors={"device_ids": "不属于该操作员"})
    return [one for one in in_use if device_ids is None or one.id in device_ids]


def default_period(lock_date: date | None, now: datetime) -> Period:
    """The period a person most likely means: the one due, never one that has not ended."""
    ended = Period.of(local_date(now)).plus(-1)
    return ended if lock_date is None else min(ended, due_period(lock_date))


def _subs(
    session: Session,
    devices: Sequence[Device],
    period: Period,
    *,
    but: set[UUID],
    waits_for: Collection[RequestState] = (),
) -> tuple[Sub, ...]:
    """The sub machines of the taxpayer whose main machine is among the devices."""
    mains = [device for device in devices if not device.machine_no]
    if not mains:
        return ()
    found = [
        device
        for device in queries.order.sub_machines(session, mains[0].enterprise_id)
        if device.id not in but
    ]
    monitors = devices_queries.monitors_of(session, [device.id for device in found])
    first = queries.order.held(session, [device.id for device in found], waits_for)
    return tuple(_sub(device, monitors[device.id], period, device.id in first) for device in found)


def _sub(
    device: Device, monitors: Sequence[DeviceMonitor], period: Period, goes_first: bool
) -> Sub:
    types = tuple(Reported(one.lock_date, one.last_reported_at) for one in monitors)
    return Sub(
        _subject_device(device),
        types,
        device.clock_drift_seconds,
        device.says_locked,
        not types
        or not all(is_reported(period, one.lock_date, one.last_reported_at) for one in types),
        goes_first,
    )


def _subject_device(device: Device, chosen: Sequence[str] = ()) -> SubjectDevice:
    return SubjectDevice(
        device.id,
        device.number,
        device.agent_id,
        device.machine_no or 0,
        device.last_cleared_at,
        device.version,
        types_to_clear(chosen, device.clear_groups),
    )


def in_clearing_order(devices: Iterable[Device]) -> list[Device]:
    """Sub machines before the main machine."""
    return sorted(
        devices, key=lambda device: (not device.machine_no, device.machine_no or 0, device.number)
    )
