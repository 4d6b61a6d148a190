"""Notices what backups know without telling: failures.

Backups know nothing of notifications. The audit record of a failure is looked at here, from where the
last look ended.
"""

from typing import Any

import sqlalchemy as sa
from sqlmodel import col, select

from app.audit.actions import AuditAction
from app.audit.models import AuditRecord
from app.audit.queries import details_of
from app.core.db import Database, Session
from app.jobs.scheduler import Run
from app.notifications.kinds import EventKind
from app.notifications.service.publish import Subject, publish

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
        failed = _backups(session, run)
    return f"备份失败 {failed} 次"


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
