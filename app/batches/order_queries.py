"""What was ordered of batches: what is still to be carried out, and what came of it."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select

from app.clearing.models import ClearingBatch, ClearingBatchOrder, ClearingRequest
from app.clearing.states import FINAL_STATES, BatchPhase, BatchState, BatchTask
from app.core.db import Session
from app.devices.models import Device, DeviceState

_PART = 200
"""Operators asked for at a time."""


def open_orders(session: Session) -> list[UUID]:
    """Orders that are not carried out yet, the oldest first."""
    statement = (
        select(ClearingBatchOrder.id)
        .where(col(ClearingBatchOrder.finished_at).is_(None))
        .order_by(col(ClearingBatchOrder.id))
    )
    return list(session.exec(statement))


def order_to_work(session: Session, order_id: UUID) -> ClearingBatchOrder | None:
    """The order, locked, if it is still open; None when another process has it or it is done."""
    statement = (
        select(ClearingBatchOrder)
        .where(ClearingBatchOrder.id == order_id, col(ClearingBatchOrder.finished_at).is_(None))
        .with_for_update(skip_locked=True)
    )
    return session.exec(statement).first()


def orders_of_batch(
    session: Session, batch_id: UUID, task: BatchTask | None = None
) -> list[ClearingBatchOrder]:
    """The orders of a batch, oldest first."""
    statement = select(ClearingBatchOrder).where(ClearingBatchOrder.batch_id == batch_id)
    if task is not None:
        statement = statement.where(ClearingBatchOrder.task == task)
    return list(session.exec(statement.order_by(col(ClearingBatchOrder.id))))


def phases(session: Session, batches: Sequence[ClearingBatch]) -> dict[UUID, BatchPhase]:
    """What each of these batches shows: three selects for any number."""
    ids = [one.id for one in batches]
    preparing = set(
        session.exec(
            select(ClearingBatchOrder.batch_id).where(
                col(ClearingBatchOrder.batch_id).in_(ids),
                col(ClearingBatchOrder.finished_at).is_(None),
            )
        )
    )
    going_on = set(
        session.exec(
            select(ClearingRequest.batch_id)
            .where(
                col(ClearingRequest.batch_id).in_(ids),
                col(ClearingRequest.state).not_in(FINAL_STATES),
            )
            .distinct()
        )
    )
    return {one.id: _phase(one, one.id in preparing, one.id in going_on) for one in batches}


def _phase(batch: ClearingBatch, preparing: bool, going_on: bool) -> BatchPhase:
    if not preparing and not going_on:
        return BatchPhase.ENDED
    if batch.state is BatchState.PAUSED:
        return BatchPhase.PAUSED
    return BatchPhase.PREPARING if preparing else BatchPhase.RUNNING


def operators_subs_first(session: Session, operator_ids: Sequence[UUID]) -> list[UUID]:
    """The same operators, those with nothing but sub machines (分机) first; else in the order given.

    A main machine is cleared after its sub machines, whose requests therefore have to be there first.
    """
    with_main: set[UUID] = set()
    for start in range(0, len(operator_ids), _PART):
        statement = select(Device.operator_id).where(
            col(Device.operator_id).in_(operator_ids[start : start + _PART]),
            sa.func.coalesce(col(Device.machine_no), 0) == 0,
            col(Device.state) != DeviceState.RETIRED,
        )
        with_main |= set(session.exec(statement))
    return sorted(operator_ids, key=lambda one: one in with_main)
