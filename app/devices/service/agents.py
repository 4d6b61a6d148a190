"""Register, change, remove and ask device agents; what they have that is not registered."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from app.accounts.principal import SYSTEM, Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.canonical import JSON
from app.contracts.devices import AgentStatus, DeviceKind, DeviceSummary, LinkState
from app.contracts.tunnel import REVOKED
from app.core.clock import Clock
from app.core.db import Database, Session, on_commit
from app.core.etags import require_match
from app.core.ids import new_token
from app.devices import dialled, queries
from app.devices.agent_addresses import check_name
from app.devices.agent_client import AgentClient, AgentFault
from app.devices.agent_schemas import AgentCreate, AgentUpdate
from app.devices.agents import is_token, sealed_token
from app.devices.models import MOUNTED, Agent, AgentState
from app.devices.service.seen import ask, sync_states
from app.errors import Conflict, NotFound
from app.settings import Settings


class AgentTaken(Conflict):
    """Names and addresses tell agents apart."""

    code = "agent.taken"
    title = "已有同名或同地址的设备代理"
    remedy = "请换一个名称，或修改已登记的代理。"


class AgentInUse(Conflict):
    """Devices name this agent."""

    code = "agent.in_use"
    title = "还有设备使用这个设备代理"
    remedy = "请先把这些设备改到其他代理。"


@dataclass(frozen=True, slots=True)
class Discovered:
    """A device an agent has that is not registered."""

    agent_id: UUID
    agent_name: str
    number: str
    kind: DeviceKind
    driver: str
    transport: str
    state: LinkState
    simulated: bool


def register_agent(
    session: Session,
    *,
    data: AgentCreate,
    principal: Principal,
    settings: Settings,
    at: datetime,
) -> tuple[Agent, str]:
    """Register an agent; returns it with its token, which is shown this once.

    Raises AgentTaken, Invalid.
    """
    check_name(data.base_url)
    token = data.token.get_secret_value() if data.token else new_token()
    agent = Agent(
        name=data.name,
        base_url=data.base_url,
        pin=data.pin,
        sealed_token="",
        created_at=at,
        updated_at=at,
    )
    agent.sealed_token = sealed_token(settings, agent, token)
    session.add(agent)
    _flush(session)
    details: dict[str, JSON] = {"name": agent.name, "base_url": agent.base_url}
    _audit(session, agent, AuditAction.AGENT_REGISTERED, principal, at, details)
    return agent, token


def ensure_mounted(
    session: Session, *, token: str, settings: Settings, at: datetime, simulated: bool = False
) -> Agent:
    """The agent inside the server, registered at the first start, with the token of this start."""
    agent = queries.agent_by_url(session, MOUNTED)
    if agent is None:
        agent = Agent(
            name="本机设备代理", base_url=MOUNTED, sealed_token="", created_at=at, updated_at=at
        )
        session.add(agent)
        details: dict[str, JSON] = {"name": agent.name, "base_url": agent.base_url}
        agent.sealed_token = sealed_token(settings, agent, token)
        session.flush()
        _audit(session, agent, AuditAction.AGENT_REGISTERED, SYSTEM, at, details)
    if not is_token(settings, agent, token) or agent.simulated is not simulated:
        agent.sealed_token = sealed_token(settings, agent, token)
        agent.simulated = simulated
        agent.revision += 1
        session.flush()
    return agent


def change_agent(
    session: Session,
    agent_id: UUID,
    *,
    data: AgentUpdate,
    principal: Principal,
    settings: Settings,
    at: datetime,
    if_match: str | None = None,
) -> Agent:
    """Change what was sent. Raises NotFound, PreconditionFailed, AgentTaken, Invalid."""
    agent = queries.agent_for_change(session, agent_id)
    require_match(if_match, agent.revision)
    wanted = data.changes()
    wanted.pop("password", None)
    if "base_url" in wanted:
        check_name(wanted["base_url"])
    token = wanted.pop("token", None)
    changed = {name: value for name, value in wanted.items() if getattr(agent, name) != value}
    if not changed and token is None:
        return agent
    details: dict[str, JSON] = {
        name: [getattr(agent, name), value] for name, value in changed.items()
    }
    if token is not None:
        changed["sealed_token"] = sealed_token(settings, agent, token.get_secret_value())
        details["credential_replaced"] = True
    agent.sqlmodel_update(
        {**changed, "state": AgentState.NEW, "updated_at": at, "revision": agent.revision + 1}
    )
    _flush(session)
    _audit(session, agent, AuditAction.AGENT_CHANGED, principal, at, details)
    return agent


def remove_agent(session: Session, agent_id: UUID, *, principal: Principal, at: datetime) -> None:
    """Remove an agent no device names. Raises NotFound, AgentInUse."""
    agent = queries.agent_for_change(session, agent_id)
    if queries.agent_in_use(session, agent_id):
        raise AgentInUse
    session.delete(agent)
    session.flush()
    on_commit(session, lambda: dialled.hang_up(agent_id, REVOKED))
    details: dict[str, JSON] = {"name": agent.name, "base_url": agent.base_url}
    _audit(session, agent, AuditAction.AGENT_REMOVED, principal, at, details)


def check_agent(
    database: Database, agent_id: UUID, *, settings: Settings, clock: Clock
) -> AgentStatus:
    """Ask the agent what it is, outside any transaction, and keep it. Raises NotFound, AgentFault."""
    status = ask(database, agent_id, settings, clock, AgentClient.status)
    with database.transaction() as session:
        agent = queries.agent_for_change(session, agent_id)
        agent.version = status.version[:40]
        agent.simulated = status.simulated
    return status


def discover(database: Database, *, settings: Settings, clock: Clock) -> list[Discovered]:
    """Devices the agents have that are not registered; an agent that does not answer has none."""
    with database.reading() as session:
        agents = [(agent.id, agent.name) for agent in queries.all_agents(session)]
    found: list[Discovered] = []
    for agent_id, name in agents:
        try:
            summaries = sync_states(database, agent_id, settings=settings, clock=clock)
        except (AgentFault, NotFound):
            continue  # its state is marked; the list of agents shows it
        found += _unregistered(database, agent_id, name, summaries)
    return found


def _unregistered(
    database: Database, agent_id: UUID, agent_name: str, summaries: list[DeviceSummary]
) -> list[Discovered]:
    with database.reading() as session:
        known = queries.in_use_by_number(session, (summary.number for summary in summaries))
    return [
        Discovered(
            agent_id,
            agent_name,
            summary.number,
            summary.kind,
            summary.driver,
            summary.transport,
            summary.state,
            summary.simulated,
        )
        for summary in summaries
        if summary.number and summary.number not in known
    ]


def _flush(session: Session) -> None:
    try:
        session.flush()
    except sa.exc.IntegrityError as error:
        raise AgentTaken from error


def _audit(
    session: Session,
    agent: Agent,
    action: AuditAction,
    principal: Principal,
    at: datetime,
    details: dict[str, JSON],
) -> None:
    audit.record(
        session,
        actor=principal.actor,
        action=action,
        object_type="agent",
        object_id=agent.id,
        at=at,
        details=details,
    )
