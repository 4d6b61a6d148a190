"""REST API of backups."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import PurePosixPath
from uuid import UUID

from fastapi import Response
from starlette.responses import StreamingResponse

from app.accounts.deps import BackupRestorer, ClearingRequester, Reader
from app.accounts.principal import Principal
from app.accounts.service.step_up import verify_step_up
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.backups import queries, service
from app.backups.models import Backup
from app.backups.requested import back_up_requested
from app.backups.schemas import (
    BackupCreate,
    BackupPublic,
    BackupRestore,
    CopyPublic,
    DrillPublic,
    RestorePublic,
)
from app.backups.service.reading import GoodCopy
from app.core.clock import Clock
from app.core.db import Database, Session
from app.core.pagination import Page
from app.core.routing import Router
from app.core.web import ClockDep, DatabaseDep, Keep, Paging, Reading, SettingsDep

router = Router(prefix="/backups", tags=["备份"])
_CHUNK = 1 << 18


@router.get("")
def list_backups(session: Reading, principal: Reader, page: Paging) -> Page[BackupPublic]:
    """Backups, newest first."""
    rows, cursor = queries.page(session, principal, page)
    return Page(items=_public(session, rows), next_cursor=cursor)


@router.post("", status_code=201)
def create_backup(
    data: BackupCreate,
    response: Response,
    principal: ClearingRequester,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    keep_answer: Keep,
) -> BackupPublic:
    """Back up now: an operator's period, an enterprise, or (admins) the whole system."""

    def beside(session: Session, backup: Backup) -> None:
        response.headers["Location"] = f"/api/v1/backups/{backup.id}"
        keep_answer(session, _public(session, [backup])[0])

    backup = back_up_requested(
        database, settings, data, principal=principal, clock=clock, beside=beside
    )
    return _one(database, backup.id)


@router.get("/{backup_id}")
def get_backup(backup_id: UUID, session: Reading, principal: Reader) -> BackupPublic:
    """One backup with its manifest and copies."""
    return _public(session, [queries.visible(session, backup_id, principal)])[0]


@router.post("/{backup_id}/verify")
def verify_backup(
    backup_id: UUID,
    principal: Reader,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
) -> BackupPublic:
    """Read every copy back from its target and compare every part."""
    _see(database, backup_id, principal)
    storage = service.storage_of(settings)
    service.verify(database, storage, backup_id, actor=principal.actor, clock=clock)
    return _one(database, backup_id)


@router.post("/{backup_id}/restore")
def restore_backup(
    backup_id: UUID,
    data: BackupRestore,
    principal: BackupRestorer,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    keep_answer: Keep,
) -> RestorePublic:
    """Show what a restore would do, or do it. What a clearing wrote to the device is not undone."""
    _see(database, backup_id, principal)
    storage = service.storage_of(settings)
    if data.preview:
        plan = service.preview(database, storage, backup_id)
        return RestorePublic.model_validate(plan)
    password = data.password.get_secret_value() if data.password else None
    verify_step_up(database, principal, password, settings=settings, clock=clock)
    done = service.restore(
        database,
        storage,
        backup_id,
        actor=principal.actor,
        clock=clock,
        finishing=lambda session, done: keep_answer(session, _restored(done)),
    )
    return _restored(done)


@router.post("/{backup_id}/drill")
def drill_backup(
    backup_id: UUID,
    principal: BackupRestorer,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
) -> DrillPublic:
    """Restore into a scratch database and compare every row; the product's data is not touched."""
    _see(database, backup_id, principal)
    storage = service.storage_of(settings)
    report = service.drill(database, storage, backup_id, actor=principal.actor, clock=clock)
    return DrillPublic.model_validate(report)


@router.get("/{backup_id}/drills")
def list_drills(backup_id: UUID, session: Reading, principal: Reader) -> Page[DrillPublic]:
    """The newest drills of a backup."""
    queries.visible(session, backup_id, principal)
    return Page(
        items=[DrillPublic.model_validate(one) for one in queries.drills(session, backup_id)]
    )


@router.get("/{backup_id}/content", response_class=StreamingResponse)
def backup_content(
    backup_id: UUID,
    principal: BackupRestorer,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
) -> StreamingResponse:
    """The archive itself, decrypted; who takes it is audited."""
    _see(database, backup_id, principal)
    storage = service.storage_of(settings)
    with ExitStack() as stack:
        good = stack.enter_context(service.any_good_copy(database, storage, backup_id))
        _note_download(database, good, principal, clock)
        size = service.plain_size(good.file)
        held = stack.pop_all()
    name = f"{PurePosixPath(good.backup.path).name.partition('.zip')[0]}.zip"
    headers = {
        "Content-Length": str(size),
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    return StreamingResponse(_chunks(good, held), media_type="application/zip", headers=headers)


def _restored(done: service.Preview) -> RestorePublic:
    return RestorePublic.model_validate(done).model_copy(update={"preview": False})


def _see(database: Database, backup_id: UUID, principal: Principal) -> None:
    with database.reading() as session:
        queries.visible(session, backup_id, principal)


def _one(database: Database, backup_id: UUID) -> BackupPublic:
    with database.reading() as session:
        return _public(session, [queries.get(session, backup_id)])[0]


def _public(session: Session, rows: list[Backup]) -> list[BackupPublic]:
    copies = queries.copies(session, [row.id for row in rows])
    return [
        BackupPublic.model_validate(row).model_copy(
            update={"copies": [CopyPublic.model_validate(one) for one in copies[row.id]]}
        )
        for row in rows
    ]


def _note_download(database: Database, good: GoodCopy, principal: Principal, clock: Clock) -> None:
    with database.transaction() as session:
        audit.record(
            session,
            actor=principal.actor,
            action=AuditAction.BACKUP_DOWNLOADED,
            object_type="backup",
            object_id=str(good.backup.id),
            at=clock(),
            details={"path": good.backup.path},
        )


def _chunks(good: GoodCopy, held: ExitStack) -> Iterator[bytes]:
    with held:
        while chunk := good.file.read(_CHUNK):
            yield chunk
