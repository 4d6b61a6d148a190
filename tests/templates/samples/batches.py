"""Samples of batches."""

from dataclasses import replace
from typing import Any

from app.batches.contexts import (
    BatchConfirmPage,
    BatchesPage,
    BatchForm,
    BatchPage,
    BatchRow,
    BatchView,
    MemberRow,
    MissingRow,
    RefusedRow,
    RetryView,
    SkippedRow,
    WarningGroup,
)
from app.core.page_parts import Segment
from app.requests.contexts import StartView

from .frame import NOW, PEOPLE, TODAY, layout
from .requests import REQUESTS

WARNINGS = (
    WarningGroup(
        "clearing.recent",
        "距上次清卡 12 天，低于建议间隔 20 天（共 2 项，逐项见明细）",
        "可以继续；会写入审计记录。",
        2,
        ("王晓梅 661814461322：距上次清卡 12 天", "李强 661814461323：距上次清卡 14 天"),
    ),
    WarningGroup(
        "device.clock",
        "设备时钟与系统相差 7 分钟",
        "可以继续；建议先校准设备时钟。会写入审计记录。",
        1,
        ("何静 661814461400：设备时钟与系统相差 7 分钟",),
    ),
)


BATCH = BatchPage(
    id="b1",
    number="PL202612-000003",
    phase="running",
    reason="十二月征期集中清卡",
    created_by="林会计",
    created_at=NOW,
    total=11,
    waiting=0,
    done=4,
    counts={"running": 1, "succeeded": 3, "failed": 1, "scheduled": 5},
    outcomes={"cleared": 1, "already": 1, "partial": 1},
    segments=(
        Segment("全部", "/clearing/batches/b1", current=True, count=11),
        Segment("清卡失败", "/clearing/batches/b1?result=failed", count=1),
        Segment("跳过", "/clearing/batches/b1?result=skipped", count=1),
    ),
    result="",
    rows=REQUESTS.rows,
    gone=(),
    skipped=(
        SkippedRow(
            "o5",
            "KP0044",
            "何静",
            "clearing.duplicate",
            "请勿重复清卡：本属期已清卡",
            "该属期已经清卡，可在“清卡记录”中查看结果。",
        ),
    ),
    show_skipped=True,
    since=NOW,
    can_control=True,
    retriable=2,
)


BATCH_PREPARING = replace(
    BATCH, phase="preparing", total=2000, waiting=1860, rows=(), counts={}, skipped=()
)


BATCH_PAUSED = replace(BATCH, phase="paused")


BATCH_STOPPED = replace(
    BATCH,
    phase="ended",
    done=10,
    counts={"succeeded": 8, "failed": 2},
    outcomes={"cleared": 1, "already": 1, "partial": 1},
    warnings=WARNINGS,
    dialog_open=True,
    retry=RetryView(
        "林会计",
        NOW,
        3,
        0,
        2,
        (
            RefusedRow(
                "q9",
                "QK202612-000009",
                "何静",
                "clearing.in_progress",
                "该设备已有未完成的清卡申请",
                "打开该操作员未完成的清卡申请，等待其结束或取消后再试。",
            ),
        ),
    ),
)


BATCH_REFUSED = replace(
    BATCH_STOPPED, accepted_warnings=("device.clock",), errors={"password": "密码不正确"}
)


BATCH_ENDED = replace(
    BATCH,
    phase="ended",
    rows=(),
    skipped=(),
    total=10,
    done=10,
    counts={"succeeded": 10},
    outcomes={"cleared": 1, "already": 1, "partial": 1},
    can_control=False,
    retriable=0,
)


BATCH_NEW = BatchConfirmPage(
    rows=tuple(
        MemberRow(
            f"o{index}",
            person[0],
            f"KP{index:04d}",
            "南京德茂商贸有限公司",
            (f"66181446{index:04d}",),
            TODAY,
            "2026-11",
            12 * index,
            fate,
            reasons,
        )
        for index, (person, (fate, reasons)) in enumerate(
            zip(
                PEOPLE,
                (
                    (
                        "skip",
                        (("请勿重复清卡：该设备已有未完成的清卡申请", "等待其结束或取消后再试。"),),
                    ),
                    ("fail", (("设备已断开", "插好设备后重试。"),)),
                    ("care", (("设备时钟与系统相差 7 分钟", "可以继续；建议先校准。"),)),
                    ("clear", ()),
                ),
                strict=False,
            )
        )
    ),
    missing=(MissingRow("o9", "赵伟", "KP0003", ("661814477160",)),),
    total=38,
    more=30,
    devices=41,
    form=BatchForm(
        "",
        ("o0", "o4"),
        "due",
        "e1",
        "0190b5a2-7c3e-7d11-9f4e-2f1c8a6b0d57",
        accepted_warnings=("clearing.recent",),
    ),
    start=StartView("每一件提交后立即执行。", proof=True, may_ask=True, by_right=True),
    warnings=WARNINGS,
    blockers=(
        WarningGroup(
            "device.locked",
            "设备 661814461324 已锁死（锁死日期 2026-12-01）（共 2 项，逐项见明细）",
            "携带设备到主管税务机关解锁。",
            2,
            ("赵敏 661814461324：设备已锁死", "周凯 661814461325：设备已锁死"),
        ),
    ),
    read_since=NOW,
    errors={"password": "密码不正确", "reason": "必填"},
)


BATCH_NEW_EMPTY = replace(BATCH_NEW, rows=(), missing=(), total=0, more=0, devices=0, errors={})


BATCHES = BatchesPage(
    (
        BatchRow("b1", "PL202612-000003", "running", "十二月征期集中清卡", "林会计", NOW),
        BatchRow("b3", "PL202612-000004", "ended", "补办", "林会计", NOW),
        BatchRow("b2", "PL202612-000002", "paused", "门店二补办", "林会计", NOW),
    )
)


PAGES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "batches": ("batches/list.html", BATCHES, layout()),
    "batches-empty": ("batches/list.html", BatchesPage(()), layout()),
    "batch": ("batches/detail.html", BatchView(BATCH), layout()),
    "batch-preparing": ("batches/detail.html", BatchView(BATCH_PREPARING), layout()),
    "batch-paused": ("batches/detail.html", BatchView(BATCH_PAUSED), layout()),
    "batch-stopped": ("batches/detail.html", BatchView(BATCH_STOPPED), layout()),
    "batch-refused": ("batches/detail.html", BatchView(BATCH_REFUSED), layout()),
    "batch-ended": ("batches/detail.html", BatchView(BATCH_ENDED), layout()),
    "batch-new": ("batches/new.html", BATCH_NEW, layout()),
    "batch-new-empty": ("batches/new.html", BATCH_NEW_EMPTY, layout()),
}
