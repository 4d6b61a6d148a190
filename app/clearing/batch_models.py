"""Tables of batches: one confirmation for many operators, and what was ordered with it."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.clearing.states import BatchState, BatchTask
from app.core.columns import EnumText, UtcDateTime, one_of
from app.core.ids import new_id


class ClearingBatch(SQLModel, table=True):
    """批量清卡: many requests with one confirmation. `skipped` says who was left out, and why."""

    __tablename__ = "clearing_batches"
    __table_args__ = (one_of("state", BatchState),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    number: str = Field(max_length=20, unique=True)
    state: BatchState = Field(default=BatchState.RUNNING, sa_type=EnumText(BatchState))
    period: str = Field(max_length=7)
    reason: str = Field(max_length=500)
    skipped: list[dict[str, str]] = Field(default_factory=list, sa_type=sa.JSON)
    created_by: str = Field(max_length=80)
    created_by_name: str = Field(max_length=120)
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class ClearingBatchOrder(SQLModel, table=True):
    """What somebody ordered of a batch: requests to be made, or failed ones to be tried again.

    It is carried out in portions, each a transaction of its own that takes the first ids off `waiting`
    (operators of a `create`, requests of a `retry`) and leaves what came of them. `asked_by` is the principal
    who confirmed it, `wanted` the parameters. `refused` says which requests could not be tried again, and
    why; operators left out stand in the batch's `skipped`.
    """

    __tablename__ = "clearing_batch_orders"
    __table_args__ = (
        one_of("task", BatchTask),
        sa.Index("ix_clearing_batch_orders_finished_at", "finished_at", "id"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    batch_id: UUID = Field(foreign_key="clearing_batches.id", index=True)
    task: BatchTask = Field(sa_type=EnumText(BatchTask))
    asked_by: dict[str, Any] = Field(sa_type=sa.JSON)
    wanted: dict[str, Any] = Field(sa_type=sa.JSON)
    total: int
    waiting: list[str] = Field(sa_type=sa.JSON)
    refused: list[dict[str, str]] = Field(default_factory=list, sa_type=sa.JSON)
    created_at: datetime = Field(sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    @property
    def done(self) -> int:
        """How many have been dealt with, whatever came of them."""
        return self.total - len(self.waiting)
