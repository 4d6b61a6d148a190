"""Make backups, verify them, and register what was made.

Nothing is cleared without a backup that was read back and matched (product.md, promise 3): `create`
returns only when the archive on the target, read again, equals what the database holds.
"""

import errno
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.actor import Actor
from app.backups import archive, queries, sheets
from app.backups.models import Backup, BackupKind, BackupState
from app.core.clock import Clock
from app.core.db import Database, Session
from app.errors import QingkaError

Row = Mapping[str, Any]


class BackupFailed(QingkaError):
    """The archive could not be written or did not match when read back."""

    status = 507
    code = "backup.failed"
    title = "备份失败"
    remedy = "检查备份目录是否可写、磁盘是否正常，然后重试；设备与数据没有任何改动。"


class BackupDiskFull(BackupFailed):
    code = "backup.disk_full"
    title = "备份空间不足"
    remedy = "清理磁盘或把备份目录改到空间充足的位置，然后重试；设备与数据没有任何改动。"


class BackupTargetUnwritable(BackupFailed):
    code = "backup.target_unwritable"
    title = "备份目录不可写"
    remedy = "检查备份目录的权限与挂载状态，然后重试；设备与数据没有任何改动。"


class BackupMissing(BackupFailed):
    status = 404
    code = "backup.missing"
    title = "备份文件不存在"
    remedy = "检查备份目录是否被移动或删除，从其他备份目标取回文件。"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that go into the archive as JSON Lines, and as a sheet when `header` is given.

    `rows` is called twice: once to write, once more to compare the archive with the database.
    """

    name: str
    rows: Callable[[Session], Iterator[Row]]
    title: str = ""
    header: tuple[str, ...] = ()
    cells: Callable[[Row], tuple[Any, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """What a backup holds and whom it belongs to."""

    kind: BackupKind
    name: str
    tables: tuple[Table, ...]
    documents: Mapping[str, Row] = field(default_factory=dict)
    request_id: UUID | None = None
    enterprise_id: UUID | None = None
    operator_id: UUID | None = None
    operator_name: str = ""
    period: str | None = None


def create(
    database: Database, root: Path, content: Content, *, actor: Actor, clock: Clock
) -> Backup:
    """Write, read back, compare, register. Raises BackupFailed with nothing registered."""
    started = clock()
    path = root / f"{started:%Y-%m}" / f"{content.name}.zip"
    about = _about(content, started)
    try:
        written = _write(database, path, content, about)
        archive.verify(path, sha256=written.sha256)
        _compare_with_database(database, content, written.manifest)
    except archive.ArchiveDamaged as error:
        raise BackupFailed(str(error)) from error
    except OSError as error:
        raise _os_error(error) from error
    with database.transaction() as session:
        return _register(session, root, content, written, actor=actor, at=clock())


def verify(
    database: Database, root: Path, backup_id: UUID, *, actor: Actor, clock: Clock
) -> Backup:
    """Read a registered backup again and note whether it still matches."""
    with database.reading() as session:
        backup = queries.get(session, backup_id)
        path, sha256 = root / backup.path, backup.sha256
    state, message = check_archive(path, sha256)
    with database.transaction() as session:
        backup = queries.get(session, backup_id)
        backup.state, backup.check_message, backup.verified_at = state, message, clock()
        session.add(backup)
        ok = state is BackupState.VERIFIED
        audit.record(
            session,
            actor=actor,
            action=AuditAction.BACKUP_VERIFIED if ok else AuditAction.BACKUP_VERIFICATION_FAILED,
            object_type="backup",
            object_id=str(backup.id),
            at=backup.verified_at,
            details={"path": backup.path, "message": message},
        )
        session.flush()
        session.expunge(backup)
        return backup


def check_archive(path: Path, sha256: str) -> tuple[BackupState, str]:
    """Whether the archive still is what was registered, with a sentence."""
    try:
        manifest = archive.verify(path, sha256=sha256)
    except FileNotFoundError:
        return BackupState.DAMAGED, "备份文件不存在"
    except (archive.ArchiveDamaged, OSError) as error:
        return BackupState.DAMAGED, str(error)
    return BackupState.VERIFIED, f"已读回比对 {len(manifest['parts'])} 个部分，SHA-256 一致"


def free_space(root: Path) -> int:
    """Free bytes where backups go. Raises BackupTargetUnwritable when the place can't be used."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        probe = root / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
        return shutil.disk_usage(root).free
    except OSError as error:
        raise _os_error(error) from error


def _write(
    database: Database, path: Path, content: Content, about: Mapping[str, Any]
) -> archive.WrittenArchive:
    with archive.writing(path, about) as (writer, finished):
        for name, document in content.documents.items():
            writer.add_json(name, document)
        for table in content.tables:
            with database.reading() as session:
                writer.add_lines(f"{table.name}.jsonl", table.rows(session))
            if table.cells is not None:
                _add_sheet(database, writer, table)
    return finished[0]


def _add_sheet(database: Database, writer: archive.ArchiveWriter, table: Table) -> None:
    cells = table.cells
    assert cells is not None  # noqa: S101  (narrowing; the caller asks)
    with database.reading() as session:
        rows = (cells(row) for row in table.rows(session))
        with sheets.workbook(table.title, table.header, rows) as path:
            writer.add_file(f"{table.name}.xlsx", path)


def _compare_with_database(
    database: Database, content: Content, manifest: Mapping[str, Any]
) -> None:
    parts = {part["name"]: part for part in manifest["parts"]}
    for table in content.tables:
        name = f"{table.name}.jsonl"
        with database.reading() as session:
            lines, sha256 = archive.digest_lines(table.rows(session))
        if (lines, sha256) != (parts[name]["lines"], parts[name]["sha256"]):
            raise archive.ArchiveDamaged(f"备份期间数据有变化，与数据库不一致：{name}")


def _about(content: Content, at: datetime) -> dict[str, Any]:
    return {
        "kind": content.kind.value,
        "name": content.name,
        "created_at": at.isoformat(),
        "request_id": str(content.request_id) if content.request_id else None,
        "operator_id": str(content.operator_id) if content.operator_id else None,
        "period": content.period,
    }


def _register(
    session: Session,
    root: Path,
    content: Content,
    written: archive.WrittenArchive,
    *,
    actor: Actor,
    at: datetime,
) -> Backup:
    lines = {
        part["name"]: part["lines"]
        for part in written.manifest["parts"]
        if part["lines"] is not None
    }
    backup = Backup(
        kind=content.kind,
        state=BackupState.VERIFIED,
        request_id=content.request_id,
        enterprise_id=content.enterprise_id,
        operator_id=content.operator_id,
        operator_name=content.operator_name,
        period=content.period,
        path=written.path.relative_to(root).as_posix(),
        size=written.size,
        sha256=written.sha256,
        invoices=sum(count for name, count in lines.items() if name.endswith("/invoices.jsonl")),
        summary=written.manifest,
        created_at=at,
        verified_at=at,
        check_message=f"已读回比对 {len(written.manifest['parts'])} 个部分，SHA-256 一致",
    )
    session.add(backup)
    audit.record(
        session,
        actor=actor,
        action=AuditAction.BACKUP_CREATED,
        object_type="backup",
        object_id=str(backup.id),
        at=at,
        details={"path": backup.path, "size": backup.size, "sha256": backup.sha256},
    )
    session.flush()
    session.expunge(backup)
    return backup


def _os_error(error: OSError) -> BackupFailed:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return BackupDiskFull(f"{error.strerror}")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
        return BackupTargetUnwritable(f"{error.strerror}")
    return BackupFailed(f"{error}")
