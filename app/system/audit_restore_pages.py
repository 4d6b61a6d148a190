"""认可恢复: an admin accepts that checkpoints outside speak of records a restore gave up."""

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Form, Request
from starlette.responses import Response

from app.accounts.deps import Admin
from app.accounts.service.step_up import verify_step_up
from app.core.db import Database
from app.core.forms import parse
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, SettingsDep
from app.enterprises.pages import messages
from app.errors import QingkaError
from app.proof.restores import (
    Contradiction,
    NothingToAccept,
    RestoreNotAcceptable,
    accept_restore,
    contradiction,
)
from app.proof.schemas import RestoreAccept
from app.settings import Settings

router = Router(include_in_schema=False)

PATH = "/audit/restore"


@dataclass(frozen=True, slots=True)
class AuditRestorePage:
    """templates/audit/restore.html. Without `found` there is nothing to accept, and `why` says why."""

    found: Contradiction | None
    why: str = ""
    reason: str = ""
    errors: dict[str, str] = field(default_factory=dict)


@router.get(PATH)
def restore_page(
    request: Request, database: DatabaseDep, _: Admin, settings: SettingsDep
) -> Response:
    """What would be accepted, and the form."""
    return render(request, "audit/restore.html", _look(database, settings))


@router.post(PATH)
def accept(
    request: Request,
    database: DatabaseDep,
    principal: Admin,
    settings: SettingsDep,
    clock: ClockDep,
    reason: Annotated[str, Form(max_length=1000)] = "",
    password: Annotated[str, Form()] = "",
) -> Response:
    """认可, once the admin has proved who they are."""
    try:
        data = parse(RestoreAccept, {"reason": reason})
        verify_step_up(database, principal, password, settings=settings, clock=clock)
        found = accept_restore(
            database, settings, principal=principal, reason=data.reason, clock=clock
        )
    except QingkaError as error:
        page = _look(database, settings, reason=reason, errors=messages(error))
        return render(request, "audit/restore.html", page, status_code=error.status)
    told = f"已认可：{len(found.checkpoints)} 个库外检查点不再比对，此事已记入审计链"
    return redirect(PATH, flash=told)


def _look(
    database: Database,
    settings: Settings,
    *,
    reason: str = "",
    errors: dict[str, str] | None = None,
) -> AuditRestorePage:
    try:
        found = contradiction(database, settings)
    except (NothingToAccept, RestoreNotAcceptable) as error:
        why = f"{error.title}：{error.detail}。{error.remedy}"
        if isinstance(error, NothingToAccept):
            why = f"{error.title}。{error.remedy}"
        return AuditRestorePage(None, why, reason, errors or {})
    return AuditRestorePage(found, "", reason, errors or {})
