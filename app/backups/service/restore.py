"""Restore: bring back exactly what a backup holds of the ledger, and nothing else.

What a clearing wrote to the device is not undone by it: the device stays unlocked for the next period.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO
from uuid import UUID

from sqlmodel import col, select

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.actor import Actor
from app.backups import archive, ledger, preferences
from app.backups.errors import RestoreBlocked, RestoreUnsupported
from app.backups.models import Backup, BackupKind
from app.backups.rows import Row
from app.backups.service import comparison
from app.backups.service.comparison import Item, Verdict
from app.backups.service.reading import GoodCopy, any_good_copy, registered
from app.backups.storage import Storage, Where, as_storage
from app.core.clock import Clock
from app.core.db import Database, Session
from app.devices.models import Device
from app.operators.models import Attention, Operator

SHOWN = 100
"""Rows a preview lists by name; all of them are counted."""


@dataclass(slots=True)
class DevicePreview:
    """What a restore does to the invoices of one device."""

    device_number: str
    returning: int = 0
    changing: int = 0
    unchanged: int = 0
    drafts_returning: int = 0
    conflicts: int = 0

    def count(self, item: Item) -> None:
        """Add one row of the backup."""
        if item.verdict is Verdict.UNCHANGED:
            self.unchanged += 1
        elif item.verdict is Verdict.CONFLICT:
            self.conflicts += 1
        elif item.verdict is Verdict.CHANGES:
            self.changing += 1
        elif item.row["draft"]:
            self.drafts_returning += 1
        else:
            self.returning += 1


@dataclass(frozen=True, slots=True)
class Shown:
    """One row that is not as the backup holds it."""

    device_number: str
    invoice_type: str
    code: str
    number: str
    draft: bool
    verdict: Verdict
    fields: tuple[str, ...]
    reason: str


@dataclass(slots=True)
class Preview:
    """What a restore would do, or did. `blockers` stand against it as a whole."""

    backup_id: UUID
    target: str
    devices: list[DevicePreview] = field(default_factory=list)
    rows: list[Shown] = field(default_factory=list)
    blockers: list[str] = field(default_factory=list)
    preferences_returning: int = 0

    @property
    def writes(self) -> int:
        """Rows that are written."""
        return sum(one.returning + one.changing + one.drafts_returning for one in self.devices)

    @property
    def total(self) -> int:
        """Rows the backup holds."""
        return self.writes + sum(one.unchanged + one.conflicts for one in self.devices)

    def add(self, number: str, item: Item) -> None:
        """Count one row, and list it if it is of interest."""
        self.devices[-1].count(item)
        if item.verdict is not Verdict.UNCHANGED and len(self.rows) < SHOWN:
            self.rows.append(_shown(number, item))


Finishing = Callable[[Session, Preview], None]
"""What else is written in the transaction of a restore."""


def _nothing_else(session: Session, done: Preview) -> None:
    """A restore by itself."""


def preview(database: Database, where: Where, backup_id: UUID) -> Preview:
    """What a restore would do now; changes nothing.

    Raises BackupNotFound, BackupDeleted, BackupMissing, BackupDamaged, BackupKeyUnknown,
    RestoreUnsupported for a backup of the whole system.
    """
    with _restorable(database, as_storage(where), backup_id) as good, database.reading() as session:
        plan = Preview(backup_id, good.target, blockers=_blockers(session, good))
        for number, items in _compared(session, good.file, good.manifest, plan, lock=False):
            for item in items:
                plan.add(number, item)
        plan.preferences_returning = len(_lost_preferences(session, good))
        return plan


def restore(
    database: Database,
    where: Where,
    backup_id: UUID,
    *,
    actor: Actor,
    clock: Clock,
    finishing: Finishing = _nothing_else,
) -> Preview:
    """Bring the ledger to what the backup holds, in one transaction; doing it again changes nothing.

    The caller has verified who asks. Raises what `preview` raises, and RestoreBlocked.
    """
    with _restorable(database, as_storage(where), backup_id) as good:
        with database.transaction() as session:
            _lock_devices(session, good)
            blockers = _blockers(session, good)
            if blockers:
                raise RestoreBlocked("；".join(blockers))
            done = Preview(backup_id, good.target)
            for number, items in _compared(session, good.file, good.manifest, done, lock=True):
                comparison.write(session, items)
                for item in items:
                    done.add(number, item)
            _restore_preferences(session, good, done)
            _forget(session)
            _audit(session, good.backup, done, actor, clock())
            finishing(session, done)
        return done


@contextmanager
def _restorable(database: Database, storage: Storage, backup_id: UUID) -> Iterator[GoodCopy]:
    if registered(database, backup_id)[0].kind is BackupKind.SYSTEM:
        raise RestoreUnsupported
    with any_good_copy(database, storage, backup_id) as good:
        yield good


def _compared(
    session: Session, file: IO[bytes], manifest: Row, plan: Preview, *, lock: bool
) -> Iterator[tuple[str, list[Item]]]:
    """Device by device, batch by batch."""
    for number, part in ledger.parts_of(manifest):
        plan.devices.append(DevicePreview(number))
        for rows in comparison.batches(archive.read_lines(file, part)):
            yield number, comparison.compare(session, rows, lock=lock)


def _lost_preferences(session: Session, good: GoodCopy) -> dict[str, str]:
    """Personal settings of the backup that the operator has not, or has with another value."""
    if good.backup.operator_id is None or not preferences.is_in(good.manifest):
        return {}
    held = preferences.settings_of(archive.read_lines(good.file, preferences.PART))
    now = session.get_one(Operator, good.backup.operator_id).preferences
    return {name: value for name, value in held.items() if now.get(name) != value}


def _restore_preferences(session: Session, good: GoodCopy, done: Preview) -> None:
    lost = _lost_preferences(session, good)
    done.preferences_returning = len(lost)
    if lost:
        operator = session.get_one(Operator, good.backup.operator_id, with_for_update=True)
        operator.preferences = {**operator.preferences, **lost}
        operator.revision += 1
        session.add(operator)
        session.flush()


def _device_ids(good: GoodCopy) -> dict[UUID, str]:
    """The devices whose rows the archive holds; all rows of a part are of one device."""
    found: dict[UUID, str] = {}
    for number, part in ledger.parts_of(good.manifest):
        first = next(archive.read_lines(good.file, part), None)
        if first is not None:
            found[UUID(first["device_id"])] = number
    return found


def _blockers(session: Session, good: GoodCopy) -> list[str]:
    texts = [
        text
        for device_id, number in _device_ids(good).items()
        if (text := _device_blocker(session, device_id, number, good.backup.enterprise_id))
    ]
    running = good.backup.operator_id is not None and _is_clearing(session, good.backup.operator_id)
    return [*texts, *(["该操作员正在清卡，请等待完成"] if running else [])]


def _device_blocker(
    session: Session, device_id: UUID, number: str, enterprise_id: UUID | None
) -> str:
    device = session.get(Device, device_id)
    if device is None:
        return f"设备 {number} 已不在登记中"
    if enterprise_id is not None and device.enterprise_id != enterprise_id:
        return f"设备 {number} 已移交给其他企业"
    if _is_clearing(session, device.operator_id):
        return f"设备 {number} 的操作员正在清卡，请等待完成"
    return ""


def _is_clearing(session: Session, operator_id: UUID) -> bool:
    operator = session.get(Operator, operator_id)
    return operator is not None and operator.attention is Attention.RUNNING


def _lock_devices(session: Session, good: GoodCopy) -> None:
    """Nobody reads these devices into the ledger meanwhile: whoever does locks them as well."""
    ids = list(_device_ids(good))
    session.exec(
        select(Device).where(col(Device.id).in_(ids)).order_by(col(Device.id)).with_for_update()
    ).all()


def _forget(session: Session) -> None:
    session.expire_all()


def _shown(number: str, item: Item) -> Shown:
    row = item.row
    return Shown(
        number,
        row["invoice_type"],
        row["code"],
        row["number"],
        row["draft"],
        item.verdict,
        item.fields,
        item.reason,
    )


def _audit(session: Session, backup: Backup, done: Preview, actor: Actor, at: datetime) -> None:
    audit.record(
        session,
        actor=actor,
        action=AuditAction.BACKUP_RESTORED,
        object_type="backup",
        object_id=str(backup.id),
        at=at,
        details={
            "path": backup.path,
            "target": done.target,
            "preferences": done.preferences_returning,
            "devices": [
                {
                    "number": one.device_number,
                    "returning": one.returning,
                    "changing": one.changing,
                    "unchanged": one.unchanged,
                    "drafts_returning": one.drafts_returning,
                    "conflicts": one.conflicts,
                }
                for one in done.devices
            ],
        },
    )
