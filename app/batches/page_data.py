"""Builds what a batch's page shows, whole or only what changed."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from app.accounts.principal import Permission, Principal
from app.batches import order_queries, queries
from app.batches.contexts import BatchPage, RefusedRow, RetryView, SkippedRow, WarningGroup
from app.batches.warnings import grouped
from app.clearing.models import ClearingBatchOrder, ClearingRequest
from app.clearing.states import FINAL_STATES, BatchTask, RequestState
from app.core.clock import Clock
from app.core.db import Session
from app.core.page_parts import Segment
from app.prechecks.forecast import Case
from app.requests.contexts import RequestRow
from app.requests.service import approval

LOOKED_BACK = timedelta(seconds=10)
"""A change is looked for this long after its time: its transaction may have taken a while."""

SKIPPED = "skipped"
RESULTS: Mapping[str, tuple[str, frozenset[RequestState]]] = {
    "open": ("未结束", frozenset(RequestState) - FINAL_STATES - {RequestState.NEEDS_ATTENTION}),
    "failed": ("清卡失败", frozenset({RequestState.FAILED})),
    "needs_attention": ("结果待查", frozenset({RequestState.NEEDS_ATTENTION})),
    "succeeded": ("清卡成功", frozenset({RequestState.SUCCEEDED, RequestState.CONFIRMED})),
    "turned_down": ("驳回与取消", frozenset({RequestState.REJECTED, RequestState.CANCELLED})),
    SKIPPED: ("跳过", frozenset()),
}
"""What a batch's requests are filtered by: the word, and the states."""

Row = tuple[ClearingRequest, str, str]


def build(
    session: Session,
    batch_id: UUID,
    principal: Principal,
    clock: Clock,
    *,
    result: str = "",
    since: datetime | None = None,
) -> BatchPage:
    """The page as it stands; `since`: of its rows only those that changed from then on."""
    now = clock()
    found = queries.visible_batch(session, batch_id, principal)
    orders = order_queries.orders_of_batch(session, batch_id)
    changed = None if since is None else since - LOOKED_BACK
    rows = queries.rows_of_batch(session, batch_id, principal, changed_since=changed)
    counts = queries.batch_counts(session, batch_id)
    waiting = sum(len(one.waiting) for one in orders if one.task is BatchTask.CREATE)
    shown = [row for row in rows if _matches(result, row[0].state)]
    return BatchPage(
        id=str(found.id),
        number=found.number,
        phase=order_queries.phases(session, [found])[found.id],
        reason=found.reason,
        created_by=found.created_by_name,
        created_at=found.created_at,
        total=sum(counts.values()) + len(found.skipped) + waiting,
        waiting=waiting,
        done=sum(count for state, count in counts.items() if state in FINAL_STATES),
        counts={state.value: count for state, count in counts.items()},
        outcomes={
            outcome.value: count
            for outcome, count in queries.outcome_counts(session, batch_id).items()
        },
        segments=tuple(_segments(batch_id, counts, len(found.skipped), result)),
        result=result,
        rows=tuple(_row(*row) for row in shown),
        gone=tuple(str(row[0].id) for row in rows if not _matches(result, row[0].state)),
        skipped=tuple(SkippedRow(**one) for one in found.skipped),
        show_skipped=result in ("", SKIPPED) and _may_differ(orders, changed),
        since=now,
        can_control=principal.can(Permission.CLEARING_EXECUTE),
        retriable=sum(
            approval.may_retry(session, one, principal)
            for one in queries.requests_of_batch(session, batch_id, principal, RequestState.FAILED)
        ),
        retry=_retry(orders),
        warnings=_open_warnings(session, batch_id, principal, rows if since is None else None),
    )


def _matches(result: str, state: RequestState) -> bool:
    return not result or state in RESULTS[result][1]


def _may_differ(orders: Sequence[ClearingBatchOrder], changed: datetime | None) -> bool:
    """Whether somebody may have been left out since then: only while requests are made."""
    made = [one for one in orders if one.task is BatchTask.CREATE]
    return changed is None or any(
        one.finished_at is None or one.finished_at >= changed for one in made
    )


def _row(row: ClearingRequest, name: str, enterprise: str) -> RequestRow:
    return RequestRow(
        id=str(row.id),
        number=row.number,
        state=row.state,
        operator_name=name,
        enterprise=enterprise,
        period=row.period,
        mode=row.mode,
        scope=row.scope,
        requested_by=row.requested_by_name,
        created_at=row.created_at,
        progress=row.progress,
        message=row.error_message or row.message,
        outcome=row.outcome or "",
    )


def _segments(
    batch_id: UUID, counts: Mapping[RequestState, int], skipped: int, current: str
) -> list[Segment]:
    """All, and each result there is any of, or that is filtered by."""
    here = f"/clearing/batches/{batch_id}"
    found = [Segment("全部", here, not current, sum(counts.values()) + skipped)]
    for result, (label, states) in RESULTS.items():
        count = skipped if result == SKIPPED else sum(counts.get(one, 0) for one in states)
        if count or result == current:
            found.append(Segment(label, f"{here}?result={result}", result == current, count))
    return found


def _retry(orders: Sequence[ClearingBatchOrder]) -> RetryView | None:
    newest = next((one for one in reversed(orders) if one.task is BatchTask.RETRY), None)
    if newest is None:
        return None
    return RetryView(
        asked_by=newest.asked_by["display_name"],
        asked_at=newest.created_at,
        total=newest.total,
        waiting=len(newest.waiting),
        retried=newest.done - len(newest.refused),
        refused=tuple(RefusedRow(**one) for one in newest.refused),
    )


def _open_warnings(
    session: Session, batch_id: UUID, principal: Principal, rows: Sequence[Row] | None
) -> tuple[WarningGroup, ...]:
    """At which failed requests stopped."""
    if rows is None:
        rows = queries.rows_of_batch(session, batch_id, principal)
    return grouped(
        Case(f"{name}（{row.number}）", one["code"], one["message"], one["remedy"])
        for row, name, _ in rows
        if row.state is RequestState.FAILED
        for one in row.open_warnings
    )
