"""`device.disconnected`: one event for each time a device goes away, with the change itself."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import col, select

from app.accounts.principal import SYSTEM
from app.contracts.devices import (
    AgentEvent,
    AgentEventKind,
    DeviceSummary,
    LinkState,
)
from app.contracts.faults import fault
from app.core.db import Database
from app.core.ids import new_id
from app.devices import queries as devices_queries
from app.devices import service as devices_service
from app.devices.models import Agent, Device, DeviceState
from app.notifications.kinds import EventKind
from app.notifications.models import Event

KINDS = {
    LinkState.CONNECTED: AgentEventKind.CONNECTED,
    LinkState.DISCONNECTED: AgentEventKind.DISCONNECTED,
    LinkState.FAULT: AgentEventKind.CHANGED,
}


@pytest.fixture
def device(any_database: Database, world: Any, clock: Any) -> Device:
    """A device that is connected, reached through an agent."""
    with any_database.transaction() as session:
        agent = Agent(
            id=new_id(),
            name="前台",
            base_url="https://agent.example",
            sealed_token="-",
            created_at=clock(),
            updated_at=clock(),
        )
        session.add(agent)
        session.flush()
        agent_id = agent.id
    found: Device = world.device(world.operator(), agent_id=agent_id)
    return found


@pytest.fixture
def tell(any_database: Database, device: Device, clock: Any) -> Callable[[LinkState], None]:
    """What the agent tells of the device by itself."""

    def once(state: LinkState) -> None:
        gone = state is LinkState.DISCONNECTED
        summary = DeviceSummary(
            number=device.number,
            kind=device.kind,
            driver="tax_server",
            transport="",
            state=state,
            error_code="device.timeout" if gone else None,
            error_message="设备没有应答" if gone else None,
        )
        event = AgentEvent(kind=KINDS[state], at=clock(), device=summary)
        assert device.agent_id is not None
        devices_service.note_event(any_database, device.agent_id, event, clock=clock)

    return once


def _codes(database: Database, device: Device) -> list[str]:
    wanted = select(Event).where(
        Event.kind == EventKind.DEVICE_DISCONNECTED, Event.object_id == str(device.id)
    )
    with database.reading() as session:
        return [one.data["code"] for one in session.exec(wanted.order_by(col(Event.id)))]


def test_every_change_is_told_once(
    any_database: Database, device: Device, tell: Callable[[LinkState], None]
) -> None:
    for state in ("disconnected", "disconnected", "connected", "fault", "disconnected"):
        tell(LinkState(state))
    assert _codes(any_database, device) == ["device.timeout"] * 2


def test_a_read_that_finds_it_gone_tells_too(
    any_database: Database, device: Device, tell: Callable[[LinkState], None], clock: Any
) -> None:
    """Whoever notices first: the agent's event that follows changes nothing any more."""
    with any_database.transaction() as session:
        row = devices_queries.device_for_change(session, device.id, principal=SYSTEM)
        devices_service.mark_unreadable(session, row, fault("device.not_found"), at=clock())
    tell(LinkState.DISCONNECTED)
    assert _codes(any_database, device) == ["device.not_found"]


def test_a_device_that_was_never_seen_is_no_news(
    any_database: Database, world: Any, clock: Any
) -> None:
    device = world.device(world.operator(), state=DeviceState.DISCONNECTED, read_at=None)
    with any_database.transaction() as session:
        row = devices_queries.device_for_change(session, device.id, principal=SYSTEM)
        devices_service.mark_unreadable(session, row, fault("device.not_found"), at=clock())
    assert _codes(any_database, device) == []


def test_a_change_that_is_undone_tells_nobody(
    any_database: Database, device: Device, clock: Any
) -> None:
    def fail() -> None:
        with any_database.transaction() as session:
            row = devices_queries.device_for_change(session, device.id, principal=SYSTEM)
            devices_service.mark_unreadable(session, row, fault("device.not_found"), at=clock())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert _codes(any_database, device) == []


def test_several_who_notice_at_once_tell_once(
    any_database: Database, device: Device, tell: Callable[[LinkState], None]
) -> None:
    noticing = [threading.Thread(target=tell, args=(LinkState.DISCONNECTED,)) for _ in range(8)]
    for thread in noticing:
        thread.start()
    for thread in noticing:
        thread.join()
    assert _codes(any_database, device) == ["device.timeout"]
