"""Every select of inspections: their own rows, and what the report is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select

from app.backups.models import Backup, BackupKind, BackupState
from app.clearing.models import ClearingRecord
from app.clearing.states import Result
from app.core.db import Session
from app.core.pagination import PageRequest, newest_first
from app.devices.models import Device, DeviceState
from app.enterprises.models import Enterprise
from app.errors import NotFound
from app.inspections.models import Inspection, InspectionKind, InspectionState
from app.operators.models import Operator


class InspectionNotFound(NotFound):
    code = "inspection.not_found"
    title = "没有找到定期检查"


def inspection(session: Session, inspection_id: UUID) -> Inspection:
    """The inspection, or InspectionNotFound."""
    found = session.get(Inspection, inspection_id)
    if found is None:
        raise InspectionNotFound
    return found


def page(session: Session, request: PageRequest) -> tuple[list[Inspection], str | None]:
    """Newest first."""
    return newest_first(session, select(Inspection), Inspection.id, request)


def exists(session: Session, kind: InspectionKind, label: str) -> bool:
    """Whether the scheduled inspection of this month or quarter has been entered."""
    wanted = select(Inspection.id).where(Inspection.kind == kind, Inspection.label == label)
    return session.exec(wanted).first() is not None


def waiting(session: Session, now: datetime) -> list[UUID]:
    """Inspections to make or to go on with: nobody has them in hand."""
    wanted = select(Inspection.id).where(Inspection.state != InspectionState.DONE, _free(now))
    return list(session.exec(wanted.order_by(col(Inspection.id))))


def claimable(session: Session, inspection_id: UUID, now: datetime) -> Inspection | None:
    """The inspection, locked, unless somebody has it in hand or it is done."""
    return session.exec(
        select(Inspection)
        .where(Inspection.id == inspection_id, Inspection.state != InspectionState.DONE, _free(now))
        .with_for_update(skip_locked=True)
    ).first()


def _free(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(col(Inspection.leased_until).is_(None), col(Inspection.leased_until) <= now)


@dataclass(frozen=True, slots=True)
class DeviceLine:
    """A device with whose it is."""

    device: Device
    operator: str
    enterprise: str


def devices_to_clear(session: Session, before: date) -> list[DeviceLine]:
    """Devices in use whose lock date lies before this day, the most urgent first."""
    return _devices(session, col(Device.lock_date) < before, col(Device.lock_date))


def devices_drifting(session: Session, seconds: int) -> list[DeviceLine]:
    """Devices in use whose clock is off by more, the worst first."""
    drift = sa.func.abs(col(Device.clock_drift_seconds))
    return _devices(session, drift > seconds, drift.desc())


def _devices(session: Session, condition: sa.ColumnElement[bool], order: Any) -> list[DeviceLine]:
    wanted = (
        select(Device, Operator.name, Enterprise.name)
        .join(Operator, col(Operator.id) == col(Device.operator_id))
        .join(Enterprise, col(Enterprise.id) == col(Device.enterprise_id))
        .where(col(Device.state) != DeviceState.RETIRED, condition)
        .order_by(order, col(Device.id))
    )
    return [DeviceLine(*row) for row in session.exec(wanted)]


def count_devices(session: Session) -> int:
    """Devices in use."""
    wanted = select(sa.func.count()).where(col(Device.state) != DeviceState.RETIRED)
    return int(session.exec(wanted).one())


def failures_by_cause(
    session: Session, since: datetime
) -> list[tuple[str, str, str, int, int, datetime]]:
    """Failed executions since then by month and cause: month, code, words, times, devices, last."""
    month = col(ClearingRecord.period)
    rows = session.execute(
        sa.select(
            month,
            col(ClearingRecord.error_code),
            sa.func.max(col(ClearingRecord.error_message)),
            sa.func.count(),
            sa.func.count(sa.distinct(col(ClearingRecord.device_id))),
            sa.func.max(col(ClearingRecord.finished_at)),
        )
        .where(
            col(ClearingRecord.result) != Result.SUCCEEDED,
            col(ClearingRecord.finished_at) >= since,
        )
        .group_by(month, col(ClearingRecord.error_code))
        .order_by(month.desc(), sa.func.count().desc())
    )
    return [(row[0], row[1] or "", row[2] or "", row[3], row[4], row[5]) for row in rows]


def failing_devices(
    session: Session, since: datetime, times: int
) -> Sequence[tuple[str, str, int]]:
    """Devices that failed so often or more since then: number, operator, times."""
    rows = session.execute(
        sa.select(
            col(ClearingRecord.device_number),
            sa.func.max(col(ClearingRecord.operator_name)),
            sa.func.count(),
        )
        .where(
            col(ClearingRecord.result) != Result.SUCCEEDED,
            col(ClearingRecord.finished_at) >= since,
        )
        .group_by(col(ClearingRecord.device_number))
        .having(sa.func.count() >= times)
        .order_by(sa.func.count().desc())
    )
    return [(row[0], row[1], row[2]) for row in rows]


def newest_backups(session: Session, count: int) -> list[Backup]:
    """The newest backups that are still there."""
    wanted = select(Backup).where(Backup.state != BackupState.DELETED)
    return list(session.exec(wanted.order_by(col(Backup.created_at).desc()).limit(count)))


def newest_backup_at(session: Session, kind: BackupKind) -> datetime | None:
    """When the newest good backup of a kind was made."""
    wanted = (
        select(Backup.created_at)
        .where(Backup.kind == kind, Backup.state == BackupState.VERIFIED)
        .order_by(col(Backup.created_at).desc())
        .limit(1)
    )
    return session.exec(wanted).first()


def count_damaged_backups(session: Session) -> int:
    """Backups that did not match when they were read back."""
    wanted = select(sa.func.count()).where(Backup.state == BackupState.DAMAGED)
    return int(session.exec(wanted).one())
