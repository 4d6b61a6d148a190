"""Every select of devices and agents. A principal limited to some enterprises sees only these devices."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped
from sqlmodel import col, select

from app.accounts.principal import Principal
from app.contracts.devices import DeviceKind
from app.core.db import Session
from app.core.pagination import InvalidCursor, Page, PageRequest, encode_cursor
from app.devices.models import (
    DIAL,
    Agent,
    AgentEnrollment,
    AgentLease,
    Device,
    DeviceMonitor,
    DeviceState,
)
from app.enterprises.models import Enterprise
from app.enterprises.queries import within
from app.errors import NotFound
from app.operators.models import Operator


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One line of the list of devices."""

    device: Device
    operator_code: str
    operator_name: str
    enterprise_name: str


@dataclass(frozen=True, slots=True)
class InUse:
    """What an operator's row needs to know of the devices in use."""

    numbers: tuple[str, ...]
    lock_date: date | None
    last_cleared_at: datetime | None


def visible(session: Session, device_id: UUID, principal: Principal) -> Device:
    """The device. Raises NotFound, also for one this principal may not see."""
    device = session.get(Device, device_id)
    if device is None or not principal.sees(device.enterprise_id):
        raise NotFound("没有这台设备")
    return device


def device_for_change(session: Session, device_id: UUID, *, principal: Principal) -> Device:
    """The same, locked until the transaction ends."""
    device = session.exec(
        select(Device).where(Device.id == device_id).with_for_update()
    ).one_or_none()
    if device is None or not principal.sees(device.enterprise_id):
        raise NotFound("没有这台设备")
    return device


def in_use_of_operator(session: Session, operator_id: UUID) -> list[Device]:
    """The operator's devices that are not retired, by number."""
    return list(
        session.exec(
            select(Device)
            .where(Device.operator_id == operator_id, Device.state != DeviceState.RETIRED)
            .order_by(col(Device.number))
        )
    )


def in_use_of_agent(session: Session, agent_id: UUID) -> list[Device]:
    """The devices reached through this agent that are not retired."""
    return list(
        session.exec(
            select(Device).where(Device.agent_id == agent_id, Device.state != DeviceState.RETIRED)
        )
    )


def in_use_by_number(session: Session, numbers: Iterable[str]) -> dict[str, Device]:
    """Devices that are not retired, by their number."""
    query = select(Device).where(
        col(Device.number).in_(sorted(set(numbers))), Device.state != DeviceState.RETIRED
    )
    return {device.number: device for device in session.exec(query)}


def machine_no_taken(session: Session, device: Device, machine_no: int) -> bool:
    """Whether another device in use of the same taxpayer has this 开票机号."""
    query = select(Device.id).where(
        Device.enterprise_id == device.enterprise_id,
        Device.machine_no == machine_no,
        Device.state != DeviceState.RETIRED,
        Device.id != device.id,
    )
    return session.exec(query).first() is not None


def monitors_of(session: Session, device_ids: Sequence[UUID]) -> dict[UUID, list[DeviceMonitor]]:
    """The monitors of each of these devices, by invoice type; an empty list for one never read."""
    found: dict[UUID, list[DeviceMonitor]] = {device_id: [] for device_id in device_ids}
    query = (
        select(DeviceMonitor)
        .where(col(DeviceMonitor.device_id).in_(device_ids))
        .order_by(col(DeviceMonitor.device_id), col(DeviceMonitor.invoice_type))
    )
    for monitor in session.exec(query):
        found[monitor.device_id].append(monitor)
    return found


def in_use_facts(session: Session, operator_id: UUID) -> InUse:
    """Numbers, earliest lock date and newest clearing of the operator's devices in use."""
    query = (
        sa.select(col(Device.number), col(Device.lock_date), col(Device.last_cleared_at))
        .where(col(Device.operator_id) == operator_id, col(Device.state) != DeviceState.RETIRED)
        .order_by(col(Device.number))
    )
    rows = session.execute(query).all()
    return InUse(
        numbers=tuple(row[0] for row in rows),
        lock_date=min((row[1] for row in rows if row[1] is not None), default=None),
        last_cleared_at=max((row[2] for row in rows if row[2] is not None), default=None),
    )


def list_devices(
    session: Session,
    *,
    principal: Principal,
    page: PageRequest,
    q: str | None = None,
    states: Collection[DeviceState] = (),
    locked_on: date | None = None,
    kind: DeviceKind | None = None,
    enterprise_id: UUID | None = None,
    operator_id: UUID | None = None,
    agent_id: UUID | None = None,
) -> Page[DeviceRow]:
    """Devices by number; `q` is part of the number, or of the name of taxpayer or operator.

    `locked_on`: only those that say they are locked, or whose lock date is before this day.
    """
    equal: list[tuple[Mapped[Any], object]] = [
        (col(Device.kind), kind),
        (col(Device.enterprise_id), enterprise_id),
        (col(Device.operator_id), operator_id),
        (col(Device.agent_id), agent_id),
    ]
    query = (
        sa.select(Device, col(Operator.code), col(Operator.name), col(Enterprise.name))
        .join(Operator, col(Operator.id) == col(Device.operator_id))
        .join(Enterprise, col(Enterprise.id) == col(Device.enterprise_id))
        .where(within(principal, col(Device.enterprise_id)))
        .where(*(column == value for column, value in equal if value is not None))
        .where(col(Device.state).in_(states) if states else sa.true())
        .where(_locked(locked_on) if locked_on else sa.true())
        .where(*(_has_word(word) for word in (q or "").replace("\x00", " ").split()))
        .where(*_later(page))
        .order_by(col(Device.number), col(Device.id))
        .limit(page.limit + 1)
    )
    rows = [DeviceRow(*row) for row in session.execute(query)]
    items = rows[: page.limit]
    more = len(rows) > page.limit
    cursor = encode_cursor(items[-1].device.number, items[-1].device.id.hex) if more else None
    return Page(items=items, next_cursor=cursor)


