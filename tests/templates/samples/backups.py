"""Samples of the pages of backups."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from app.backups.contexts import (
    BackupPage,
    BackupRow,
    BackupsPage,
    CopyRow,
    CreateForm,
    DeviceLine,
    DrillRow,
    InvoiceLine,
    RestoreView,
)
from app.core.page_parts import Option, Pager

from .frame import NOW, PAGER, layout

SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
ROWS = tuple(
    BackupRow(
        id=f"b{index}",
        kind=kind,
        state=state,
        operator_name="王晓梅" if kind != "system" else "",
        period="2026-11" if kind != "system" else "",
        targets=("local", "nas") if state == "verified" else (),
        invoices=586 if kind != "system" else 0,
        size=1_258_291 * (index + 1),
        sha256=SHA256,
        encrypted=index % 2 == 1,
        created_at=NOW - timedelta(hours=index),
        verified_at=NOW,
        check_message="备份内容与清单不一致：661814461322/invoices.jsonl"
        if state == "damaged"
        else "",
        warning="office-s3：对象存储不可用" if index == 1 else "",
        request_id="q1" if kind.endswith("clearing") else "",
    )
    for index, (kind, state) in enumerate(
        [
            ("pre_clearing", "verified"),
            ("post_clearing", "verified"),
            ("on_demand", "damaged"),
            ("system", "verified"),
            ("pre_clearing", "deleted"),
        ]
    )
)
LIST = BackupsPage(
    ROWS,
    PAGER,
    can_verify=True,
    can_create=True,
    can_back_up_system=True,
    enterprises=(Option("e1", "南京德茂商贸有限公司"), Option("e2", "苏州恒信物流有限公司")),
    form=CreateForm(period="2026-11"),
)
CREATING = replace(
    LIST,
    form=CreateForm("operator", "KP9999", "2026-11"),
    dialog_open=True,
    errors={"operator_code": "没有这个工号的操作员"},
)
EMPTY = BackupsPage((), Pager())

RESTORE = RestoreView(
    devices=(
        DeviceLine("661814461322", 2, 586, 0, 1, 1),
        DeviceLine("661814461330", 0, 0, 42, 0, 0),
    ),
    invoices=(
        InvoiceLine("661814461322", "007", "032001900104", "00412387", False, "returns", (), ""),
        InvoiceLine(
            "661814461322", "004", "3200211130", "00412388", False, "changes", ("清卡状态",), ""
        ),
        InvoiceLine("661814461322", "026", "", "", True, "returns", (), ""),
        InvoiceLine(
            "661814461322",
            "007",
            "",
            "",
            True,
            "conflict",
            (),
            "备份中的草稿已开具为正式发票，保持现状",
        ),
    ),
    writes=589,
    conflicts=1,
    truncated=True,
    blockers=(),
)
DETAIL = BackupPage(
    backup=ROWS[1],
    file_path="2026-12/QK202612-000128-1-after.zip.3fa9c2d84b1e77a0.enc",
    encryption="AES-256-GCM",
    key_id="3fa9c2d84b1e77a0",
    algorithm="SHA-256",
    copies=(
        CopyRow(
            "local", True, "verified", "2026-12/a.zip", NOW, "已读回比对 3 个部分，SHA-256 一致"
        ),
        CopyRow("nas", False, "damaged", "2026-12/a.zip", NOW, "备份文件的 SHA-256 与登记的不一致"),
        CopyRow("office-s3", False, "failed", "2026-12/a.zip", None, "对象存储不可用"),
    ),
    drills=(
        DrillRow(
            True, NOW, "sqlite", "local", 589, "已恢复 2 个部分共 589 行，逐行比对一致", "林会计"
        ),
        DrillRow(False, NOW, "", "", 0, "备份文件不存在", "系统"),
    ),
    restore=RESTORE,
    restore_problem="",
    restorable=True,
    can_verify=True,
    can_restore=True,
    can_download=True,
)
RESTORING = replace(DETAIL, dialog_open=True, errors={"password": "密码不正确"})
BLOCKED = replace(
    DETAIL, restore=replace(RESTORE, invoices=(), blockers=("该操作员正在清卡，请等待完成",))
)
UNSEEN = replace(DETAIL, restore=None, drills=())
UNREADABLE = replace(UNSEEN, restore_problem="没有解密该备份的密钥：没有编号为 3fa9c2 的备份密钥")
SYSTEM = replace(
    UNSEEN, backup=ROWS[3], encryption="", key_id="", restorable=False, can_restore=False
)
DELETED = replace(
    SYSTEM, backup=ROWS[4], copies=(), can_verify=False, can_download=False, can_restore=False
)
READER = replace(UNSEEN, backup=ROWS[2], can_restore=False, can_download=False)

PAGES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "backups": ("backups/list.html", LIST, layout("/backups")),
    "backups-create": ("backups/list.html", CREATING, layout("/backups")),
    "backups-empty": ("backups/list.html", EMPTY, layout("/backups")),
    "backup": ("backups/detail.html", DETAIL, layout("/backups")),
    "backup-restore": ("backups/detail.html", RESTORING, layout("/backups")),
    "backup-blocked": ("backups/detail.html", BLOCKED, layout("/backups")),
    "backup-unseen": ("backups/detail.html", UNSEEN, layout("/backups")),
    "backup-unreadable": ("backups/detail.html", UNREADABLE, layout("/backups")),
    "backup-system": ("backups/detail.html", SYSTEM, layout("/backups")),
    "backup-deleted": ("backups/detail.html", DELETED, layout("/backups")),
    "backup-reader": ("backups/detail.html", READER, layout("/backups")),
}
