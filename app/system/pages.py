"""Pages 帮助 and 关于."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import HTMLResponse

from app.accounts.deps import CurrentPrincipal, Reader
from app.accounts.principal import Permission
from app.contracts.faults import FAULTS, device_codes
from app.core.routing import Router
from app.core.templating import render
from app.core.web import ClockDep, DatabaseDep, Reading, SettingsDep
from app.devices import queries as devices_queries
from app.errors import QingkaError
from app.system.contexts import (
    AboutPage,
    AgentInfo,
    DeviceCodeEntry,
    HealthItem,
    HelpEntry,
    HelpPage,
    LockedGuidePage,
    UpdateNotice,
)
from app.system.status import examine, status_of

router = Router(include_in_schema=False)


@router.get("/help")
def help_page(
    request: Request,
    principal: CurrentPrincipal,
    q: Annotated[str, Query(max_length=100)] = "",
) -> HTMLResponse:
    """All codes with their remedies."""
    codes = (
        DeviceCodeEntry(code.family, code.code, code.text, code.remedy)
        for code in device_codes().values()
    )
    return render(request, "help.html", HelpPage(q, tuple(help_entries()), tuple(codes)))


@router.get("/help/locked")
def locked_guide(
    request: Request, principal: CurrentPrincipal, operator: UUID | None = None
) -> HTMLResponse:
    """What to do about a locked device, step by step for each case."""
    page = LockedGuidePage(str(operator) if operator else "")
    return render(request, "help_locked.html", page)


def help_entries() -> list[HelpEntry]:
    """Every code this program can show: faults of devices and agents, and its own errors."""
    faults = [
        HelpEntry(kind.code, kind.title, kind.remedy, kind.retryable) for kind in FAULTS.values()
    ]
    known = {entry.code for entry in faults}
    own = {error.code: error for error in _subclasses(QingkaError) if error.code not in known}
    return faults + [
        HelpEntry(code, error.title, error.remedy) for code, error in sorted(own.items())
    ]


def _subclasses(base: type[QingkaError]) -> list[type[QingkaError]]:
    found = [base]
    for child in base.__subclasses__():
        found += _subclasses(child)
    return found


@router.get("/about")
def about_page(
    request: Request,
    session: Reading,
    principal: Reader,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
) -> HTMLResponse:
    """系统信息; paths of the server are for admins only."""
    found = status_of(request, principal)
    findings = examine(database, settings, clock)
    update = found.update
    page = AboutPage(
        software_version=found.version,
        schema=found.schema,
        database=found.database,
        python=found.python,
        started_at=found.started_at,
        uptime_seconds=found.uptime_seconds,
        operators=found.operators,
        devices=found.devices,
        data_dir=str(settings.data_dir) if principal.can(Permission.ADMIN) else "",
        health=tuple(HealthItem(one.severity, one.message, one.remedy) for one in findings),
        agents=tuple(
            AgentInfo(agent.name, agent.state, agent.version, agent.last_seen_at)
            for agent in devices_queries.all_agents(session)
        ),
        update=UpdateNotice(update.notice, update.url, update.notes) if update else None,
    )
    return render(request, "about.html", page)
