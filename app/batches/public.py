"""Batches as the API shows them."""

from app.accounts.principal import Principal
from app.batches import order_queries, queries
from app.batches.schemas import BatchItem, BatchPublic, RefusedRetry, RetryPublic, Skipped
from app.clearing.models import ClearingBatch, ClearingBatchOrder
from app.clearing.schemas import WarningPublic
from app.clearing.states import BatchTask
from app.contracts.periods import Period
from app.core.db import Session


def batch_public(session: Session, batch: ClearingBatch, principal: Principal) -> BatchPublic:
    """A batch with its requests in short: as many selects however many there are."""
    rows = queries.rows_of_batch(session, batch.id, principal)
    orders = order_queries.orders_of_batch(session, batch.id)
    waiting = sum(len(one.waiting) for one in orders if one.task is BatchTask.CREATE)
    return BatchPublic(
        id=batch.id,
        number=batch.number,
        state=batch.state,
        phase=order_queries.phases(session, [batch])[batch.id],
        total=len(rows) + len(batch.skipped) + waiting,
        waiting=waiting,
        period=Period(batch.period),
        reason=batch.reason,
        created_by=batch.created_by,
        created_at=batch.created_at,
        counts=queries.batch_counts(session, batch.id),
        requests=[
            BatchItem(
                id=row.id,
                number=row.number,
                operator_id=row.operator_id,
                operator_name=name,
                state=row.state,
                outcome=row.outcome,
                progress=row.progress,
                message=row.message,
                error_code=row.error_code,
                open_warnings=[WarningPublic(**one) for one in row.open_warnings],
            )
            for row, name, _ in rows
        ],
        skipped=[Skipped.model_validate(one) for one in batch.skipped],
        retries=[_retry_public(one) for one in orders if one.task is BatchTask.RETRY],
    )


def _retry_public(order: ClearingBatchOrder) -> RetryPublic:
    return RetryPublic(
        created_at=order.created_at,
        asked_by=order.asked_by["display_name"],
        total=order.total,
        waiting=len(order.waiting),
        retried=order.done - len(order.refused),
        refused=[RefusedRetry.model_validate(one) for one in order.refused],
    )
