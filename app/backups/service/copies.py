"""Putting a finished archive on every target, and reading each copy back before it counts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from app.backups import archive, encryption
from app.backups.archive import ArchiveDamaged
from app.backups.errors import BackupFailed, known_errors
from app.backups.models import Backup, BackupCopy, CopyState
from app.backups.storage import Storage, opened, spool_file
from app.backups.targets import Target
from app.core.ids import new_id
from app.core.logging import get_logger

log = get_logger(__name__)

UNIQUE = 12
"""Random characters at the end of an archive's name, 48 bits."""

Check = Callable[[IO[bytes], Mapping[str, Any]], None]
"""Compares an archive that was read back, and its manifest, with what it was made of; raises
ArchiveDamaged."""


@dataclass(frozen=True, slots=True)
class Copy:
    """What came of putting an archive on a target."""

    target: str
    position: int
    state: CopyState
    message: str

    def row(self, backup: Backup, at: datetime) -> BackupCopy:
        """As the table keeps it."""
        return BackupCopy(
            backup_id=backup.id,
            target=self.target,
            position=self.position,
            path=backup.path,
            state=self.state,
            verified_at=at if self.state is CopyState.VERIFIED else None,
            message=self.message[:500],
        )


@dataclass(frozen=True, slots=True)
class Stored:
    """An archive that is on its targets. Size and SHA-256 are of the file as it is kept there."""

    path: str
    size: int
    sha256: str
    encryption: str
    key_id: str
    copies: tuple[Copy, ...]


def store(storage: Storage, plain: Path, stem: str, check: Check) -> Stored:
    """Encrypt when a key is set, put on every target, read back and compare.

    The path is `stem` with an id that no other execution has, so that two that make the same backup (one was
    paused and another took its work over) never meet; an encrypted one gets an ending with its key's id.
    Raises BackupFailed, and leaves nothing behind, when a required target has no good copy.
    """
    path = f"{stem}-{new_id().hex[-UNIQUE:]}.zip"
    key = storage.keys.current
    if key is None:
        return _store(storage, plain, path, check, "")
    with known_errors(), spool_file(storage, ".sealed") as sealed:
        encryption.seal(plain, sealed, key)
        identity = storage.keys.current_id
        return _store(storage, sealed, f"{path}.{identity}.enc", check, identity)


def _store(storage: Storage, file: Path, path: str, check: Check, identity: str) -> Stored:
    size, sha256 = archive.file_digest(file)
    copies: list[Copy] = []
    try:
        for position, target in enumerate(storage.targets):
            copies.append(_copy(storage, target, position, file, path, sha256, check))
    except BackupFailed:
        _take_back(storage.targets[: len(copies)], path)
        raise
    algorithm = encryption.ALGORITHM if identity else ""
    return Stored(path, size, sha256, algorithm, identity, tuple(copies))


def _copy(
    storage: Storage,
    target: Target,
    position: int,
    file: Path,
    path: str,
    sha256: str,
    check: Check,
) -> Copy:
    try:
        with known_errors():
            target.put(file, path)
            message = _read_back(storage, target, path, sha256, check)
    except BackupFailed as error:
        if not isinstance(error.__cause__, FileExistsError):
            _take_back((target,), path)
        if storage.required(target):
            raise
        log.warning("backup copy failed", target=target.name, path=path, reason=error.detail)
        return Copy(target.name, position, CopyState.FAILED, error.detail)
    return Copy(target.name, position, CopyState.VERIFIED, message)


def _read_back(storage: Storage, target: Target, path: str, sha256: str, check: Check) -> str:
    with opened(storage, target, path, sha256=sha256) as file:
        manifest = archive.verify(file)
        check(file, manifest)
    return matched(manifest)


def matched(manifest: Mapping[str, Any]) -> str:
    """The sentence of a copy that was read back."""
    return f"已读回比对 {len(manifest['parts'])} 个部分，SHA-256 一致"


def take_back(storage: Storage, stored: Stored) -> None:
    """Remove an archive that is not to be registered."""
    _take_back(storage.targets, stored.path)


def _take_back(targets: tuple[Target, ...], path: str) -> None:
    """A backup that failed leaves no file that could be taken for one."""
    for target in targets:
        try:
            target.delete(path)
        except OSError as error:
            log.warning("backup file left behind", target=target.name, path=path, reason=str(error))


def digests(tables: Mapping[str, tuple[int, str]]) -> Check:
    """A check that JSON Lines parts have these counts and SHA-256."""

    def check(_: IO[bytes], manifest: Mapping[str, Any]) -> None:
        parts = {part["name"]: part for part in manifest["parts"]}
        for name, (lines, sha256) in tables.items():
            part = parts.get(name)
            if part is None or (lines, sha256) != (part["lines"], part["sha256"]):
                raise ArchiveDamaged(f"备份期间数据有变化，与数据库不一致：{name}")

    return check
