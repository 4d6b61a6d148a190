"""Reading a backup from whichever target still has it whole."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, Any
from uuid import UUID

from app.backups import archive, queries
from app.backups.archive import ArchiveDamaged
from app.backups.errors import (
    BackupDamaged,
    BackupDeleted,
    BackupFailed,
    BackupKeyUnknown,
    BackupMissing,
    os_error,
)
from app.backups.models import Backup, BackupCopy, BackupState, CopyState
from app.backups.storage import Storage, opened
from app.core.db import Database
from app.errors import QingkaError


@dataclass(frozen=True, slots=True)
class GoodCopy:
    """An archive that was read and matched: its registration, where it lies, and the open file."""

    backup: Backup
    target: str
    manifest: dict[str, Any]
    file: IO[bytes]


@contextmanager
def any_good_copy(database: Database, storage: Storage, backup_id: UUID) -> Iterator[GoodCopy]:
    """The first copy that is whole, the required target's before the others.

    Raises BackupNotFound, BackupDeleted; BackupMissing, BackupKeyUnknown or BackupDamaged when no
    target has a good one.
    """
    backup, copies = registered(database, backup_id)
    with ExitStack() as stack:
        yield _first_good(storage, backup, copies, stack)


def registered(database: Database, backup_id: UUID) -> tuple[Backup, list[BackupCopy]]:
    """The backup and its copies, detached. Raises BackupNotFound, BackupDeleted."""
    with database.reading() as session:
        backup = queries.get(session, backup_id)
        copies = queries.copies(session, [backup_id])[backup_id]
        session.expunge_all()
    if backup.state is BackupState.DELETED:
        raise BackupDeleted
    return backup, copies


def _first_good(
    storage: Storage, backup: Backup, copies: Sequence[BackupCopy], stack: ExitStack
) -> GoodCopy:
    problems: list[QingkaError] = []
    for copy in copies:
        if copy.state in (CopyState.FAILED, CopyState.DELETED):
            continue
        attempt = ExitStack()
        try:
            good = _open(storage, backup, copy, attempt)
        except (FileNotFoundError, ArchiveDamaged, BackupFailed, OSError) as error:
            attempt.close()
            problems.append(as_problem(error))
            continue
        stack.push(attempt)
        return good
    raise _worst(problems)


def _open(storage: Storage, backup: Backup, copy: BackupCopy, stack: ExitStack) -> GoodCopy:
    target = storage.named(copy.target)
    if target is None:
        raise BackupMissing(f"备份目标 {copy.target} 不在设置中")
    file = stack.enter_context(opened(storage, target, copy.path, sha256=backup.sha256))
    return GoodCopy(backup, copy.target, archive.verify(file), file)


def as_problem(error: Exception) -> QingkaError:
    """Why a copy cannot be used, as a fact."""
    if isinstance(error, QingkaError):
        return error
    if isinstance(error, FileNotFoundError):
        return BackupMissing()
    if isinstance(error, ArchiveDamaged):
        return BackupDamaged(str(error))
    if isinstance(error, OSError):
        return os_error(error)
    raise error


def _worst(problems: list[QingkaError]) -> QingkaError:
    """What a person should know first: a key can be added, a damaged file cannot be mended."""
    for kind in (BackupKeyUnknown, BackupDamaged):
        for problem in problems:
            if isinstance(problem, kind):
                return problem
    return problems[0] if problems else BackupMissing()


def plain_size(file: IO[bytes]) -> int:
    """Bytes of the archive once decrypted; leaves the file at its beginning."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size
