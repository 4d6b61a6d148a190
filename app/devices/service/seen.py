"""How agents and their devices are seen: asked for, told by events, or not at all any more.

What is seen changes a row only when it differs; the watchers of states are told in the same transaction.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from app.accounts.principal import SYSTEM
from app.contracts.devices import AgentEvent, DeviceSummary, LinkState
from app.contracts.faults import FAULTS
from app.contracts.operations import Fault
from app.core.clock import Clock
from app.core.db import Database, Session
from app.devices import queries
from app.devices.agent_client import AgentClient, AgentFault
from app.devices.agents import client_of
from app.devices.models import AgentState, Device, DeviceState
from app.devices.service.watchers import tell_watchers
from app.settings import Settings

T = TypeVar("T")

_STATES = {
    "agent.unreachable": AgentState.UNREACHABLE,
    "agent.certificate": AgentState.UNREACHABLE,
    "agent.unauthorized": AgentState.UNAUTHORIZED,
    "agent.version": AgentState.INCOMPATIBLE,
}
_WITH_REASON = frozenset({DeviceState.FAULT, DeviceState.DISCONNECTED, DeviceState.LOCKED})
_AT_ONCE = 200
"""Devices changed in one transaction at most: others want to write too."""


def ask(
    database: Database,
    agent_id: UUID,
    settings: Settings,
    clock: Clock,
    question: Callable[[AgentClient], T],
) -> T:
    """The agent's answer; whether it answered is kept in its row. Raises NotFound, AgentFault."""
    with database.reading() as session:
        agent = queries.get_agent(session, agent_id)
        relay = queries.relay_of(session, agent)
    try:
        answer = question(client_of(agent, settings, checking=True, relay=relay))
    except AgentFault as error:
        state = _STATES.get(error.fault.code, AgentState.ONLINE)
        keep_agent_state(database, agent_id, state, None)
        raise
    keep_agent_state(database, agent_id, AgentState.ONLINE, clock())
    return answer


def sync_states(
    database: Database, agent_id: UUID, *, settings: Settings, clock: Clock
) -> list[DeviceSummary]:
    """Ask the agent which devices it sees, and mark the registered ones so. Raises NotFound, AgentFault."""
    summaries = ask(database, agent_id, settings, clock, AgentClient.devices)
    seen = {summary.number: summary for summary in summaries if summary.number}
    with database.reading() as session:
        devices = queries.in_use_of_agent(session, agent_id)
    wanted = {device.id: seen.get(device.number) or _absent(device) for device in devices}
    stale = [device.id for device in devices if _differs(device, wanted[device.id])]
    _mark_all(database, stale, wanted, clock)
    return summaries


def note_event(database: Database, agent_id: UUID, event: AgentEvent, *, clock: Clock) -> None:
    """Keep what an agent told by itself. A device that is not registered is nobody's concern."""
    with database.reading() as session:
        known = queries.in_use_by_number(session, [event.device.number])
    device = known.get(event.device.number)
    if device is not None and device.agent_id == agent_id and _differs(device, event.device):
        _mark_all(database, [device.id], {device.id: event.device}, clock)


def mark_agent_away(database: Database, agent_id: UUID, why: Fault, *, clock: Clock) -> None:
    """The agent cannot be asked, so none of its devices is connected. Raises NotFound.

    Both are in one transaction: whoever sees the agent away sees none of its devices connected.
    """
    state = _STATES.get(why.code, AgentState.UNREACHABLE)
    with database.reading() as session:
        devices = queries.in_use_of_agent(session, agent_id)
    gone = {device.id: _absent(device, why.code) for device in devices}
    stale = sorted(device.id for device in devices if _differs(device, gone[device.id]))
    _mark_all(database, stale[:-_AT_ONCE], gone, clock)
    with database.transaction() as session:
        _set_agent_state(session, agent_id, state, None)
        _mark(session, stale[-_AT_ONCE:], gone, clock)


def keep_agent_state(
    database: Database, agent_id: UUID, state: AgentState, seen_at: datetime | None
) -> None:
    """Keep how the agent was found. Raises NotFound."""
    with database.transaction() as session:
        _set_agent_state(session, agent_id, state, seen_at)


def _set_agent_state(
    session: Session, agent_id: UUID, state: AgentState, seen_at: datetime | None
) -> None:
    agent = queries.agent_for_change(session, agent_id)
    agent.state = state
    agent.last_seen_at = seen_at or agent.last_seen_at


def _mark_all(
    database: Database,
    device_ids: Iterable[UUID],
    seen: Mapping[UUID, DeviceSummary],
    clock: Clock,
) -> None:
    ids = sorted(device_ids)
    for start in range(0, len(ids), _AT_ONCE):
        with database.transaction() as session:
            _mark(session, ids[start : start + _AT_ONCE], seen, clock)


def _mark(
    session: Session, device_ids: Iterable[UUID], seen: Mapping[UUID, DeviceSummary], clock: Clock
) -> None:
    for device_id in device_ids:
        device = queries.device_for_change(session, device_id, principal=SYSTEM)
        _mark_seen(session, device, seen[device_id], clock())


def _mark_seen(session: Session, device: Device, summary: DeviceSummary, at: datetime) -> None:
    if device.state is DeviceState.RETIRED or not _differs(device, summary):
        return
    before = device.state
    device.sqlmodel_update(
        {
            "state": _seen_state(device, summary),
            "can_set_clock": summary.can_set_clock,
            "fault_code": summary.error_code or "",
            "fault_message": (summary.error_message or "")[:500],
            "updated_at": at,
            "revision": device.revision + 1,
        }
    )
    tell_watchers(session, device, before)


def _differs(device: Device, summary: DeviceSummary) -> bool:
    state = _seen_state(device, summary)
    known = device.state, device.can_set_clock
    told = state in _WITH_REASON and summary.error_code not in (None, device.fault_code)
    return told or known != (state, summary.can_set_clock)


def _seen_state(device: Device, summary: DeviceSummary) -> DeviceState:
    """A locked device that is plugged in stays locked until it is read."""
    state = DeviceState(summary.state.value)
    if state is DeviceState.CONNECTED and device.state is DeviceState.LOCKED:
        return DeviceState.LOCKED
    return state


def _absent(device: Device, code: str = "device.not_found") -> DeviceSummary:
    """A device that its agent does not see, or whose agent is not seen."""
    return DeviceSummary(
        number=device.number,
        kind=device.kind,
        driver="",
        transport="",
        state=LinkState.DISCONNECTED,
        simulated=device.simulated,
        error_code=code,
        error_message=FAULTS[code].title,
        can_set_clock=device.can_set_clock,
    )
