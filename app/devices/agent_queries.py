"""Selects of agents as a principal sees them: within limits only those of devices they see."""

from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select

from app.accounts.principal import Principal
from app.core.db import Session
from app.core.pagination import Page, PageRequest, encode_cursor
from app.devices.models import Agent, Device
from app.enterprises.queries import within
from app.errors import NotFound


def _agents_of(principal: Principal) -> sa.ColumnElement[bool]:
    """The condition that an agent is this principal's to see: within limits, those of devices they see."""
    if principal.enterprise_ids is None:
        return sa.true()
    theirs = select(Device.agent_id).where(within(principal, col(Device.enterprise_id)))
    return col(Agent.id).in_(theirs)


def visible_agent(session: Session, agent_id: UUID, principal: Principal) -> Agent:
    """The agent. Raises NotFound, also for one this principal may not see."""
    agent = session.exec(
        select(Agent).where(Agent.id == agent_id, _agents_of(principal))
    ).one_or_none()
    if agent is None:
        raise NotFound("没有这个设备代理")
    return agent


def list_agents(session: Session, principal: Principal, *, page: PageRequest) -> Page[Agent]:
    """Agents by name; within limits those of devices the principal sees."""
    query = (
        select(Agent).where(_agents_of(principal)).order_by(col(Agent.name)).limit(page.limit + 1)
    )
    after = page.key(str)
    if after is not None:
        query = query.where(col(Agent.name) > after[0])
    found = list(session.exec(query))
    items = found[: page.limit]
    cursor = encode_cursor(items[-1].name) if len(found) > page.limit else None
    return Page(items=items, next_cursor=cursor)
