"""Reminders before the lock date: once for every threshold a device passes uncleared.

A cleared device shows a lock date in a later month (product.md section 5, rule 3), so the days left
tell by themselves whether there is anything to do. A threshold that was passed while the system did
not run is made up for, and never twice: the event's key holds device, lock date and threshold.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import sqlalchemy as sa
from sqlmodel import col, select

from app.core.clock import local_date
from app.core.db import Database, Session
from app.devices.models import Device, DeviceState
from app.enterprises.models import Enterprise
from app.notifications.kinds import EventKind
from app.notifications.service.publish import Subject, publish
from app.operators.models import Operator
from app.settings import Settings

_CHUNK = 200


def parse_days(text: str) -> tuple[int, ...]:
    """`5,3,1` as numbers, the largest first. Raises ValueError for anything else."""
    days = {int(part) for part in text.split(",") if part.strip()}
    if any(day < 0 or day > 60 for day in days):
        raise ValueError("提醒天数应在 0 到 60 之间")
    return tuple(sorted(days, reverse=True))


def remind_of_locks(database: Database, settings: Settings, now: datetime) -> int:
    """Publish what is due today; gives how many. A few devices a transaction."""
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
                _remind(session, device_id, days, today, now)
                for device_id in near[start : start + _CHUNK]
            )
    return sent


def threshold(days_left: int, days: Sequence[int]) -> int | None:
    """The reminder that is due with so many days left: the smallest one not below."""
    return min((day for day in days if day >= days_left), default=None)


def _near(session: Session, first: date, last: date) -> list[object]:
    """Devices in use whose lock date lies in these days, the most urgent first."""
    wanted = (
        sa.select(col(Device.id))
        .where(col(Device.lock_date).between(first, last), col(Device.state) != DeviceState.RETIRED)
        .order_by(col(Device.lock_date), col(Device.id))
    )
    return list(session.execute(wanted).scalars())


def _remind(
    session: Session, device_id: object, days: Sequence[int], today: date, now: datetime
) -> bool:
    device, operator, enterprise = session.exec(
        select(Device, Operator, Enterprise)
        .join(Operator, col(Operator.id) == col(Device.operator_id))
        .join(Enterprise, col(Enterprise.id) == col(Device.enterprise_id))
        .where(col(Device.id) == device_id)
    ).one()
    lock = device.lock_date
    if lock is None or lock < today:
        return False
    left = (lock - today).days
    event = publish(
        session,
        EventKind.DEVICE_LOCK_APPROACHING,
        subject=Subject("device", str(device.id), enterprise.id, operator.id),
        data={
            "device": device.number,
            "operator": operator.name,
            "operator_code": operator.code,
            "enterprise": enterprise.name,
            "lock_date": lock.isoformat(),
            "days_left": left,
            "remedy": "完成抄报与申报后，在清卡管理中为该操作员清卡；逾期设备将锁死，不能开票。",
        },
        at=now,
        dedupe_key=f"lock:{device.id.hex}:{lock}:{threshold(left, days)}",
    )
    return event is not None
