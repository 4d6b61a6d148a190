"""Which backups may go, and deleting their files. The rows stay: clearing records point at them.

Never deleted: the newest of each kind, and the backup made before a clearing as long as the clearing's
record is young (tax law wants books kept; five years by default).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.actor import Actor
from app.backups import queries
from app.backups.errors import BackupSettingsInvalid, known_errors
from app.backups.models import Backup, BackupCopy, BackupKind, BackupState, CopyState
from app.backups.service.reading import registered
from app.backups.storage import Storage, Where, as_storage, tidy
from app.core.clock import Clock
from app.core.db import Database, Session
from app.core.hooks import HookPoint
from app.settings import Settings

_BROKEN_OFF = timedelta(days=1)
"""A file that is still not finished after this long never will be."""

Protection = Callable[[Session, Iterable[UUID], datetime], set[UUID]]
"""Which of these backups something made after the moment still needs."""

protections = HookPoint[Protection]("backups.protections")
"""Features above hang theirs here: clearing knows its records."""


@dataclass(frozen=True, slots=True)
class Retention:
    """The rules. `keep_days` by kind; 0 keeps for ever."""

    keep_days: Mapping[BackupKind, int]
    keep_newest: int
    record_years: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """One backup that was deleted, or could not be (`problem`)."""

    backup_id: UUID
    kind: BackupKind
    path: str
    problem: str = ""


def retention_of(settings: Settings) -> Retention:
    """The rules of the settings. Raises BackupSettingsInvalid."""
    days = parse_keep_days(settings.backup_keep_days)
    return Retention(days, settings.backup_keep_newest, settings.backup_keep_record_years)


def parse_keep_days(text: str) -> dict[BackupKind, int]:
    """Days by kind of `pre_clearing=1830;system=90`. Raises BackupSettingsInvalid."""
    days = dict.fromkeys(BackupKind, 0)
    for item in filter(None, (part.strip() for part in text.split(";"))):
        kind, _, number = item.partition("=")
        try:
            days[BackupKind(kind.strip())] = int(number)
        except ValueError as error:
            raise BackupSettingsInvalid(f"QINGKA_BACKUP_KEEP_DAYS 无法识别：{item}") from error
    if min(days.values()) < 0:
        raise BackupSettingsInvalid("QINGKA_BACKUP_KEEP_DAYS 不能为负数")
    return days


def prune(
    database: Database,
    where: Where,
    rules: Retention,
    *,
    actor: Actor,
    clock: Clock,
    dry_run: bool = False,
) -> list[Pruned]:
    """Delete what the rules let go, each audited; with `dry_run` only say what would go."""
    storage, now = as_storage(where), clock()
    if not dry_run:
        with known_errors():
            tidy(storage, now - _BROKEN_OFF)
    with database.reading() as session:
        ids = [one for kind in BackupKind for one in _expired(session, kind, rules, now)]
    return [
        _delete(database, storage, backup_id, actor=actor, clock=clock, dry_run=dry_run)
        for backup_id in ids
    ]


def _expired(session: Session, kind: BackupKind, rules: Retention, now: datetime) -> list[UUID]:
    days = rules.keep_days.get(kind, 0)
    if days == 0:
        return []
    before = now - timedelta(days=days)
    needed_since = years_before(now, rules.record_years)
    if kind is BackupKind.PRE_CLEARING:
        before = min(before, needed_since)
    ids = queries.kept_before(session, kind, before)
    kept = queries.newest_ids(session, kind, rules.keep_newest)
    for protection in protections:
        kept |= protection(session, ids, needed_since)
    return [one for one in ids if one not in kept]


def years_before(moment: datetime, years: int) -> datetime:
    """The same day of an earlier year; the 28th for a 29th of February."""
    try:
        return moment.replace(year=moment.year - years)
    except ValueError:
        return moment.replace(year=moment.year - years, day=28)


def _delete(
    database: Database,
    storage: Storage,
    backup_id: UUID,
    *,
    actor: Actor,
    clock: Clock,
    dry_run: bool,
) -> Pruned:
    """The files first: a backup whose row says deleted has none left anywhere."""
    backup, copies = registered(database, backup_id)
    if dry_run:
        return Pruned(backup_id, backup.kind, backup.path)
    problems = {copy.target: _delete_copy(storage, copy) for copy in copies}
    with database.transaction() as session:
        return _note(session, backup_id, problems, actor=actor, at=clock())


def _delete_copy(storage: Storage, copy: BackupCopy) -> str:
    target = storage.named(copy.target)
    if target is None:
        held = copy.state in (CopyState.VERIFIED, CopyState.DAMAGED)
        return "备份目标不在设置中" if held else ""
    try:
        target.delete(copy.path)
    except OSError as error:
        return f"无法删除：{error}"
    return ""


def _note(
    session: Session,
    backup_id: UUID,
    problems: Mapping[str, str],
    *,
    actor: Actor,
    at: datetime,
) -> Pruned:
    backup = queries.get(session, backup_id)
    for copy in queries.copies(session, [backup_id])[backup_id]:
        problem = problems.get(copy.target, "")
        if problem:
            copy.message = problem[:500]
        else:
            copy.state = CopyState.DELETED
        session.add(copy)
    failed = {target: text for target, text in problems.items() if text}
    if not failed:
        _mark_deleted(session, backup, actor, at)
    texts = "；".join(f"{target}：{text}" for target, text in failed.items())
    return Pruned(backup_id, backup.kind, backup.path, texts)


def _mark_deleted(session: Session, backup: Backup, actor: Actor, at: datetime) -> None:
    backup.state, backup.deleted_at = BackupState.DELETED, at
    backup.check_message = "已按保留规则清理"
    session.add(backup)
    audit.record(
        session,
        actor=actor,
        action=AuditAction.BACKUP_DELETED,
        object_type="backup",
        object_id=str(backup.id),
        at=at,
        details={"path": backup.path, "kind": backup.kind, "created_at": backup.created_at},
    )
