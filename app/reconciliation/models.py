"""Tables of reconciliation: the runs, and the differences each one found."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.contracts.devices import InvoiceType
from app.core.columns import EnumText, UtcDateTime, one_of
from app.core.ids import new_id


class DifferenceKind(StrEnum):
    """What does not agree."""

    NUMBER_GAP = "number_gap"  # 断号: numbers missing between the lowest and the highest of a code
    AMOUNT_MISMATCH = "amount_mismatch"  # ledger and device statistics differ
    STATUS_NOT_UPDATED = "status_not_updated"  # record and clearing status of invoices differ
    DUPLICATE_CLEARING = "duplicate_clearing"  # one type and period cleared by two records
    UNAUTHORISED_CLEARING = "unauthorised_clearing"  # cleared without a record, or by nobody


class DifferenceState(StrEnum):
    """Whether somebody has dealt with it."""

    OPEN = "open"
    HANDLED = "handled"


class Handling(StrEnum):
    """How it was dealt with."""

    ACCEPTED = "accepted"  # it is as it is, with a reason
    CORRECTED = "corrected"  # the clearing status of the invoices was corrected by hand


class ReconciliationRun(SQLModel, table=True):
    """One comparison of a period, of one operator or of everybody its maker may see.

    `devices` says of every device whether it could be read, and why not, and (`bureau`, where it was
    asked) what the bureau says of its types beside what the device shows; `bureau_message` sums that up.
    """

    __tablename__ = "reconciliation_runs"
    __table_args__ = (
        sa.CheckConstraint("length(period) = 7", name="period"),
        sa.Index("ix_reconciliation_runs_period_id", "period", "id"),
        sa.Index("ix_reconciliation_runs_operator_id_id", "operator_id", "id"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    period: str = Field(max_length=7)
    operator_id: UUID | None = Field(default=None, foreign_key="operators.id")
    operator_name: str = Field(default="", max_length=80)
    devices: list[dict[str, Any]] = Field(sa_type=sa.JSON)
    bureau_message: str = Field(default="", max_length=500)
    differences: int = 0
    started_by: str = Field(max_length=80)
    started_by_name: str = Field(max_length=120)
    started_at: datetime = Field(sa_type=UtcDateTime)


class ReconciliationDifference(SQLModel, table=True):
    """One difference a run found. `fingerprint` is the same when a later run finds the very same again.

    `details` holds both sides as they were; `subject` tells differences of one kind and type apart (a
    code, a direction, a record).
    """

    __tablename__ = "reconciliation_differences"
    __table_args__ = (
        one_of("kind", DifferenceKind),
        one_of("state", DifferenceState),
        one_of("handling", Handling),
        sa.CheckConstraint(
            "(state = 'handled') = (handled_at IS NOT NULL AND handling IS NOT NULL)",
            name="handled",
        ),
        sa.Index("ix_reconciliation_differences_run_id_id", "run_id", "id"),
        sa.Index("ix_reconciliation_differences_fingerprint_id", "fingerprint", "id"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    run_id: UUID = Field(foreign_key="reconciliation_runs.id")
    kind: DifferenceKind = Field(sa_type=EnumText(DifferenceKind))
    enterprise_id: UUID = Field(foreign_key="enterprises.id", index=True)
    operator_id: UUID = Field(foreign_key="operators.id")
    device_id: UUID = Field(foreign_key="devices.id")
    device_number: str = Field(max_length=12)
    period: str = Field(max_length=7)
    invoice_type: InvoiceType | None = Field(default=None, sa_type=EnumText(InvoiceType, 3))
    subject: str = Field(default="", max_length=80)
    message: str = Field(max_length=500)
    details: dict[str, Any] = Field(sa_type=sa.JSON)
    fingerprint: str = Field(max_length=64)
    state: DifferenceState = Field(default=DifferenceState.OPEN, sa_type=EnumText(DifferenceState))
    handling: Handling | None = Field(default=None, sa_type=EnumText(Handling))
    handled_by: str = Field(default="", max_length=80)
    handled_by_name: str = Field(default="", max_length=120)
    handled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    reason: str = Field(default="", max_length=500)
