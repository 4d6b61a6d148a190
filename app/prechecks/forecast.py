"""What can be known before a batch starts, without reading any of its devices.

The pre-checks themselves are run on the register: each device as it was read last, its clock carried on
to now. What only a look can tell (is it there now, what does the bureau say) comes with the run.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app import __version__, prechecks
from app.accounts.principal import Principal
from app.clearing import queries
from app.clearing.completion import is_recorded, wanted_types
from app.clearing.grouping import types_to_clear
from app.clearing.states import Scope
from app.contracts.devices import (
    DeviceInfo,
    DeviceReading,
    DeviceSummary,
    InvoiceType,
    LinkState,
    Monitor,
)
from app.contracts.faults import FAULTS
from app.contracts.periods import Period
from app.core.db import Session
from app.devices import queries as devices_queries
from app.devices.models import Device, DeviceMonitor, DeviceState
from app.devices.states import clock_now, is_zombie_now
from app.invoices.unfinished import Unfinished, unfinished_of
from app.prechecks import Check, DeviceFacts, DeviceFault, Facts, Severity, subject
from app.prechecks import case as gathering
from app.prechecks import queries as precheck_queries
from app.prechecks.cases import Case as Case
from app.prechecks.cases import Foresight as Foresight
from app.prechecks.choice import Order
from app.prechecks.facts import Reported, SubMachine, SubState, SystemFacts, sub_state
from app.prechecks.queries import OperatorDevice
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class _Register:
    """The register and the ledger of all devices concerned, each asked once."""

    monitors: Mapping[UUID, Sequence[DeviceMonitor]]
    cleared: Mapping[tuple[UUID, Period], frozenset[InvoiceType]]
    cleared_before: set[UUID]
    unfinished: Mapping[tuple[UUID, Period], Unfinished]
    subs: Mapping[UUID, Sequence[Device]]
    system: SystemFacts


def foresee(
    session: Session,
    operator_ids: Sequence[UUID],
    data: Order,
    *,
    principal: Principal,
    settings: Settings,
    now: datetime,
    device_ids: Sequence[UUID] | None = None,
) -> Foresight:
    """Run the checks for these operators (or these devices of theirs); those a batch skips anyway are left out."""
    found_devices = precheck_queries.devices_of_operators(session, operator_ids, principal)
    owned = [one for one in found_devices if device_ids is None or one.device.id in device_ids]
    operators = _to_clear(session, owned, now)
    devices = [one.device for group in operators for one in group]
    periods = {group[0].operator.id: _period(group, data, now) for group in operators}
    register = _register(session, operators, periods)
    found: dict[tuple[str, str, str], tuple[Severity, Case]] = {}
    for group in operators:
        gathered = _facts(group, periods[group[0].operator.id], register, data, settings, now)
        for check in prechecks.run(gathered) if gathered.devices else ():
            if check.severity in (Severity.WARNING, Severity.BLOCKING):
                case = _case(check, group)
                found.setdefault((case.who, case.code, case.message), (check.severity, case))
    read = [device.read_at for device in devices if device.read_at is not None]
    return Foresight(
        tuple(case for severity, case in found.values() if severity is Severity.WARNING),
        tuple(case for severity, case in found.values() if severity is Severity.BLOCKING),
        min(read, default=None),
        unread=any(one.device.read_at is None for one in owned),
        zombies=len(operators) < len({one.operator.id for one in owned}),
    )


def _case(check: Check, group: Sequence[OperatorDevice]) -> Case:
    who = "系统"
    if check.device_number:
        who = f"{group[0].operator.name} {check.device_number}"
    elif check.code.startswith("taxpayer."):
        who = group[0].enterprise.name
    operator_id = group[0].operator.id if check.device_number else None
    return Case(who, check.code, check.message, check.remedy, operator_id)


def _to_clear(
    session: Session, owned: Sequence[OperatorDevice], now: datetime
) -> list[list[OperatorDevice]]:
    """The devices by operator, without the operators of zombies."""
    monitors = devices_queries.monitors_of(session, [one.device.id for one in owned])
    groups: dict[UUID, list[OperatorDevice]] = {}
    zombies = set()
    for one in owned:
        groups.setdefault(one.operator.id, []).append(one)
        reports = (monitor.last_reported_at for monitor in monitors[one.device.id])
        if is_zombie_now(reports, one.device.clock_drift_seconds, now):
            zombies.add(one.operator.id)
    return [group for operator_id, group in groups.items() if operator_id not in zombies]


def _period(group: Sequence[OperatorDevice], data: Order, now: datetime) -> Period:
    return data.period or subject.default_period(group[0].operator.lock_date, now)


def _register(
    session: Session,
    operators: Sequence[Sequence[OperatorDevice]],
    periods: Mapping[UUID, Period],
) -> _Register:
    by_period: dict[Period, list[UUID]] = {}
    for group in operators:
        ids = by_period.setdefault(periods[group[0].operator.id], [])
        ids += [one.device.id for one in group]
    cleared, unfinished = {}, {}
    for period, ids in by_period.items():
        for device_id, types in queries.cleared_types(session, ids, period).items():
            cleared[device_id, period] = frozenset(InvoiceType(kind) for kind in types)
        for device_id, counts in unfinished_of(session, ids, period).items():
            unfinished[device_id, period] = counts
    all_ids = [device_id for ids in by_period.values() for device_id in ids]
    mains = {one.enterprise.id for group in operators for one in group if not one.device.machine_no}
    subs = precheck_queries.sub_machines_of(session, sorted(mains))
    sub_ids = [sub.id for found in subs.values() for sub in found]
    return _Register(
        devices_queries.monitors_of(session, list(dict.fromkeys([*all_ids, *sub_ids]))),
        cleared,
        queries.cleared_before(session, all_ids),
        unfinished,
        subs,
        SystemFacts(__version__, "", "", alarms=gathering.alarms(session)),
    )


def _facts(
    group: Sequence[OperatorDevice],
    period: Period,
    register: _Register,
    data: Order,
    settings: Settings,
    now: datetime,
) -> Facts:
    enterprise, own = group[0].enterprise, {one.device.id for one in group}
    subs = tuple(_subs(register.subs.get(enterprise.id, ()), register, period, now, but=own))
    return Facts(
        now=now,
        period=period,
        devices=tuple(
            _device(one.device, period, register, data, subs, now)
            for one in group
            if not _is_cleared(one.device, period, register, data)
        ),
        tax_no=enterprise.tax_no,
        taxpayer_name=enterprise.name,
        free_bytes=settings.backup_min_free_mb << 20,
        needed_bytes=settings.backup_min_free_mb << 20,
        target_problem="",
        peak_window=None,
        override_window=data.override_window,
        exceptional=False,
        min_days_between=settings.min_days_between_clearings,
        system=register.system,
        mode=data.mode,
        kind=data.kind,
    )


def _is_cleared(device: Device, period: Period, register: _Register, data: Order) -> bool:
    """Such a device is left out of a request: nothing to be warned of."""
    known = (one.invoice_type for one in register.monitors[device.id])
    wanted = wanted_types(data.invoice_types, device.clear_groups, known)
    return is_recorded(wanted, register.cleared[device.id, period])


def _device(
    device: Device,
    period: Period,
    register: _Register,
    data: Order,
    subs: tuple[SubMachine, ...],
    now: datetime,
) -> DeviceFacts:
    counts = register.unfinished[device.id, period]
    chosen = [kind.value for kind in data.invoice_types]
    return DeviceFacts(
        device_id=device.id,
        number=device.number,
        machine_no=device.machine_no or 0,
        invoice_types=types_to_clear(chosen, device.clear_groups),
        reading=_as_read(device, register.monitors[device.id], now),
        fault=_fault(device),
        drafts=counts.drafts,
        later_drafts=counts.later_drafts if data.scope is Scope.FULL else 0,
        not_uploaded=counts.not_uploaded,
        cleared_types=register.cleared[device.id, period],
        last_cleared_at=device.last_cleared_at,
        version=device.version,
        subs=() if device.machine_no else subs,
        cleared_before=device.id in register.cleared_before,
    )


def _as_read(
    device: Device, monitors: Sequence[DeviceMonitor], now: datetime
) -> DeviceReading | None:
    """The device as its last reading left it, with its clock as it must be now; None if there is none."""
    if device.read_at is None or not monitors:
        return None
    shown = clock_now(now, device.clock_drift_seconds)
    types = tuple(one.invoice_type for one in monitors)
    return DeviceReading(
        summary=DeviceSummary(
            number=device.number,
            kind=device.kind,
            driver="",
            transport="",
            state=_link(device),
            simulated=device.simulated,
        ),
        info=DeviceInfo(
            number=device.number,
            tax_no=device.tax_no,
            taxpayer_name=device.taxpayer_name,
            invoice_types=types,
            clock_at=shown,
            version=device.version,
            machine_no=device.machine_no or 0,
        ),
        monitors=tuple(
            Monitor.model_validate(one.model_dump(include=set(Monitor.model_fields)))
            for one in monitors
        ),
        read_at=now,
    )


def _link(device: Device) -> LinkState:
    """A past lock date alone makes the register say 已锁死; what the device said of itself decides."""
    if device.state is DeviceState.LOCKED:
        return LinkState.LOCKED if device.says_locked else LinkState.CONNECTED
    return LinkState.FAULT if device.state is DeviceState.FAULT else LinkState.CONNECTED


def _fault(device: Device) -> DeviceFault | None:
    """Why it can't be read, as far as was seen last."""
    if device.state is not DeviceState.DISCONNECTED or device.read_at is None:
        return None
    code = device.fault_code if device.fault_code in FAULTS else "device.disconnected"
    known = FAULTS[code]
    return DeviceFault(code, device.fault_message or known.title, known.remedy)


def _subs(
    subs: Iterable[Device],
    register: _Register,
    period: Period,
    now: datetime,
    *,
    but: set[UUID],
) -> Iterator[SubMachine]:
    """The sub machines that a main machine meets. One that is in the batch and can be reported goes first."""
    for device in subs:
        if device.id in but:
            continue
        types = [
            Reported(one.lock_date, one.last_reported_at) for one in register.monitors[device.id]
        ]
        state = sub_state(
            types,
            period,
            clock_now(now, device.clock_drift_seconds),
            locked=device.says_locked,
        )
        if state is SubState.WAITING and (device.id, period) in register.unfinished:
            continue
        yield SubMachine(device.number, device.machine_no or 0, state, live=False)
