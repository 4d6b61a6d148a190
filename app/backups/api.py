"""REST API of backups."""

from uuid import UUID

from fastapi import APIRouter
from starlette.responses import FileResponse

from app.accounts.deps import BackupRestorer, Reader
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.backups import queries, service
from app.backups.schemas import BackupPublic
from app.core.pagination import Page
from app.core.web import ClockDep, DatabaseDep, Paging, Reading, SettingsDep

router = APIRouter(prefix="/backups", tags=["备份"])


@router.get("")
def list_backups(session: Reading, principal: Reader, page: Paging) -> Page[BackupPublic]:
    """Backups, newest first."""
    rows, cursor = queries.page(session, principal, page)
    items = [BackupPublic.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=cursor)


@router.get("/{backup_id}")
def get_backup(backup_id: UUID, session: Reading, principal: Reader) -> BackupPublic:
    """One backup with its manifest."""
    return BackupPublic.model_validate(queries.visible(session, backup_id, principal))


@router.post("/{backup_id}/verify")
def verify_backup(
    backup_id: UUID,
    principal: Reader,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
) -> BackupPublic:
    """Read the archive back from its target and compare every part."""
    with database.reading() as session:
        queries.visible(session, backup_id, principal)
    root = settings.resolved_backup_dir
    checked = service.verify(database, root, backup_id, actor=principal.actor, clock=clock)
    return BackupPublic.model_validate(checked)


@router.get("/{backup_id}/content", response_class=FileResponse)
def backup_content(
    backup_id: UUID,
    principal: BackupRestorer,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
) -> FileResponse:
    """The archive itself; who takes it is audited."""
    with database.transaction() as session:
        backup = queries.visible(session, backup_id, principal)
        path = settings.resolved_backup_dir / backup.path
        if not path.is_file():
            raise service.BackupMissing
        audit.record(
            session,
            actor=principal.actor,
            action=AuditAction.BACKUP_DOWNLOADED,
            object_type="backup",
            object_id=str(backup.id),
            at=clock(),
            details={"path": backup.path},
        )
        return FileResponse(path, media_type="application/zip", filename=path.name)
