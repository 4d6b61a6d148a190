"""Reminders before the lock date: once for every threshold a device passes uncleared.

A cleared device shows a lock date in a later month (docs/domain.md, rule 3), so the days left
tell by themselves whether there is anything to do. A threshold that was passed while the system did
not run is made up for, and never twice: the event's key holds device, lock date and threshold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from sqlmodel import col, select

from app.core.clock import SHANGHAI, local_date
from app.core.db import Database, Session
from app.devices.models import Device, DeviceState
from app.enterprises.models import Enterprise
from app.notifications.kinds import EventKind
from app.notifications.models import Event
from app.notifications.service.digest import NearLock, send_digests
from app.notifications.service.publish import Subject, publish
from app.operators.models import Operator
from app.settings import Settings

_CHUNK = 200
_KIND = EventKind.DEVICE_LOCK_APPROACHING


def parse_days(text: str) -> tuple[int, ...]:
    """`5,3,1` as numbers, the largest first. Raises ValueError for anything else."""
    days = {int(part) for part in text.split(",") if part.strip()}
    if any(day < 0 or day > 60 for day in days):
        raise ValueError("提醒天数应在 0 到 60 之间")
    return tuple(sorted(days, reverse=True))


def remind_of_locks(database: Database, settings: Settings, now: datetime) -> int:
    """Publish what is due today, then the digests; gives how many devices. A few a transaction.

    On a day when any device passes a threshold people get their digest of all devices that are near.
    """
    days = parse_days(settings.reminder_days)
    if not days:
        return 0
    today = local_date(now)
    with database.reading() as session:
        near = _near(session, today, today + timedelta(days=days[0]))
    sent = 0
    for start in range(0, len(near), _CHUNK):
        with database.transaction() as session:
            sent += sum(
                _remind(session, device, days, now) for device in near[start : start + _CHUNK]
            )
    with database.reading() as session:
        due = bool(near) and _told_today(session, today)
    if due:
        send_digests(database, [device.line for device in near], at=now)
    return sent


def _told_today(session: Session, today: date) -> bool:
    """Whether any device has passed a threshold today, also before a crash."""
    midnight = datetime.combine(today, time(), SHANGHAI)
    wanted = select(Event.id).where(Event.kind == _KIND, col(Event.at) >= midnight).limit(1)
    return session.exec(wanted).first() is not None


def threshold(days_left: int, days: Sequence[int]) -> int | None:
    """The reminder that is due with so many days left: the smallest one not below."""
    return min((day for day in days if day >= days_left), default=None)


@dataclass(frozen=True, slots=True)
class _Device:
    id: UUID
    line: NearLock


def _near(session: Session, first: date, last: date) -> list[_Device]:
    """Devices in use whose lock date lies in these days, the most urgent first."""
    rows = session.exec(
        select(Device, Operator, Enterprise)
        .join(Operator, col(Operator.id) == col(Device.operator_id))
        .join(Enterprise, col(Enterprise.id) == col(Device.enterprise_id))
        .where(col(Device.lock_date).between(first, last), col(Device.state) != DeviceState.RETIRED)
        .order_by(col(Device.lock_date), col(Device.id))
    )
    return [
        _Device(device.id, _line(device, operator, enterprise, lock_date, first))
        for device, operator, enterprise in rows
        if (lock_date := device.lock_date) is not None
    ]


def _line(
    device: Device, operator: Operator, enterprise: Enterprise, lock_date: date, today: date
) -> NearLock:
    return NearLock(
        enterprise_id=enterprise.id,
        operator_id=operator.id,
        operator_email=operator.email,
        device=device.number,
        operator=operator.name,
        operator_code=operator.code,
        enterprise=enterprise.name,
        lock_date=lock_date,
        days_left=(lock_date - today).days,
    )


def _remind(session: Session, device: _Device, days: Sequence[int], now: datetime) -> bool:
    line = device.line
    event = publish(
        session,
        _KIND,
        subject=Subject("device", str(device.id), line.enterprise_id, line.operator_id),
        data={
            "device": line.device,
            "operator": line.operator,
            "operator_code": line.operator_code,
            "enterprise": line.enterprise,
            "lock_date": line.lock_date.isoformat(),
            "days_left": line.days_left,
            "remedy": "完成抄报与申报后，在清卡管理中为该操作员清卡；逾期设备将锁死，不能开票。",
        },
        at=now,
        dedupe_key=f"lock:{device.id.hex}:{line.lock_date}:{threshold(line.days_left, days)}",
    )
    return event is not None
