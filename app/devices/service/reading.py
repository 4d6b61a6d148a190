"""Read a device through its agent and keep what it says, on record."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from app.accounts.principal import Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.canonical import JSON
from app.contracts.devices import DeviceReading, LinkState
from app.contracts.faults import FAULTS, fault
from app.contracts.operations import Fault
from app.core.clock import SHANGHAI, Clock
from app.core.db import Database, Session
from app.devices import queries
from app.devices.agent_client import AgentClient, AgentFault
from app.devices.agents import client_of
from app.devices.models import Device, DeviceState
from app.devices.service.differences import (
    Change,
    store_dates,
    store_identity,
    store_monitors,
)
from app.devices.service.register import DeviceRetired, refresh_operator
from app.devices.service.watchers import tell_watchers
from app.devices.states import TypeState, type_state, worst
from app.errors import Conflict
from app.settings import Settings


class DeviceHasNoAgent(Conflict):
    """Nobody to ask."""

    code = "device.no_agent"
    title = "设备没有指定设备代理"
    remedy = "请在设备资料中选择它所在电脑的设备代理。"


class DeviceUnreadable(AgentFault):
    """The device could not be read; code and remedy are those of the agent."""


_GONE = frozenset(
    {"device.disconnected", "device.timeout", "device.not_found", "agent.unreachable"}
)
_PASSING = frozenset({"device.busy", "agent.unauthorized", "agent.version", "agent.failed"})


def refresh_device(
    database: Database,
    device_id: UUID,
    *,
    principal: Principal,
    settings: Settings,
    clock: Clock,
) -> list[Change]:
    """Read the device now and keep what it says; the call stands outside any transaction.

    Returns what was different. Raises NotFound, DeviceRetired, DeviceHasNoAgent, and
    DeviceUnreadable after having marked the device.
    """
    reading = read_device(database, device_id, principal=principal, settings=settings, clock=clock)
    with database.transaction() as session:
        device = queries.device_for_change(session, device_id, principal=principal)
        return take_over(session, device, reading, principal=principal, at=clock())


def read_device(
    database: Database,
    device_id: UUID,
    *,
    principal: Principal,
    settings: Settings,
    clock: Clock,
) -> DeviceReading:
    """Ask the device's agent, outside any transaction; nothing is kept but why it could not be read.

    Raises as refresh_device.
    """
    with database.reading() as session:
        device = queries.visible(session, device_id, principal)
        client, number = client_for(session, device, settings), device.number
    try:
        reading = client.read_device(number)
        _require_same_number(number, reading)
    except AgentFault as error:
        with database.transaction() as session:
            device = queries.device_for_change(session, device_id, principal=principal)
            mark_unreadable(session, device, error.fault, at=clock())
        raise DeviceUnreadable(error.fault) from error
    return reading


def client_for(session: Session, device: Device, settings: Settings) -> AgentClient:
    """The client of the device's agent. Raises DeviceRetired, DeviceHasNoAgent, AgentFault."""
    if device.state is DeviceState.RETIRED:
        raise DeviceRetired
    if device.agent_id is None:
        raise DeviceHasNoAgent
    agent = queries.get_agent(session, device.agent_id)
    return client_of(agent, settings, relay=queries.relay_of(session, agent))


def store_reading(
    session: Session, device: Device, reading: DeviceReading, at: datetime
) -> list[Change]:
    """Keep a reading of the device, which the caller has locked; returns what was different."""
    changes = [
        *store_identity(session, device, reading),
        *store_monitors(session, device, reading.monitors),
    ]
    _store_condition(session, device, reading, at)
    return changes


def observe(session: Session, device: Device, reading: DeviceReading, at: datetime) -> None:
    """Keep how the device is right now; who it is and what it may issue stays as registered.

    A device that was never read has nothing registered yet: its reading is kept whole.
    """
    if device.read_at is None:
        store_reading(session, device, reading, at)
        return
    store_dates(session, device, reading.monitors)
    _store_condition(session, device, reading, at)


