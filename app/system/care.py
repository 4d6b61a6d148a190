"""Routes of maintenance and diagnostics; the buttons stand on 定期检查 and 关于."""

from typing import Annotated

from fastapi import Body
from pydantic import BaseModel
from starlette.responses import Response

from app.accounts.deps import Admin
from app.core.routing import Router
from app.core.templating import redirect
from app.core.web import ClockDep, DatabaseDep, SettingsDep
from app.errors import Conflict
from app.system import diagnostics, maintenance
from app.system.maintenance import Task

router = Router(prefix="/system", include_in_schema=False)
api_router = Router(prefix="/system", tags=["系统"])


class MaintenanceDone(BaseModel):
    """What came of it, in a sentence."""

    task: Task
    result: str


@router.post("/maintenance/{task}")
def run_maintenance(
    task: Task, principal: Admin, database: DatabaseDep, settings: SettingsDep, clock: ClockDep
) -> Response:
    """Do it and tell the result on the page."""
    try:
        done = maintenance.run(database, settings, task, actor=principal.actor, clock=clock)
    except Conflict as error:
        return redirect("/inspections", flash=f"{error.detail}。{error.remedy}", kind="bad")
    return redirect("/inspections", flash=done.sentence)


@router.post("/diagnostics")
def download_diagnostics(
    principal: Admin, database: DatabaseDep, settings: SettingsDep, clock: ClockDep
) -> Response:
    """The bundle."""
    return _bundle(principal, database, settings, clock)


@api_router.post("/maintenance")
def maintain(
    task: Annotated[Task, Body(embed=True)],
    principal: Admin,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
) -> MaintenanceDone:
    """Clean up, optimise or compact the database."""
    done = maintenance.run(database, settings, task, actor=principal.actor, clock=clock)
    return MaintenanceDone(task=done.task, result=done.sentence)


@api_router.post(
    "/diagnostics",
    response_class=Response,
    responses={200: {"content": {"application/zip": {"schema": {"type": "string"}}}}},
)
def collect_diagnostics(
    principal: Admin, database: DatabaseDep, settings: SettingsDep, clock: ClockDep
) -> Response:
    """The diagnostic bundle, without secrets."""
    return _bundle(principal, database, settings, clock)


def _bundle(
    principal: Admin, database: DatabaseDep, settings: SettingsDep, clock: ClockDep
) -> Response:
    content = diagnostics.collect(database, settings, actor=principal.actor, clock=clock)
    name = diagnostics.file_name(clock)
    return Response(
        content,
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
