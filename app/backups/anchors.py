"""Signed checkpoints of the audit trail outside the database: in every archive, on every target, in the data directory.

    checkpoints/<id of the key>/<UTC moment>-<number of records>.txt

Who rewrites the database contradicts them; app.proof compares. A file is never replaced.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from app.audit import tree
from app.audit.actor import SYSTEM
from app.audit.chain import ChainBroken
from app.audit.checkpoint import Signer
from app.audit.tree import CheckpointContradicted
from app.audit.verification import Anchor
from app.backups import archive, encryption
from app.backups.archive import ArchiveDamaged
from app.backups.content import Content
from app.backups.errors import BackupFailed, BackupKeyUnknown
from app.backups.local_target import LocalTarget
from app.backups.storage import Storage, spool_file
from app.backups.targets import Target
from app.core.db import Database
from app.core.logging import get_logger

log = get_logger(__name__)

FIELD = "audit_checkpoint"
"""Of an archive's manifest."""
FOLDER = "checkpoints"
HOME = "数据目录"
BETWEEN = timedelta(hours=1)
"""Backups come in hundreds: beside the one in each archive a checkpoint is put on the targets this often."""
NEWEST, OLDER = 100, 200
"""Compared from each place: the newest, and as many of the others, evenly."""

ARCHIVES = 60
"""Archives whose manifests are read back from each target: half of them the newest, the others evenly."""

_MONTH = re.compile(r"\d{4}-\d{2}")
"""The folders of a target that hold archives."""
_NAME = re.compile(r"(\d{8}T\d{6})Z-(\d+)\.txt")
_STAMP = "%Y%m%dT%H%M%S"
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Collected:
    """What was found outside the database. `unreachable`: places that could not be read, by name."""

    anchors: tuple[Anchor, ...]
    unreachable: tuple[str, ...]


def about(
    database: Database, storage: Storage, content: Content, started: datetime
) -> dict[str, Any]:
    """What the manifest of an archive says: of the content, and how the audit trail stood."""
    text = _signed(database, storage, started)
    return {**content.about(started), **({FIELD: text} if text else {})}


def keep_beside(storage: Storage, manifest: Mapping[str, Any], at: datetime) -> None:
    """Put the checkpoint of an archive on the targets as well, once an hour."""
    text = manifest.get(FIELD)
    if text is not None and _is_due(storage, at):
        publish(storage, text, at)


def publish(storage: Storage, text: str, at: datetime) -> list[str]:
    """Put a checkpoint into the data directory and on every target; gives the places that took it.

    One that can't be written to is logged: a backup or a verification does not fail of it.
    """
    signer = storage.signer
    if signer is None:
        return []
    size = signer.open(text).size
    path = f"{_folder(signer)}/{at.astimezone(UTC):{_STAMP}}Z-{size}.txt"
    taken: list[str] = []
    for name, target in _places(storage):
        try:
            if not target.exists(path):
                with spool_file(storage, ".txt") as file:
                    file.write_text(text, encoding="utf-8", newline="\n")
                    target.put(file, path)
            taken.append(name)
        except (OSError, BackupFailed) as error:
            log.warning("checkpoint not kept", place=name, reason=str(error))
    return taken


def collect(storage: Storage, *, every: bool = False) -> Collected:
    """The checkpoints of this installation's key in the data directory and on the targets, in archives as well.

    Of many some, unless `every` one is wanted.
    """
    signer = storage.signer
    if signer is None:
        return Collected((), ())
    found: list[Anchor] = []
    unreachable: list[str] = []
    for place, target in _places(storage):
        try:
            found += _beside(place, target, signer, every=every)
            if target in storage.targets:
                archived, unread = _archived(storage, place, target, signer, every=every)
                found += archived
                unreachable += [f"{place}的 {unread} 份备份"] if unread else []
        except (OSError, BackupFailed) as error:
            log.warning("checkpoints not read", place=place, reason=str(error))
            unreachable.append(place)
    return Collected(tuple(found), tuple(unreachable))


def _beside(place: str, target: Target, signer: Signer, *, every: bool) -> Iterator[Anchor]:
    names = _names(target, signer)
    for name in names if every else _chosen(names):
        with target.open(f"{_folder(signer)}/{name}") as file:
            text = file.read(_LONGEST).decode("utf-8", "replace")
        yield Anchor(f"{place}：{name}", text)


def _archived(
    storage: Storage, place: str, target: Target, signer: Signer, *, every: bool
) -> tuple[list[Anchor], int]:
    """The checkpoints in the manifests of archives, and how many archives could not be opened.

    Asked of the target, not of the database, whose rows a forger would have altered as well.
    """
    found: list[Anchor] = []
    unread = 0
    months = sorted(name for name in target.folders() if _MONTH.fullmatch(name))
    names = [f"{month}/{name}" for month in months for name in sorted(target.names(month))]
    paths = [path for path in names if ".zip" in path]
    for path in paths if every else _chosen(paths, newest=ARCHIVES // 2, older=ARCHIVES // 2):
        try:
            text = _of_archive(storage, target, path)
        except (ArchiveDamaged, BackupFailed, BackupKeyUnknown, OSError) as error:
            log.warning("manifest not read", place=place, path=path, reason=str(error))
            unread += 1
            continue
        # One of before the secret was replaced is signed with a key that is gone.
        if text is not None and signer.names(text):
            found.append(Anchor(f"{place}：{path} 的清单", text))
    return found, unread


def _of_archive(storage: Storage, target: Target, path: str) -> str | None:
    """Only the end of the file is read, which costs little on a remote target, too."""
    with target.open(path) as file:
        text = archive.read_manifest(encryption.unsealed(file, storage.keys)).get(FIELD)
    return None if text is None else str(text)


def _is_due(storage: Storage, at: datetime) -> bool:
    """Whether the newest checkpoint outside is old, as far as the first place that keeps them tells."""
    signer = storage.signer
    if signer is None:
        return False
    newest = max(_names(_home(storage), signer), default="")
    return newest < f"{at.astimezone(UTC) - BETWEEN:{_STAMP}}"


def _signed(database: Database, storage: Storage, at: datetime) -> str | None:
    """One on record once an hour, so that those between need only read what came since.

    None where a trail does not fit: the backup is made all the same, and verification says so.
    """
    signer = storage.signer
    if signer is None:
        return None
    try:
        if _is_due(storage, at):
            with database.transaction() as session:
                return tree.issue(session, signer, actor=SYSTEM, at=at).text
        with database.snapshot() as session:
            return tree.current(session, signer).text
    except (ChainBroken, CheckpointContradicted) as error:
        log.error("backup without a checkpoint of the audit trail", reason=error.detail)
        return None


def _places(storage: Storage) -> Iterator[tuple[str, Target]]:
    if storage.home is not None:
        yield HOME, LocalTarget(HOME, storage.home)
    for target in storage.targets:
        yield f"备份目标 {target.name}", target


def _home(storage: Storage) -> Target:
    return storage.first if storage.home is None else LocalTarget(HOME, storage.home)


def _folder(signer: Signer) -> str:
    return f"{FOLDER}/{signer.key_id}"


def _names(target: Target, signer: Signer) -> list[str]:
    return sorted(name for name in target.names(_folder(signer)) if _NAME.fullmatch(name))


def _chosen(names: Sequence[str], *, newest: int = NEWEST, older: int = OLDER) -> list[str]:
    rest = names[:-newest]
    return [*rest[:: len(rest) // older + 1], *names[-newest:]]
