"""Pages of backups."""

from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from app.accounts.deps import Reader
from app.accounts.principal import Permission
from app.backups import queries, service
from app.backups.contexts import BackupRow, BackupsPage
from app.backups.models import Backup, BackupState
from app.core.forms import pager
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, Paging, Reading, SettingsDep

router = APIRouter(prefix="/backups", include_in_schema=False)


@router.get("")
def backup_list(
    request: Request, session: Reading, principal: Reader, paging: Paging
) -> HTMLResponse:
    """备份与恢复, newest first."""
    rows, cursor = queries.page(session, principal, paging)
    page = BackupsPage(
        rows=tuple(map(_row, rows)),
        pager=pager("/backups", {"limit": paging.limit}, paging, cursor),
        can_verify=principal.can(Permission.CLEARING_REQUEST)
        or principal.can(Permission.AUDIT_READ),
    )
    return render(request, "backups/list.html", page)


@router.post("/{backup_id}/verify")
def verify_backup(
    backup_id: UUID,
    principal: Reader,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
) -> Response:
    """Read it back and say what came of it."""
    with database.reading() as session:
        queries.visible(session, backup_id, principal)
    root = settings.resolved_backup_dir
    checked = service.verify(database, root, backup_id, actor=principal.actor, clock=clock)
    kind = "ok" if checked.state is BackupState.VERIFIED else "bad"
    return redirect("/backups", flash=checked.check_message, kind=kind)


def _row(backup: Backup) -> BackupRow:
    return BackupRow(
        id=str(backup.id),
        kind=backup.kind,
        state=backup.state,
        operator_name=backup.operator_name,
        period=backup.period or "",
        target=backup.target,
        invoices=backup.invoices,
        size=backup.size,
        sha256=backup.sha256,
        created_at=backup.created_at,
        verified_at=backup.verified_at,
        check_message=backup.check_message,
        request_id=str(backup.request_id or ""),
    )
