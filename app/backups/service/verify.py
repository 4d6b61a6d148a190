"""Read a registered backup again, on every target, and note whether it still matches."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.actor import Actor
from app.backups import archive, queries
from app.backups.archive import ArchiveDamaged
from app.backups.errors import BackupFailed, BackupKeyUnknown
from app.backups.models import Backup, BackupCopy, BackupState, CopyState
from app.backups.service.copies import matched
from app.backups.service.reading import as_problem, registered
from app.backups.storage import Storage, Where, as_storage, opened
from app.core.clock import Clock
from app.core.db import Database, Session


@dataclass(frozen=True, slots=True)
class _Checked:
    target: str
    state: CopyState
    message: str


def verify(
    database: Database, where: Where, backup_id: UUID, *, actor: Actor, clock: Clock
) -> Backup:
    """Check every copy. Damaged is a backup whose copy on a required target does not match.

    Raises BackupNotFound, BackupDeleted, and BackupKeyUnknown: without the key nothing is known.
    """
    storage = as_storage(where)
    backup, copies = registered(database, backup_id)
    checked = [
        _check(storage, backup, copy)
        for copy in copies
        if copy.state not in (CopyState.FAILED, CopyState.DELETED)
    ]
    with database.transaction() as session:
        return _note(session, storage, backup, checked, actor=actor, at=clock())


def check_archive(path: Path, sha256: str) -> tuple[BackupState, str]:
    """Whether the archive still is what was registered, with a sentence."""
    try:
        manifest = archive.verify(path, sha256=sha256)
    except FileNotFoundError:
        return BackupState.DAMAGED, "备份文件不存在"
    except (ArchiveDamaged, OSError) as error:
        return BackupState.DAMAGED, str(error)
    return BackupState.VERIFIED, matched(manifest)


def _check(storage: Storage, backup: Backup, copy: BackupCopy) -> _Checked:
    target = storage.named(copy.target)
    if target is None:
        return _Checked(copy.target, CopyState.DAMAGED, "备份目标不在设置中，无法读取")
    try:
        with opened(storage, target, copy.path, sha256=backup.sha256) as file:
            return _Checked(copy.target, CopyState.VERIFIED, matched(archive.verify(file)))
    except BackupKeyUnknown:
        raise
    except (ArchiveDamaged, BackupFailed, OSError) as error:
        return _Checked(copy.target, CopyState.DAMAGED, as_problem(error).detail)


def _note(
    session: Session,
    storage: Storage,
    seen: Backup,
    checked: list[_Checked],
    *,
    actor: Actor,
    at: datetime,
) -> Backup:
    backup = queries.get(session, seen.id)
    if (backup.path, backup.state) != (seen.path, seen.state):
        # Encrypted anew, deleted or checked by somebody else meanwhile: they know better.
        session.expunge(backup)
        return backup
    _note_copies(session, backup.id, checked, at)
    backup.state, backup.check_message = _verdict(storage, backup, checked)
    backup.verified_at = at
    session.add(backup)
    _audit(session, backup, checked, actor)
    session.flush()
    session.expunge(backup)
    return backup


def _note_copies(session: Session, backup_id: UUID, checked: list[_Checked], at: datetime) -> None:
    rows = {row.target: row for row in queries.copies(session, [backup_id])[backup_id]}
    for one in checked:
        row = rows[one.target]
        row.state, row.message = one.state, one.message[:500]
        row.verified_at = at if one.state is CopyState.VERIFIED else row.verified_at
        session.add(row)


def _verdict(storage: Storage, backup: Backup, checked: list[_Checked]) -> tuple[BackupState, str]:
    bad = [one for one in checked if one.state is CopyState.DAMAGED]
    required = [one for one in bad if storage.require_all or one.target == backup.target]
    state = BackupState.DAMAGED if required or not checked else BackupState.VERIFIED
    if len(checked) == 1:
        return state, checked[0].message
    good = [one.target for one in checked if one.state is CopyState.VERIFIED]
    texts = [f"{one.target}：{one.message}" for one in bad]
    if good:
        texts.append(f"{'、'.join(good)}：SHA-256 一致")
    return state, "；".join(texts)[:500] or "没有可校验的副本"


def _audit(session: Session, backup: Backup, checked: list[_Checked], actor: Actor) -> None:
    ok = all(one.state is CopyState.VERIFIED for one in checked) and bool(checked)
    audit.record(
        session,
        actor=actor,
        action=AuditAction.BACKUP_VERIFIED if ok else AuditAction.BACKUP_VERIFICATION_FAILED,
        object_type="backup",
        object_id=str(backup.id),
        at=backup.verified_at,
        details={
            "path": backup.path,
            "message": backup.check_message,
            "targets": {one.target: str(one.state) for one in checked},
        },
    )
