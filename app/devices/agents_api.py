"""REST API of device agents: list, register, enrol, change, remove, ask."""

from typing import Annotated
from uuid import UUID

from fastapi import Body, Depends, Response

from app.accounts.confirmation import Confirm
from app.accounts.deps import Admin, DevicesWriter, Reader
from app.core.etags import IfMatch, set_etag
from app.core.pagination import Page
from app.core.routing import Router
from app.core.web import ClientIp, ClockDep, DatabaseDep, Paging, Reading, SettingsDep, Writing
from app.devices import agent_queries, service
from app.devices.agent_schemas import (
    AgentCreate,
    AgentCreated,
    AgentPublic,
    AgentRemove,
    AgentUpdate,
    EnrollmentCreate,
    EnrollmentCreated,
    EnrollRequest,
)
from app.devices.limits import enrollment_limit
from app.devices.models import Agent

router = Router(tags=["税控设备"])


@router.get("/agents")
def list_agents(session: Reading, principal: Reader, page: Paging) -> Page[AgentPublic]:
    """Agents by name."""
    found = agent_queries.list_agents(session, principal, page=page)
    items = [AgentPublic.model_validate(agent) for agent in found.items]
    return Page(items=items, next_cursor=found.next_cursor)


@router.post("/agents", status_code=201)
def register_agent(
    data: AgentCreate,
    session: Writing,
    confirm: Confirm,
    principal: Admin,
    settings: SettingsDep,
    clock: ClockDep,
    response: Response,
) -> AgentCreated:
    """Register an agent; its token is in this answer only."""
    confirm(data.password)
    agent, token = service.register_agent(
        session, data=data, principal=principal, settings=settings, at=clock()
    )
    response.headers["Location"] = f"/api/v1/agents/{agent.id}"
    return AgentCreated(**_agent(response, agent).model_dump(), token=token)


@router.post("/agents/enrollments", status_code=201)
def create_enrollment(
    data: EnrollmentCreate, session: Writing, confirm: Confirm, principal: Admin, clock: ClockDep
) -> EnrollmentCreated:
    """A one-time code with which an agent registers itself, within fifteen minutes."""
    confirm(data.password)
    made, code = service.create_enrollment(session, name=data.name, principal=principal, at=clock())
    return EnrollmentCreated(id=made.id, name=made.name, expires_at=made.expires_at, code=code)


@router.post("/agents/enroll", dependencies=[Depends(enrollment_limit)])
def enroll_agent(
    data: EnrollRequest,
    session: Writing,
    settings: SettingsDep,
    clock: ClockDep,
    ip: ClientIp,
    response: Response,
) -> AgentPublic:
    """For agents: register with a one-time code, which is all the authorisation it takes."""
    agent = service.enroll(session, data=data, settings=settings, ip=ip, at=clock())
    return _agent(response, agent)


@router.get("/agents/{agent_id}")
def get_agent(
    agent_id: UUID, session: Reading, principal: Reader, response: Response
) -> AgentPublic:
    """One agent."""
    return _agent(response, agent_queries.visible_agent(session, agent_id, principal))


@router.patch("/agents/{agent_id}")
def change_agent(
    agent_id: UUID,
    data: AgentUpdate,
    session: Writing,
    confirm: Confirm,
    principal: Admin,
    settings: SettingsDep,
    clock: ClockDep,
    response: Response,
    if_match: IfMatch = None,
) -> AgentPublic:
    """Change an agent, or replace its token."""
    confirm(data.changes().get("password"))
    agent = service.change_agent(
        session,
        agent_id,
        data=data,
        principal=principal,
        settings=settings,
        at=clock(),
        if_match=if_match,
    )
    return _agent(response, agent)


@router.delete("/agents/{agent_id}", status_code=204)
def remove_agent(
    agent_id: UUID,
    session: Writing,
    confirm: Confirm,
    principal: Admin,
    clock: ClockDep,
    data: Annotated[AgentRemove | None, Body()] = None,
) -> None:
    """Remove an agent no device names."""
    confirm(data.password if data else None)
    service.remove_agent(session, agent_id, principal=principal, at=clock())


@router.post("/agents/{agent_id}/check")
def check_agent(
    agent_id: UUID,
    principal: DevicesWriter,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    response: Response,
) -> AgentPublic:
    """Ask the agent what it is. 502 with a code `agent.*` when it does not answer well."""
    with database.reading() as session:
        agent_queries.visible_agent(session, agent_id, principal)
    service.check_agent(database, agent_id, settings=settings, clock=clock)
    with database.reading() as session:
        return _agent(response, agent_queries.visible_agent(session, agent_id, principal))


def _agent(response: Response, agent: Agent) -> AgentPublic:
    set_etag(response, agent.revision)
    return AgentPublic.model_validate(agent)
