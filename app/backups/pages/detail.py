"""One backup: its copies, verification, drills, and restore with preview and confirmation."""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Form, Request
from starlette.responses import HTMLResponse, Response

from app.accounts.deps import BackupRestorer, Reader
from app.accounts.principal import Permission, Principal
from app.accounts.service.step_up import verify_step_up
from app.backups import queries, service
from app.backups.contexts import BackupPage, RestoreView
from app.backups.models import Backup, BackupKind, BackupState
from app.backups.pages.list import may_verify
from app.backups.pages.views import backup_row, copy_row, drill_row, restore_view
from app.core.db import Database
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, SettingsDep
from app.errors import QingkaError
from app.settings import Settings

LOOKED_AT_ONCE = 2000
"""Invoices up to which the page shows the preview without being asked."""

router = Router(prefix="/backups/{backup_id}")


@router.get("")
def backup_page(
    backup_id: UUID,
    request: Request,
    principal: Reader,
    database: DatabaseDep,
    settings: SettingsDep,
    preview: bool = False,
    restore: bool = False,
) -> HTMLResponse:
    """?preview=1 looks at what a restore would do, ?restore=1 asks for it without a script."""
    page = _build(database, settings, backup_id, principal, look=preview or restore)
    opened = restore and page.can_restore and page.restore is not None
    return render(request, "backups/detail.html", replace(page, dialog_open=opened))


@router.post("/verify")
def verify_backup(
    backup_id: UUID,
    principal: Reader,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
) -> Response:
    """Read every copy back and say what came of it."""
    _see(database, backup_id, principal)
    storage = service.storage_of(settings)
    checked = service.verify(database, storage, backup_id, actor=principal.actor, clock=clock)
    kind = "ok" if checked.state is BackupState.VERIFIED else "bad"
    return redirect(f"/backups/{backup_id}", flash=checked.check_message, kind=kind)


@router.post("/drill")
def drill_backup(
    backup_id: UUID,
    principal: BackupRestorer,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
) -> Response:
    """恢复演练."""
    _see(database, backup_id, principal)
    storage = service.storage_of(settings)
    report = service.drill(database, storage, backup_id, actor=principal.actor, clock=clock)
    text = f"演练{'通过' if report.ok else '未通过'}：{report.message}"
    return redirect(f"/backups/{backup_id}", flash=text, kind="ok" if report.ok else "bad")


@router.post("/restore")
def restore_backup(
    backup_id: UUID,
    request: Request,
    principal: BackupRestorer,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    password: Annotated[str, Form()] = "",
) -> Response:
    """恢复, once the person has proved who they are; a refusal shows the page with why."""
    _see(database, backup_id, principal)
    try:
        verify_step_up(database, principal, password, settings=settings, clock=clock)
        done = service.restore(
            database,
            service.storage_of(settings),
            backup_id,
            actor=principal.actor,
            clock=clock,
        )
    except QingkaError as error:
        errors = dict(error.errors) or {"form": f"{error.title}：{error.detail}。{error.remedy}"}
        page = _build(database, settings, backup_id, principal, look=True)
        page = replace(page, dialog_open=page.restore is not None, errors=errors)
        return render(request, "backups/detail.html", page, status_code=error.status)
    text = f"恢复完成：写回 {done.writes} 条，其余 {done.total - done.writes} 条保持不变"
    return redirect(f"/backups/{backup_id}", flash=text)


def _see(database: Database, backup_id: UUID, principal: Principal) -> None:
    with database.reading() as session:
        queries.visible(session, backup_id, principal)


def _build(
    database: Database,
    settings: Settings,
    backup_id: UUID,
    principal: Principal,
    *,
    look: bool,
) -> BackupPage:
    with database.reading() as session:
        backup = queries.visible(session, backup_id, principal)
        copies = queries.copies(session, [backup_id])[backup_id]
        drills = queries.drills(session, backup_id)
        session.expunge_all()
    may_restore = principal.can(Permission.BACKUP_RESTORE)
    there = backup.state is not BackupState.DELETED
    restorable = backup.kind is not BackupKind.SYSTEM and there
    view, problem = None, ""
    if may_restore and restorable:
        view, problem = _look(database, settings, backup, asked=look)
    return BackupPage(
        backup=backup_row(backup, copies),
        file_path=backup.path,
        encryption=backup.encryption,
        key_id=backup.key_id,
        algorithm=backup.algorithm,
        copies=tuple(copy_row(backup, copy) for copy in copies),
        drills=tuple(map(drill_row, drills)),
        restore=view,
        restore_problem=problem,
        restorable=restorable,
        can_verify=may_verify(principal) and there,
        can_restore=may_restore and restorable,
        can_download=may_restore and there,
    )


def _look(
    database: Database, settings: Settings, backup: Backup, *, asked: bool
) -> tuple[RestoreView | None, str]:
    """The preview, and why there is none. Not asked for, only where it costs little."""
    try:
        storage = service.storage_of(settings)
        target = storage.named(backup.target)
        cheap = backup.invoices <= LOOKED_AT_ONCE and target is not None and not target.remote
        if not asked and not cheap:
            return None, ""
        return restore_view(service.preview(database, storage, backup.id)), ""
    except QingkaError as error:
        return None, f"{error.title}：{error.detail}。{error.remedy}"
