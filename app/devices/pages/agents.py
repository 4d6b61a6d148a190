"""设备代理: the list, and registering one (/devices/agents)."""

from collections import Counter
from typing import Annotated
from uuid import UUID

from fastapi import Form, Request
from starlette.responses import HTMLResponse, Response

from app.accounts.confirmation import Confirm
from app.accounts.deps import Admin, DevicesWriter
from app.core.db import Session
from app.core.forms import parse
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, Reading, SettingsDep
from app.devices import queries, service
from app.devices.agent_schemas import AgentCreate, EnrollmentCreate
from app.devices.contexts import AgentForm, AgentRow, AgentsPage
from app.devices.models import DIAL, MOUNTED
from app.errors import QingkaError

router = Router(prefix="/devices/agents")

Password = Annotated[str, Form(max_length=200)]


@router.get("")
def agent_list(request: Request, session: Reading, principal: DevicesWriter) -> HTMLResponse:
    """Agents with their state and how many devices use them."""
    return render(request, "devices/agents.html", AgentsPage(_rows(session), can_manage=True))


@router.post("")
def register_agent(
    request: Request,
    principal: DevicesWriter,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    confirm: Confirm,
    name: Annotated[str, Form(max_length=200)] = "",
    base_url: Annotated[str, Form(max_length=400)] = "",
    password: Password = "",
) -> HTMLResponse:
    """Register an agent; its token is on the answer's page, this once."""
    try:
        data = parse(AgentCreate, {"name": name, "base_url": base_url})
        confirm(password)
        with database.transaction() as session:
            _, token = service.register_agent(
                session, data=data, principal=principal, settings=settings, at=clock()
            )
    except QingkaError as error:
        return _again(request, database, AgentForm(name, base_url), error)
    with database.reading() as session:
        page = AgentsPage(_rows(session), can_manage=True, new_token=token)
    return render(request, "devices/agents.html", page)


@router.post("/enrollments")
def create_enrollment(
    request: Request,
    principal: Admin,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    confirm: Confirm,
    agent_name: Annotated[str, Form(max_length=200)] = "",
    password: Password = "",
) -> HTMLResponse:
    """生成登记码: the code is on the answer's page, this once, in the command to be run."""
    try:
        data = parse(EnrollmentCreate, {"name": agent_name})
        confirm(password)
        with database.transaction() as session:
            _, code = service.create_enrollment(
                session, name=data.name, principal=principal, at=clock()
            )
    except QingkaError as error:
        return _enroll_again(request, database, agent_name, error)
    with database.reading() as session:
        server = settings.public_url.rstrip("/") or str(request.base_url).rstrip("/")
        page = AgentsPage(_rows(session), can_manage=True, new_code=code, server_url=server)
    return render(request, "devices/agents.html", page)


@router.post("/{agent_id}/check")
def check_agent(
    agent_id: UUID,
    principal: DevicesWriter,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
) -> Response:
    """检查连接."""
    try:
        status = service.check_agent(database, agent_id, settings=settings, clock=clock)
    except QingkaError as error:
        return redirect("/devices/agents", flash=f"{error.detail}。{error.remedy}", kind="bad")
    return redirect(
        "/devices/agents", flash=f"连接正常：版本 {status.version}，{status.devices} 台设备"
    )


def _again(
    request: Request, database: DatabaseDep, form: AgentForm, error: QingkaError
) -> HTMLResponse:
    errors = dict(error.errors) or {"form": f"{error.title}。{error.remedy}"}
    with database.reading() as session:
        page = AgentsPage(
            _rows(session), can_manage=True, form=form, dialog_open=True, errors=errors
        )
    return render(request, "devices/agents.html", page, status_code=error.status)


def _enroll_again(
    request: Request, database: DatabaseDep, name: str, error: QingkaError
) -> HTMLResponse:
    named = {"agent_name": "；".join(error.errors.values())} if error.errors else {}
    if "password" in error.errors:
        named = {"enroll_password": error.errors["password"]}
    errors = named or {"enroll": f"{error.title}。{error.remedy}"}
    with database.reading() as session:
        page = AgentsPage(
            _rows(session), can_manage=True, enroll_open=True, enroll_name=name, errors=errors
        )
    return render(request, "devices/agents.html", page, status_code=error.status)


def _rows(session: Session) -> tuple[AgentRow, ...]:
    counts: Counter[UUID] = queries.devices_per_agent(session)
    return tuple(
        AgentRow(
            id=str(agent.id),
            name=agent.name,
            address="" if agent.base_url.startswith((MOUNTED, DIAL)) else agent.base_url,
            state=agent.state,
            software_version=agent.version,
            last_seen_at=agent.last_seen_at,
            device_count=counts[agent.id],
            simulated_devices=agent.simulated,
            dials=agent.base_url.startswith(DIAL),
        )
        for agent in queries.all_agents(session)
    )
