"""Samples of batches."""

from dataclasses import replace
from typing import Any

from app.clearing.contexts.batches import (
    BatchConfirmPage,
    BatchesPage,
    BatchForm,
    BatchPage,
    BatchRow,
    SkippedRow,
)

from .frame import NOW, PEOPLE, layout
from .requests import REQUESTS

BATCH = BatchPage(
    id="b1",
    number="PL202612-000003",
    state="running",
    reason="十二月征期集中清卡",
    created_by="林会计",
    created_at=NOW,
    total=10,
    done=5,
    counts={"running": 1, "succeeded": 3, "failed": 1, "scheduled": 5},
    rows=REQUESTS.rows,
    skipped=(
        SkippedRow("o5", "KP0044", "何静", "clearing.duplicate", "请勿重复清卡：本属期已清卡"),
    ),
    live=True,
    can_control=True,
)


BATCH_PAUSED = replace(BATCH, state="paused")


BATCH_ENDED = replace(BATCH, live=False, rows=(), skipped=(), done=10, can_control=False)


BATCH_NEW = BatchConfirmPage(
    names=tuple(person[0] for person in PEOPLE),
    total=38,
    more=30,
    devices=41,
    form=BatchForm("", ("o0", "o4"), "due", "e1", "0190b5a2-7c3e-7d11-9f4e-2f1c8a6b0d57"),
    can_execute=True,
    errors={"password": "密码不正确", "reason": "必填"},
)


BATCH_NEW_EMPTY = replace(BATCH_NEW, names=(), total=0, more=0, devices=0, errors={})


BATCHES = BatchesPage(
    (
        BatchRow("b1", "PL202612-000003", "running", "十二月征期集中清卡", "林会计", NOW),
        BatchRow("b2", "PL202612-000002", "paused", "门店二补办", "林会计", NOW),
    )
)


PAGES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "batches": ("clearing/batches.html", BATCHES, layout()),
    "batches-empty": ("clearing/batches.html", BatchesPage(()), layout()),
    "batch": ("clearing/batch.html", BATCH, layout()),
    "batch-paused": ("clearing/batch.html", BATCH_PAUSED, layout()),
    "batch-ended": ("clearing/batch.html", BATCH_ENDED, layout()),
    "batch-new": ("clearing/batch_new.html", BATCH_NEW, layout()),
    "batch-new-empty": ("clearing/batch_new.html", BATCH_NEW_EMPTY, layout()),
}
