"""Agents: registered with a sealed token, asked, and what they have that is not registered."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlmodel import select

from app.accounts.principal import Principal
from app.audit.models import AuditRecord
from app.contracts.devices import DeviceReading, LinkState
from app.core.db import Database
from app.devices import service
from app.devices.agent_client import AgentFault
from app.devices.agent_schemas import AgentCreate, AgentUpdate
from app.devices.agents import client_of
from app.devices.models import MOUNTED, Agent, AgentState, Device, DeviceState
from app.operators.models import Operator
from app.settings import Settings

NUMBER = "661814461322"
AddOperator = Callable[..., Operator]
AddDevice = Callable[..., Device]


@pytest.fixture
def mounted(any_database: Database, agent: Any, settings: Settings, now: datetime) -> UUID:
    with any_database.transaction() as session:
        return service.ensure_mounted(session, token=agent.token, settings=settings, at=now).id


def test_registered_with_a_token_shown_once_and_kept_sealed(
    any_database: Database, admin: Principal, settings: Settings, now: datetime
) -> None:
    data = AgentCreate(name="财务室", base_url="http://192.168.1.20:8711/")
    with any_database.transaction() as session:
        agent, token = service.register_agent(
            session, data=data, principal=admin, settings=settings, at=now
        )
        assert agent.base_url == "http://192.168.1.20:8711"
        assert len(token) >= 32
        assert token not in agent.sealed_token
        assert client_of(agent, settings)._token == token
        record = session.exec(select(AuditRecord)).one()
        assert token not in record.details
    with pytest.raises(service.AgentTaken), any_database.transaction() as session:
        service.register_agent(session, data=data, principal=admin, settings=settings, at=now)


def test_another_key_or_row_cannot_read_the_token(
    database: Database, admin: Principal, settings: Settings, now: datetime, tmp_path: Path
) -> None:
    with database.transaction() as session:
        first, _ = service.register_agent(
            session,
            data=AgentCreate(name="a", base_url="http://a.example"),
            principal=admin,
            settings=settings,
            at=now,
        )
        other = Agent(
            name="b",
            base_url="http://b.example",
            sealed_token=first.sealed_token,
            created_at=now,
            updated_at=now,
        )
        with pytest.raises(AgentFault, match="无法解密"):
            client_of(other, settings)
        with pytest.raises(AgentFault, match="无法解密"):
            client_of(first, Settings(data_dir=tmp_path / "elsewhere"))


def test_the_mounted_agent_is_one_row_and_takes_the_token_of_each_start(
    any_database: Database, settings: Settings, now: datetime
) -> None:
    tokens = ["first-token-0123456789", "first-token-0123456789", "other-token-0123456789"]
    revisions = []
    for token in tokens:
        with any_database.transaction() as session:
            agent = service.ensure_mounted(session, token=token, settings=settings, at=now)
            revisions.append(agent.revision)
    assert revisions == [1, 1, 2]
    with any_database.reading() as session:
        assert session.exec(select(Agent.base_url)).all() == [MOUNTED]


def test_change_replaces_the_token_without_telling_it(
    any_database: Database, admin: Principal, settings: Settings, now: datetime, mounted: UUID
) -> None:
    update = AgentUpdate(name="前台", token=SecretStr("a-new-token-0123456789"))
    with any_database.transaction() as session:
        agent = service.change_agent(
            session, mounted, data=update, principal=admin, settings=settings, at=now
        )
        assert (agent.name, agent.state) == ("前台", AgentState.NEW)
        record = session.exec(
            select(AuditRecord).where(AuditRecord.action == "agent.changed")
        ).one()
        assert record.details == '{"credential_replaced":true,"name":["本机设备代理","前台"]}'


def test_an_agent_in_use_is_not_removed(
    any_database: Database,
    admin: Principal,
    now: datetime,
    mounted: UUID,
    add_operator: AddOperator,
    add_device: AddDevice,
) -> None:
    with any_database.transaction() as session:
        device = add_device(session, add_operator(session), agent_id=mounted)
        with pytest.raises(service.AgentInUse):
            service.remove_agent(session, mounted, principal=admin, at=now)
        device.agent_id = None
        session.flush()
        service.remove_agent(session, mounted, principal=admin, at=now)
        assert session.get(Agent, mounted) is None


def test_asked_what_it_is(
    any_database: Database, settings: Settings, now: datetime, agent: Any, mounted: UUID
) -> None:
    service.check_agent(any_database, mounted, settings=settings, clock=lambda: now)
    with any_database.reading() as session:
        row = session.get_one(Agent, mounted)
        assert (row.version, row.state, row.last_seen_at) == ("1.2.3", AgentState.ONLINE, now)
    agent.token = "another"
    later = now + timedelta(hours=1)
    with pytest.raises(AgentFault):
        service.check_agent(any_database, mounted, settings=settings, clock=lambda: later)
    with any_database.reading() as session:
        row = session.get_one(Agent, mounted)
        assert (row.state, row.last_seen_at) == (AgentState.UNAUTHORIZED, now)


def test_what_is_plugged_in_shows_in_the_rows(
    any_database: Database,
    settings: Settings,
    now: datetime,
    agent: Any,
    mounted: UUID,
    add_operator: AddOperator,
    add_device: AddDevice,
    make_reading: Callable[..., DeviceReading],
) -> None:
    with any_database.transaction() as session:
        operator = add_operator(session)
        states = {
            "100000000001": DeviceState.DISCONNECTED,
            "100000000002": DeviceState.CONNECTED,
            "100000000003": DeviceState.LOCKED,
            "100000000004": DeviceState.CONNECTED,
        }
        ids = {
            number: add_device(session, operator, number=number, state=state, agent_id=mounted).id
            for number, state in states.items()
        }
    for number in ("100000000001", "100000000003"):
        agent.readings[number] = make_reading(number)
    agent.readings["100000000004"] = make_reading("100000000004", state=LinkState.FAULT)
    service.sync_states(any_database, mounted, settings=settings, clock=lambda: now)
    with any_database.reading() as session:
        found = {number: session.get_one(Device, key).state for number, key in ids.items()}
    assert found == {
        "100000000001": DeviceState.CONNECTED,
        "100000000002": DeviceState.DISCONNECTED,
        "100000000003": DeviceState.LOCKED,
        "100000000004": DeviceState.FAULT,
    }


def test_discovers_what_is_not_registered(
    any_database: Database,
    admin: Principal,
    settings: Settings,
    now: datetime,
    agent: Any,
    mounted: UUID,
    add_operator: AddOperator,
    add_device: AddDevice,
    make_reading: Callable[..., DeviceReading],
) -> None:
    for number in (NUMBER, "539912237528"):
        agent.readings[number] = make_reading(number)
    with any_database.transaction() as session:
        add_device(session, add_operator(session), number=NUMBER, agent_id=mounted)
        dead = AgentCreate(name="坏的", base_url="http://127.0.0.1:9")
        service.register_agent(session, data=dead, principal=admin, settings=settings, at=now)
    found = service.discover(any_database, settings=settings, clock=lambda: now)
    assert [(item.number, item.agent_id) for item in found] == [("539912237528", mounted)]
    with any_database.reading() as session:
        states = dict(session.exec(select(Agent.name, Agent.state)).all())
    assert states["坏的"] is AgentState.UNREACHABLE
