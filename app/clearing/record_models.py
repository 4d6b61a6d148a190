"""Tables of what was done: immutable clearing records, and which types of a device they cleared."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.clearing.states import Kind, Mode, Outcome, Result, Scope
from app.core.columns import EnumText, MoneyType, UtcDateTime, one_of
from app.core.ids import new_id

_JSON = sa.JSON(none_as_null=True)


class ClearingRecord(SQLModel, table=True):
    """清卡记录: the immutable result of one execution on one device.

    The database refuses every UPDATE and DELETE. `evidence` keeps the lock date before and after of
    every type, the messages exchanged with their codes, and which types had been cleared before.

    `lock_date_after` is that of the types this execution dealt with, `next_lock_date` the nearest of all
    types of the device, `remaining` what of the period is still open. `device_totals` and `ledger_totals`
    are the figures (app.invoices.figures) of the record's types for the period, as the device's own
    statistics and as the ledger had them; `amount` and `tax` are the net, without void ones, of the
    invoices this execution marked as cleared, `invoices_cleared` counts them all. None: not known.
    """

    __tablename__ = "clearing_records"
    __table_args__ = (
        one_of("mode", Mode),
        one_of("kind", Kind),
        one_of("scope", Scope),
        one_of("result", Result),
        one_of("outcome", Outcome),
        sa.UniqueConstraint("request_id", "device_id", "attempt"),
        sa.Index("ix_clearing_records_operator_id_id", "operator_id", "id"),
        sa.Index("ix_clearing_records_device_id_id", "device_id", "id"),
        sa.Index("ix_clearing_records_period_id", "period", "id"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    request_id: UUID = Field(foreign_key="clearing_requests.id")
    attempt: int
    operator_id: UUID = Field(foreign_key="operators.id")
    operator_name: str = Field(max_length=80)
    enterprise_id: UUID = Field(foreign_key="enterprises.id", index=True)
    device_id: UUID = Field(foreign_key="devices.id")
    device_number: str = Field(max_length=12)
    mode: Mode = Field(sa_type=EnumText(Mode))
    kind: Kind = Field(sa_type=EnumText(Kind))
    scope: Scope = Field(sa_type=EnumText(Scope))
    period: str = Field(max_length=7)
    invoice_types: list[str] = Field(sa_type=sa.JSON)
    result: Result = Field(sa_type=EnumText(Result))
    already: bool = False
    simulated: bool = False
    error_code: str | None = Field(default=None, max_length=80)
    error_message: str | None = Field(default=None, max_length=500)
    started_at: datetime = Field(sa_type=UtcDateTime)
    finished_at: datetime = Field(sa_type=UtcDateTime)
    executed_by: str = Field(max_length=80)
    executed_by_name: str = Field(max_length=120)
    approved_by: str | None = Field(default=None, max_length=80)
    approved_by_name: str | None = Field(default=None, max_length=120)
    lock_date_before: date | None = None
    lock_date_after: date | None = None
    invoices_cleared: int = 0
    amount: Decimal = Field(default=Decimal(0), sa_type=MoneyType)
    tax: Decimal = Field(default=Decimal(0), sa_type=MoneyType)
    outcome: Outcome | None = Field(default=None, sa_type=EnumText(Outcome))
    remaining: list[dict[str, str]] | None = Field(default=None, sa_type=_JSON)
    next_lock_date: date | None = None
    device_totals: list[dict[str, Any]] | None = Field(default=None, sa_type=_JSON)
    ledger_totals: list[dict[str, Any]] | None = Field(default=None, sa_type=_JSON)
    backup_id: UUID | None = Field(default=None, foreign_key="backups.id")
    evidence: dict[str, Any] = Field(sa_type=sa.JSON)


class ClearedType(SQLModel, table=True):
    """That a type of a device is cleared for a period: at most once, kept by the primary key."""

    __tablename__ = "clearing_cleared_types"

    device_id: UUID = Field(foreign_key="devices.id", primary_key=True)
    period: str = Field(max_length=7, primary_key=True)
    invoice_type: str = Field(max_length=3, primary_key=True)
    record_id: UUID = Field(foreign_key="clearing_records.id", index=True)