def take_over(
    session: Session,
    device: Device,
    reading: DeviceReading,
    *,
    principal: Principal,
    at: datetime,
    occasion: Mapping[str, JSON] | None = None,
) -> list[Change]:
    """Bring the register up to date with the reading, on record; returns what was different.

    `occasion` is what the audit record says besides, e.g. the clearing it is for.
    """
    changes = store_reading(session, device, reading, at)
    _audit(session, device, changes, principal, at, occasion or {})
    return changes


def _store_condition(
    session: Session, device: Device, reading: DeviceReading, at: datetime
) -> None:
    before = device.state
    device.sqlmodel_update(
        {
            "simulated": reading.summary.simulated,
            "can_set_clock": reading.summary.can_set_clock,
            "clear_groups": [[kind.value for kind in group] for group in reading.clear_groups],
            "state": _state(reading),
            "clock_at": reading.info.clock_at,
            "clock_drift_seconds": _drift(reading),
            "read_at": reading.read_at,
            "last_reported_at": _last_report(reading),
            "lock_date": min((monitor.lock_date for monitor in reading.monitors), default=None),
            "fault_code": reading.summary.error_code or "",
            "fault_message": (reading.summary.error_message or "")[:500],
            "updated_at": at,
            "revision": device.revision + 1,
        }
    )
    session.flush()
    tell_watchers(session, device, before)
    refresh_operator(session, device.operator_id, at=at)


def mark_unreadable(session: Session, device: Device, reason: Fault, *, at: datetime) -> None:
    """Keep why the device could not be read; what was read before stays."""
    state = device.state
    if reason.code in _GONE:
        state = DeviceState.DISCONNECTED
    elif reason.code == "device.locked":
        state = DeviceState.LOCKED
    elif reason.code not in _PASSING:
        state = DeviceState.FAULT
    values = {"state": state, "fault_code": reason.code, "fault_message": reason.message[:500]}
    if any(getattr(device, name) != value for name, value in values.items()):
        before = device.state
        device.sqlmodel_update({**values, "updated_at": at, "revision": device.revision + 1})
        session.flush()
        tell_watchers(session, device, before)


def _require_same_number(number: str, reading: DeviceReading) -> None:
    if reading.info.number != number:
        raise AgentFault(
            fault(
                "device.number_mismatch",
                message=f"{FAULTS['device.number_mismatch'].title}：读到 {reading.info.number}",
            )
        )


def _state(reading: DeviceReading) -> DeviceState:
    states = (
        type_state(monitor.last_reported_at, monitor.lock_date, reading.info.clock_at)
        for monitor in reading.monitors
    )
    if reading.summary.state is LinkState.CONNECTED and worst(states) is TypeState.LOCKED:
        return DeviceState.LOCKED
    return DeviceState(reading.summary.state.value)


def _drift(reading: DeviceReading) -> int:
    """Device clock minus the agent's at the moment the clock was read, in seconds."""
    shown = reading.info.clock_at.replace(tzinfo=SHANGHAI)
    return round((shown - (reading.sent_at or reading.read_at)).total_seconds())


def _last_report(reading: DeviceReading) -> datetime | None:
    reports = [m.last_reported_at for m in reading.monitors if m.last_reported_at is not None]
    return max(reports).replace(tzinfo=SHANGHAI) if reports else None


def _audit(
    session: Session,
    device: Device,
    changes: list[Change],
    principal: Principal,
    at: datetime,
    occasion: Mapping[str, JSON],
) -> None:
    details: dict[str, JSON] = {
        **occasion,
        "number": device.number,
        "lock_date": device.lock_date,
        "changes": {change.field: [change.before, change.after] for change in changes},
    }
    audit.record(
        session,
        actor=principal.actor,
        action=AuditAction.DEVICE_READ,
        object_type="device",
        object_id=device.id,
        at=at,
        details=details,
    )
