"""Following agents: what they tell by themselves shows, and so does it when they are gone."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from fastapi import FastAPI
from sqlmodel import select
from starlette.responses import StreamingResponse

from app.contracts import CONTRACT_VERSION
from app.contracts.devices import (
    AgentEvent,
    AgentEventKind,
    AgentStatus,
    DeviceKind,
    DeviceSummary,
    LinkState,
)
from app.contracts.faults import fault
from app.core.clock import utc_now
from app.core.db import Database, Session
from app.core.ids import new_id
from app.devices import agents, follow, service
from app.devices.agent_client import AgentFault
from app.devices.follow import AgentFollower
from app.devices.models import Agent, AgentLease, AgentState, Device, DeviceState
from app.devices.service import watchers
from app.devices.transports import InProcess
from app.operators.models import Operator
from app.settings import Settings
from tests.devices.conftest import NOW

T = TypeVar("T")
NUMBER = "661814461322"
TOKEN = "a-token-for-tests-0123456789"


class TellingAgent:
    """An agent with one device, that tells of changes."""

    def __init__(self) -> None:
        self.state = LinkState.CONNECTED
        self.contract_version = CONTRACT_VERSION
        self.events: list[AgentEvent] = []
        self.listeners = 0
        self.app = FastAPI()
        self.app.add_api_route("/agent/v1/status", self._status)
        self.app.add_api_route("/agent/v1/devices", lambda: [self.summary])
        self.app.add_api_route("/agent/v1/events", self._events, response_model=None)

    @property
    def summary(self) -> DeviceSummary:
        return DeviceSummary(
            number=NUMBER,
            kind=DeviceKind.TAX_DISK,
            driver="tax_server",
            transport="x",
            state=self.state,
            can_set_clock=True,
        )

    def tell(self, state: LinkState) -> None:
        self.state = state
        self.events.append(AgentEvent(kind=AgentEventKind.CHANGED, device=self.summary, at=NOW))

    def _status(self) -> AgentStatus:
        return AgentStatus(
            version="1.2.3",
            contract_version=self.contract_version,
            drivers=("tax_server",),
            uptime_seconds=1,
            devices=1,
        )

    def _events(self) -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            told = len(self.events)
            self.listeners += 1
            yield ":\n\n"
            while True:
                for event in self.events[told:]:
                    text = json.dumps(event.model_dump(mode="json"))
                    yield f"event: {event.kind.value}\ndata: {text}\n\n"
                told = len(self.events)
                await asyncio.sleep(0.02)

        return StreamingResponse(lines(), media_type="text/event-stream")


def eventually(question: Callable[[], T], *, seconds: float = 15) -> T:
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return answer


@pytest.fixture
def telling(monkeypatch: pytest.MonkeyPatch) -> TellingAgent:
    telling = TellingAgent()
    monkeypatch.setattr(agents, "agent_transports", {})
    monkeypatch.setattr(follow, "AWAY_AFTER", 0.2)
    monkeypatch.setattr(follow, "LOOK_SECONDS", 0.05)
    agents.register_mounted(lambda: InProcess(telling.app))
    return telling


@pytest.fixture
def device(
    database: Database,
    settings: Settings,
    add_operator: Callable[..., Operator],
    add_device: Callable[..., Device],
) -> Device:
    with database.transaction() as session:
        agent = service.ensure_mounted(session, token=TOKEN, settings=settings, at=NOW)
        device = add_device(session, add_operator(session), number=NUMBER, agent_id=agent.id)
        session.expunge_all()
    return device


@pytest.fixture
def following(
    database: Database, settings: Settings, telling: TellingAgent, device: Device
) -> Iterator[AgentFollower]:
    follower = AgentFollower(database, settings, lambda: NOW)
    follower.start()
    yield follower
    follower.stop()


def stored(database: Database, device: Device) -> Device:
    with database.reading() as session:
        return session.get_one(Device, device.id)


def agent_of(database: Database, device: Device) -> Agent:
    with database.reading() as session:
        return session.get_one(Agent, device.agent_id)


def test_states_at_the_beginning_and_every_change_after(
    database: Database, telling: TellingAgent, device: Device, following: AgentFollower
) -> None:
    eventually(lambda: stored(database, device).state is DeviceState.CONNECTED)
    assert stored(database, device).can_set_clock
    assert agent_of(database, device).state is AgentState.ONLINE
    assert agent_of(database, device).version == "1.2.3"
    for told, shown in (
        (LinkState.DISCONNECTED, DeviceState.DISCONNECTED),
        (LinkState.FAULT, DeviceState.FAULT),
        (LinkState.CONNECTED, DeviceState.CONNECTED),
    ):
        telling.tell(told)
        eventually(lambda shown=shown: stored(database, device).state is shown)  # type: ignore[misc]
    assert telling.listeners == 1


def test_watchers_are_told_of_every_change_of_state(
    database: Database,
    telling: TellingAgent,
    device: Device,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
) -> None:
    changes: list[tuple[DeviceState, DeviceState]] = []

    def watch(session: Session, changed: Device, before: DeviceState) -> None:
        changes.append((before, changed.state))

    monkeypatch.setattr(watchers, "state_watchers", [watch])
    more: dict[str, Any] = {"settings": settings, "clock": lambda: NOW}
    assert device.agent_id is not None
    service.sync_states(database, device.agent_id, **more)
    service.sync_states(database, device.agent_id, **more)
    telling.state = LinkState.DISCONNECTED
    service.sync_states(database, device.agent_id, **more)
    assert changes == [
        (DeviceState.DISCONNECTED, DeviceState.CONNECTED),
        (DeviceState.CONNECTED, DeviceState.DISCONNECTED),
    ]


def test_whoever_sees_an_agent_away_sees_none_of_its_devices_connected(
    database: Database,
    device: Device,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[AgentState, AgentState]] = []

    def watch(session: Session, changed: Device, before: DeviceState) -> None:
        here = session.get_one(Agent, changed.agent_id).state
        seen.append((here, agent_of(database, changed).state))

    assert device.agent_id is not None
    service.keep_agent_state(database, device.agent_id, AgentState.ONLINE, NOW)
    with database.transaction() as session:
        session.get_one(Device, device.id).state = DeviceState.CONNECTED
    monkeypatch.setattr(watchers, "state_watchers", [watch])
    why = fault("agent.unreachable")
    service.mark_agent_away(database, device.agent_id, why, clock=lambda: NOW)
    assert seen == [(AgentState.UNREACHABLE, AgentState.ONLINE)], "changed here, not yet for others"
    assert agent_of(database, device).state is AgentState.UNREACHABLE
    assert stored(database, device).state is DeviceState.DISCONNECTED
    assert stored(database, device).fault_code == "agent.unreachable"


def test_an_agent_that_is_gone_and_comes_back(
    database: Database, telling: TellingAgent, device: Device, following: AgentFollower
) -> None:
    eventually(lambda: stored(database, device).state is DeviceState.CONNECTED)
    with database.transaction() as session:  # its row changed: it is followed anew
        agents.agent_transports.clear()
        session.get_one(Agent, device.agent_id).revision += 1
    eventually(lambda: stored(database, device).state is DeviceState.DISCONNECTED)
    assert stored(database, device).fault_code == "agent.unreachable"
    assert agent_of(database, device).state is AgentState.UNREACHABLE
    agents.register_mounted(lambda: InProcess(telling.app))
    eventually(lambda: stored(database, device).state is DeviceState.CONNECTED)
    assert stored(database, device).fault_code == ""
    assert agent_of(database, device).state is AgentState.ONLINE


def test_an_incompatible_agent_is_refused_and_taken_once_it_is_updated(
    database: Database, telling: TellingAgent, device: Device, settings: Settings
) -> None:
    telling.contract_version = CONTRACT_VERSION + 1
    follower = AgentFollower(database, settings, lambda: NOW)
    follower.start()
    try:
        eventually(lambda: agent_of(database, device).state is AgentState.INCOMPATIBLE)
        with pytest.raises(AgentFault) as caught:
            agents.client_of(agent_of(database, device), settings)
        assert caught.value.fault.code == "agent.version"
        assert "升级" in caught.value.fault.remedy
        telling.contract_version = CONTRACT_VERSION
        eventually(lambda: agent_of(database, device).state is AgentState.ONLINE)
        agents.client_of(agent_of(database, device), settings)
    finally:
        follower.stop()


def test_a_device_of_another_agent_is_not_touched(
    database: Database, telling: TellingAgent, device: Device
) -> None:
    event = AgentEvent(kind=AgentEventKind.CONNECTED, device=telling.summary, at=NOW)
    service.note_event(database, new_id(), event, clock=lambda: NOW)
    assert stored(database, device).state is DeviceState.DISCONNECTED


class TestSharing:
    """Several processes on one PostgreSQL."""

    @pytest.fixture
    def database(self, postgres_url: str) -> Iterator[Database]:
        database = Database(postgres_url)
        yield database
        database.dispose()

    @pytest.fixture
    def two(
        self, database: Database, settings: Settings, device: Device
    ) -> tuple[AgentFollower, AgentFollower]:
        """Of two machines whose clocks are 300 s apart."""
        return (
            AgentFollower(database, settings, utc_now),
            AgentFollower(database, settings, lambda: utc_now() + timedelta(seconds=300)),
        )

    @staticmethod
    def _let_pass(database: Database, seconds: int) -> None:
        with database.transaction() as session:
            for lease in session.exec(select(AgentLease)):
                lease.until -= timedelta(seconds=seconds)
                session.add(lease)

    def test_one_of_them_follows_whatever_their_clocks_say(
        self, database: Database, two: tuple[AgentFollower, AgentFollower]
    ) -> None:
        first, second = two
        mine = first._mine()
        assert len(mine) == 1
        assert second._mine() == set()
        self._let_pass(database, 25)
        assert first._mine() == mine, "renewed"
        self._let_pass(database, 25)
        assert second._mine() == set()

    def test_another_takes_over_when_it_is_gone(
        self, database: Database, two: tuple[AgentFollower, AgentFollower]
    ) -> None:
        first, second = two
        mine = first._mine()
        self._let_pass(database, 31)
        assert second._mine() == mine
        assert first._mine() == set()

    def test_one_that_stops_leaves_it_at_once(
        self, two: tuple[AgentFollower, AgentFollower]
    ) -> None:
        first, second = two
        mine = first._mine()
        first._release()
        assert second._mine() == mine

    def test_the_one_with_the_connection_takes_it(
        self,
        two: tuple[AgentFollower, AgentFollower],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        first, second = two
        mine = first._mine()
        monkeypatch.setattr("app.devices.dialled.is_connected", lambda base_url: True)
        assert second._mine() == mine
