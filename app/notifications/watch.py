"""Notices what lower layers know without telling: devices that went away, backups that failed.

Devices and backups know nothing of notifications. What they write, the device's state and the audit
record of the failure, is looked at here, from where the last look ended.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select

from app.audit.actions import AuditAction
from app.audit.models import AuditRecord
from app.audit.queries import details_of
from app.core.db import Database, Session
from app.devices.models import Device, DeviceState
from app.enterprises.models import Enterprise
from app.notifications.kinds import EventKind
from app.notifications.scheduler import Run
from app.notifications.service.publish import Subject, publish
from app.operators.models import Operator

_CODES = {
    AuditAction.BACKUP_FAILED: "backup.failed",
    AuditAction.BACKUP_VERIFICATION_FAILED: "backup.damaged",
}
"""Records of failures, and the code of one that names none."""
_FAILURES = tuple(_CODES)
_AT_ONCE = 20_000
_REMEDY = "检查备份目标的空间、权限与网络，然后在“备份与恢复”中重新备份；没有可用备份时不会清卡。"


def look(database: Database, run: Run) -> str:
    """One look; what was found and how far it was looked are kept together."""
    with database.transaction() as session:
        away = _devices(session, run)
        failed = _backups(session, run)
    return f"断开 {away} 台，备份失败 {failed} 次"


def _devices(session: Session, run: Run) -> int:
    """A device that was away at the first look, or at its registration, is no news."""
    wanted = select(Device.id).where(Device.state == DeviceState.DISCONNECTED)
    now_away = {str(one) for one in session.exec(wanted.where(col(Device.read_at).is_not(None)))}
    before = run.state.get("away")
    if before is None:
        run.keep(session, away=sorted(now_away))
        return 0
    news = sorted(now_away - set(before))
    for device_id in news:
        _publish_away(session, UUID(device_id), run.at)
    if now_away != set(before):
        run.keep(session, away=sorted(now_away))
    return len(news)


def _publish_away(session: Session, device_id: UUID, at: datetime) -> None:
    device = session.get_one(Device, device_id)
    operator = session.get_one(Operator, device.operator_id)
    publish(
        session,
        EventKind.DEVICE_DISCONNECTED,
        subject=Subject("device", str(device.id), device.enterprise_id, operator.id),
        data={
            "device": device.number,
            "operator": operator.name,
            "operator_code": operator.code,
            "enterprise": session.get_one(Enterprise, device.enterprise_id).name,
            "lock_date": device.lock_date.isoformat() if device.lock_date else "",
            "code": device.fault_code or "device.disconnected",
            "message": device.fault_message or "设备未连接",
            "remedy": "检查设备的连接与驱动，重新插接后系统会自动恢复。",
        },
        at=at,
    )


def _backups(session: Session, run: Run) -> int:
    seen = run.state.get("audit_seq")
    newest = session.execute(sa.select(sa.func.max(col(AuditRecord.seq)))).scalar() or 0
    if seen is None or newest <= seen:
        if seen is None:
            run.keep(session, audit_seq=newest)
        return 0
    last = min(newest, seen + _AT_ONCE)
    failures = session.exec(
        select(AuditRecord)
        .where(
            col(AuditRecord.seq) > seen,
            col(AuditRecord.seq) <= last,
            col(AuditRecord.action).in_(_FAILURES),
        )
        .order_by(col(AuditRecord.seq))
    ).all()
    for record in failures:
        _publish_failure(session, record)
    run.keep(session, audit_seq=last)
    return len(failures)


def _publish_failure(session: Session, record: AuditRecord) -> None:
    details: dict[str, Any] = dict(details_of(record))
    publish(
        session,
        EventKind.BACKUP_FAILED,
        subject=Subject("backup", record.object_id),
        data={
            "message": str(details.get("message", "") or record.action_label),
            "target": str(details.get("target", "")),
            "code": str(details.get("code") or _CODES[AuditAction(record.action)]),
            "remedy": _REMEDY,
        },
        at=record.at,
        dedupe_key=f"audit:{record.seq}",
    )
