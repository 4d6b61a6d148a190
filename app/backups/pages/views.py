"""Rows and previews as the templates want them."""

from collections.abc import Sequence

from app.backups.contexts import (
    BackupRow,
    CopyRow,
    DeviceLine,
    DrillRow,
    InvoiceLine,
    RestoreView,
)
from app.backups.models import Backup, BackupCopy, BackupDrill, CopyState
from app.backups.service import Preview

FIELD_NAMES = {
    "id": "编号",
    "operator_id": "操作员",
    "issued_at": "开票时间",
    "period": "属期",
    "amount": "金额",
    "tax": "税额",
    "status": "发票状态",
    "uploaded": "上传状态",
    "draft": "草稿",
    "buyer_tax_no": "购方税号",
    "buyer_name": "购方名称",
    "clearing_status": "清卡状态",
}
"""What of an invoice people know; the others are bookkeeping of this system."""


def backup_row(backup: Backup, copies: Sequence[BackupCopy]) -> BackupRow:
    """A line of the list."""
    good = tuple(copy.target for copy in copies if copy.state is CopyState.VERIFIED)
    bad = [copy for copy in copies if copy.state in (CopyState.FAILED, CopyState.DAMAGED)]
    others = [f"{copy.target}：{copy.message}" for copy in bad if copy.target != backup.target]
    return BackupRow(
        id=str(backup.id),
        kind=backup.kind,
        state=backup.state,
        operator_name=backup.operator_name,
        period=backup.period or "",
        targets=good,
        invoices=backup.invoices,
        size=backup.size,
        sha256=backup.sha256,
        encrypted=bool(backup.encryption),
        created_at=backup.created_at,
        verified_at=backup.verified_at,
        check_message=backup.check_message,
        warning="；".join(others),
        request_id=str(backup.request_id or ""),
    )


def copy_row(backup: Backup, copy: BackupCopy) -> CopyRow:
    """A line of the copies."""
    return CopyRow(
        copy.target,
        copy.target == backup.target,
        copy.state,
        copy.path,
        copy.verified_at,
        copy.message,
    )


def drill_row(drill: BackupDrill) -> DrillRow:
    """A line of the drills."""
    return DrillRow(
        drill.ok,
        drill.finished_at,
        drill.engine,
        drill.target,
        drill.rows,
        drill.message,
        drill.started_by,
    )


def restore_view(plan: Preview) -> RestoreView:
    """The preview as the page shows it."""
    conflicts = sum(one.conflicts for one in plan.devices)
    return RestoreView(
        devices=tuple(
            DeviceLine(
                one.device_number,
                one.returning,
                one.changing,
                one.unchanged,
                one.drafts_returning,
                one.conflicts,
            )
            for one in plan.devices
        ),
        invoices=tuple(
            InvoiceLine(
                row.device_number,
                row.invoice_type,
                row.code,
                row.number,
                row.draft,
                row.verdict,
                tuple(FIELD_NAMES[name] for name in row.fields if name in FIELD_NAMES),
                row.reason,
            )
            for row in plan.rows
        ),
        writes=plan.writes,
        conflicts=conflicts,
        truncated=plan.writes + conflicts > len(plan.rows),
        blockers=tuple(plan.blockers),
    )