def _locked(day: date) -> sa.ColumnElement[bool]:
    past = sa.and_(col(Device.lock_date) < day, col(Device.state) != DeviceState.RETIRED)
    return sa.or_(col(Device.state) == DeviceState.LOCKED, past)


def count_connected(session: Session, *, principal: Principal) -> tuple[int, int]:
    """How many devices in use are connected, and how many there are."""
    connected = col(Device.state).in_([DeviceState.CONNECTED, DeviceState.LOCKED])
    query = sa.select(
        sa.func.coalesce(sa.func.sum(sa.case((connected, 1), else_=0)), 0), sa.func.count()
    ).where(col(Device.state) != DeviceState.RETIRED, within(principal, col(Device.enterprise_id)))
    row = session.execute(query).one()
    return int(row[0]), int(row[1])


def get_agent(session: Session, agent_id: UUID) -> Agent:
    """The agent. Raises NotFound."""
    agent = session.get(Agent, agent_id)
    if agent is None:
        raise NotFound("没有这个设备代理")
    return agent


def agent_for_change(session: Session, agent_id: UUID) -> Agent:
    """The same, locked until the transaction ends."""
    agent = session.exec(select(Agent).where(Agent.id == agent_id).with_for_update()).one_or_none()
    if agent is None:
        raise NotFound("没有这个设备代理")
    return agent


def agent_by_url(session: Session, base_url: str) -> Agent | None:
    """The agent at this address."""
    return session.exec(select(Agent).where(Agent.base_url == base_url)).one_or_none()


def agent_by_name(session: Session, name: str) -> Agent | None:
    """The agent of this name, locked until the transaction ends."""
    return session.exec(select(Agent).where(Agent.name == name).with_for_update()).one_or_none()


def agent_by_token(session: Session, token_hash: str) -> Agent | None:
    """The agent that dials out with the token of this hash, locked until the transaction ends."""
    query = select(Agent).where(Agent.token_hash == token_hash).with_for_update()
    return session.exec(query).one_or_none()


def enrollment_by_code(session: Session, code_hash: str) -> AgentEnrollment | None:
    """The enrollment with the code of this hash, locked until the transaction ends."""
    query = select(AgentEnrollment).where(AgentEnrollment.code_hash == code_hash)
    return session.exec(query.with_for_update()).one_or_none()


def leases(session: Session) -> dict[UUID, AgentLease]:
    """Who follows which agent's events."""
    return {lease.agent_id: lease for lease in session.exec(select(AgentLease))}


def relay_of(session: Session, agent: Agent) -> str:
    """Where another process reaches the connection this agent has opened to it; empty: nowhere."""
    if not agent.base_url.startswith(DIAL):
        return ""
    lease = session.get(AgentLease, agent.id)
    return lease.relay_url if lease is not None else ""


def changed_since(
    session: Session, principal: Principal, since: datetime, *, limit: int = 1000
) -> list[Device]:
    """Devices this principal may see that were changed at or after `since`, in order."""
    query = (
        select(Device)
        .where(Device.updated_at >= since, within(principal, col(Device.enterprise_id)))
        .order_by(col(Device.updated_at))
        .limit(limit)
    )
    return list(session.exec(query))


def all_agents(session: Session) -> list[Agent]:
    """Every agent, by name."""
    return list(session.exec(select(Agent).order_by(col(Agent.name))))


def devices_per_agent(session: Session) -> Counter[UUID]:
    """How many devices in use each agent reaches."""
    query = (
        select(Device.agent_id, sa.func.count())
        .where(Device.state != DeviceState.RETIRED, col(Device.agent_id).is_not(None))
        .group_by(col(Device.agent_id))
    )
    return Counter({row[0]: int(row[1]) for row in session.exec(query) if row[0] is not None})


def agent_in_use(session: Session, agent_id: UUID) -> bool:
    """Whether any device, also a retired one, names this agent."""
    return session.exec(select(Device.id).where(Device.agent_id == agent_id)).first() is not None


def _has_word(word: str) -> sa.ColumnElement[bool]:
    return sa.or_(
        col(Device.number).contains(word, autoescape=True),
        col(Enterprise.name).icontains(word, autoescape=True),
        col(Operator.name).icontains(word, autoescape=True),
        col(Operator.code).icontains(word, autoescape=True),
    )


def _later(page: PageRequest) -> list[sa.ColumnElement[bool]]:
    after = page.key(str, str)
    if after is None:
        return []
    try:
        last = sa.tuple_(sa.literal(str(after[0])), sa.literal(UUID(after[1]), sa.Uuid))
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidCursor from error
    return [sa.tuple_(col(Device.number), col(Device.id)) > last]
