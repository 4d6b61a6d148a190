"""密钥轮换: encrypt every backup anew with the current key, after which older keys are not needed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any
from uuid import UUID

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.actor import Actor
from app.backups import queries
from app.backups.archive import ArchiveDamaged
from app.backups.errors import BackupSettingsInvalid, known_errors
from app.backups.models import BackupCopy, BackupState
from app.backups.service import copies
from app.backups.service.copies import Stored
from app.backups.service.reading import GoodCopy, any_good_copy
from app.backups.storage import Storage, Where, as_storage, spool_file
from app.core.clock import Clock
from app.core.db import Database, Session
from app.core.logging import get_logger
from app.errors import QingkaError

log = get_logger(__name__)
_CHUNK = 1 << 20
_UNIQUE_END = re.compile(rf"-[0-9a-f]{{{copies.UNIQUE}}}$")


@dataclass(frozen=True, slots=True)
class Rotated:
    """One backup that was encrypted anew, or could not be (`problem`)."""

    backup_id: UUID
    path: str
    problem: str = ""


def rotate(database: Database, where: Where, *, actor: Actor, clock: Clock) -> list[Rotated]:
    """Encrypt what is encrypted with another key, or not at all. Can be broken off and run again.

    Raises BackupSettingsInvalid without a current key.
    """
    storage = as_storage(where)
    if storage.keys.current is None:
        raise BackupSettingsInvalid("没有设置 QINGKA_BACKUP_KEY")
    with database.reading() as session:
        ids = queries.encrypted_otherwise(session, storage.keys.current_id)
    return [_rotate(database, storage, one, actor=actor, clock=clock) for one in ids]


def _rotate(
    database: Database, storage: Storage, backup_id: UUID, *, actor: Actor, clock: Clock
) -> Rotated:
    try:
        with known_errors(), any_good_copy(database, storage, backup_id) as good:
            stored = _store_again(storage, good)
    except QingkaError as error:
        return Rotated(backup_id, "", error.detail)
    with database.transaction() as session:
        old = _register(session, backup_id, stored, actor=actor, clock=clock)
    _delete_old(storage, old, stored.path)
    return Rotated(backup_id, stored.path)


def _store_again(storage: Storage, good: GoodCopy) -> Stored:
    """Under a new name: until it is registered the old file is the backup."""
    with spool_file(storage, ".zip") as plain:
        good.file.seek(0)
        with plain.open("wb") as file:
            while chunk := good.file.read(_CHUNK):
                file.write(chunk)
        stem = _UNIQUE_END.sub("", good.backup.path.partition(".zip")[0])
        return copies.store(storage, plain, stem, _same_as(good.manifest))


def _same_as(expected: Mapping[str, Any]) -> copies.Check:
    def check(_: IO[bytes], manifest: Mapping[str, Any]) -> None:
        if manifest != expected:
            raise ArchiveDamaged("重新加密后的备份与原备份不一致")

    return check


def _register(
    session: Session, backup_id: UUID, stored: Stored, *, actor: Actor, clock: Clock
) -> list[tuple[str, str]]:
    """The new file is the backup now; gives target and path of the old copies."""
    backup, at = queries.get(session, backup_id), clock()
    old = queries.copies(session, [backup_id])[backup_id]
    places = [(copy.target, copy.path) for copy in old]
    earlier = backup.key_id
    backup.path, backup.size, backup.sha256 = stored.path, stored.size, stored.sha256
    backup.encryption, backup.key_id = stored.encryption, stored.key_id
    backup.target, backup.verified_at = stored.copies[0].target, at
    backup.state, backup.check_message = BackupState.VERIFIED, stored.copies[0].message
    session.add(backup)
    _replace_copies(session, old, [copy.row(backup, at) for copy in stored.copies])
    audit.record(
        session,
        actor=actor,
        action=AuditAction.BACKUP_REENCRYPTED,
        object_type="backup",
        object_id=str(backup.id),
        at=at,
        details={"path": stored.path, "from": earlier, "to": stored.key_id},
    )
    return places


def _replace_copies(session: Session, old: list[BackupCopy], new: list[BackupCopy]) -> None:
    for copy in old:
        session.delete(copy)
    session.flush()
    session.add_all(new)
    session.flush()


def _delete_old(storage: Storage, old: list[tuple[str, str]], path: str) -> None:
    """What cannot be deleted is only a file nobody needs, encrypted with the old key or not at all."""
    for name, old_path in old:
        target = storage.named(name)
        if target is None or old_path == path:
            continue
        try:
            target.delete(old_path)
        except OSError as error:
            log.warning("old backup file left", target=name, path=old_path, reason=str(error))
