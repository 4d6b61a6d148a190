"""Make a backup and register it.

Nothing is cleared without a backup that was read back and matched (docs/domain.md, promise 3): `create`
returns only when the archive on the required targets, read again, equals what the database holds.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.actor import Actor
from app.backups import anchors, archive, sheets
from app.backups.content import Cells, Content, Table
from app.backups.errors import known_errors
from app.backups.models import Backup, BackupKind, BackupState, CopyState
from app.backups.rows import Row
from app.backups.service import copies
from app.backups.service.copies import Check, Stored
from app.backups.storage import Storage, Where, as_storage, spool_file
from app.core.clock import Clock
from app.core.db import Database, Session
from app.errors import QingkaError

_FEW = 2000
"""Rows below which a sheet is put together in memory."""


Fence = Callable[[Session], object]
"""Raises when whoever makes the backup is not to register it any more; called in the transaction that does."""


def create(
    database: Database,
    where: Where,
    content: Content,
    *,
    actor: Actor,
    clock: Clock,
    fence: Fence | None = None,
) -> Backup:
    """Write, read back from every target, compare, register. Raises BackupFailed with nothing registered."""
    storage, started = as_storage(where), clock()
    with known_errors(), spool_file(storage, ".zip") as plain:
        told = anchors.about(database, storage, content, started)
        written = _write(database, plain, content, told)
        check = copies.digests(_database_digests(database, content))
        return keep(
            database,
            storage,
            content,
            written,
            check,
            actor=actor,
            started=started,
            clock=clock,
            fence=fence,
        )


def keep(
    database: Database,
    storage: Storage,
    content: Content,
    written: archive.WrittenArchive,
    check: Check,
    *,
    actor: Actor,
    started: datetime,
    clock: Clock,
    fence: Fence | None = None,
) -> Backup:
    """Put a written archive on the targets and register it, unless the fence raises."""
    stored = copies.store(storage, written.path, f"{started:%Y-%m}/{content.name}", check)
    anchors.keep_beside(storage, written.manifest, started)
    with database.transaction() as session:
        if fence is not None:
            _pass(fence, session, storage, stored)
        return _register(session, content, written.manifest, stored, actor=actor, at=clock())


def _pass(fence: Fence, session: Session, storage: Storage, stored: Stored) -> None:
    try:
        fence(session)
    except BaseException:
        copies.take_back(storage, stored)
        raise


def record_failure(
    session: Session, subject: str, error: QingkaError, *, actor: Actor, at: datetime
) -> None:
    """Audit a backup that could not be made; `subject` is its name, or what was to be backed up."""
    audit.record(
        session,
        actor=actor,
        action=AuditAction.BACKUP_FAILED,
        object_type="backup",
        object_id=subject,
        at=at,
        details={"code": error.code, "message": error.detail},
    )


def _write(
    database: Database, path: Path, content: Content, told: Mapping[str, Any]
) -> archive.WrittenArchive:
    with archive.writing(path, told, durable=False) as (writer, finished):
        for name, document in content.documents.items():
            writer.add_json(name, document)
        for table in content.tables:
            with database.reading() as session:
                if table.cells is None:
                    writer.add_lines(f"{table.name}.jsonl", table.rows(session))
                else:
                    _add_with_sheet(writer, table, table.rows(session), table.cells)
    return finished[0]


def _add_with_sheet(
    writer: archive.ArchiveWriter, table: Table, rows: Iterable[Row], cells: Cells
) -> None:
    """The lines and the sheet of the same rows, in one pass."""
    left = iter(rows)
    first = list(islice(left, _FEW))
    with sheets.workbook(table.title, table.header, small=len(first) < _FEW) as sheet:

        def both() -> Iterator[Row]:
            for row in chain(first, left):
                sheet.add(cells(row))
                yield row

        writer.add_lines(f"{table.name}.jsonl", both())
        writer.add_file(f"{table.name}.xlsx", sheet.finish(), packed=True)


def _database_digests(database: Database, content: Content) -> dict[str, tuple[int, str]]:
    """What the parts have to be, from the database once more."""
    found: dict[str, tuple[int, str]] = {}
    for table in content.tables:
        with database.reading() as session:
            found[f"{table.name}.jsonl"] = archive.digest_lines(table.rows(session))
    return found


def _register(
    session: Session,
    content: Content,
    manifest: Mapping[str, Any],
    stored: Stored,
    *,
    actor: Actor,
    at: datetime,
) -> Backup:
    first = stored.copies[0]
    backup = Backup(
        kind=content.kind,
        state=BackupState.VERIFIED,
        request_id=content.request_id,
        enterprise_id=content.enterprise_id,
        operator_id=content.operator_id,
        operator_name=content.operator_name,
        period=content.period,
        target=first.target,
        path=stored.path,
        size=stored.size,
        sha256=stored.sha256,
        encryption=stored.encryption,
        key_id=stored.key_id,
        invoices=_count_invoices(content, manifest["parts"]),
        summary=dict(manifest),
        created_at=at,
        verified_at=at,
        check_message=first.message,
    )
    session.add(backup)
    session.flush()
    session.add_all(copy.row(backup, at) for copy in stored.copies)
    _audit(session, backup, stored, actor, at)
    session.flush()
    content.beside(session, backup)
    session.expunge(backup)
    return backup


def _count_invoices(content: Content, parts: Iterable[Mapping[str, Any]]) -> int:
    """Of the ledger; a table of the whole system is not counted as such."""
    if content.kind is BackupKind.SYSTEM:
        return 0
    return sum(
        part["lines"]
        for part in parts
        if part["name"].endswith("/invoices.jsonl") and part["lines"] is not None
    )


def _audit(session: Session, backup: Backup, stored: Stored, actor: Actor, at: datetime) -> None:
    audit.record(
        session,
        actor=actor,
        action=AuditAction.BACKUP_CREATED,
        object_type="backup",
        object_id=str(backup.id),
        at=at,
        details={
            "path": backup.path,
            "size": backup.size,
            "sha256": backup.sha256,
            "targets": [one.target for one in stored.copies if one.state is CopyState.VERIFIED],
        },
    )
    for copy in stored.copies:
        if copy.state is CopyState.FAILED:
            audit.record(
                session,
                actor=actor,
                action=AuditAction.BACKUP_FAILED,
                object_type="backup",
                object_id=str(backup.id),
                at=at,
                details={"target": copy.target, "message": copy.message},
            )
