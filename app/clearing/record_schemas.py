"""What the REST API gives about clearing records."""

from datetime import date, datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.clearing.schemas import TypeDatePublic
from app.clearing.states import (
    Kind,
    Mode,
    Outcome,
    Result,
    Scope,
)
from app.contracts.devices import InvoiceType
from app.contracts.periods import Period
from app.core.money import Money
from app.invoices.figures import ByType, total
from app.invoices.schemas import FiguresPublic


class TypeTotalsPublic(FiguresPublic):
    """Figures of one type."""

    invoice_type: InvoiceType


class TotalsPublic(FiguresPublic):
    """Figures of all types together, and of each."""

    types: list[TypeTotalsPublic]

    @classmethod
    def of_types(cls, found: ByType) -> Self:
        """As the API shows them."""
        all_types = FiguresPublic.of(total(found.values()))
        return cls(
            **dict(all_types),
            types=[
                TypeTotalsPublic(**dict(FiguresPublic.of(one)), invoice_type=kind)
                for kind, one in sorted(found.items())
            ],
        )


class RecordPublic(BaseModel):
    """An immutable clearing record."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    request_id: UUID
    attempt: int
    operator_id: UUID
    operator_name: str
    device_id: UUID
    device_number: str
    mode: Mode
    kind: Kind
    scope: Scope
    period: Period
    invoice_types: list[InvoiceType]
    result: Result
    outcome: Outcome | None = Field(
        description="of a success: `cleared`, `partial` or `already` (nothing was executed); null: unknown"
    )
    already: bool
    simulated: bool
    error_code: str | None
    error_message: str | None
    started_at: datetime
    finished_at: datetime
    executed_by: str
    executed_by_name: str
    approved_by: str | None
    approved_by_name: str | None
    lock_date_before: date | None
    lock_date_after: date | None = Field(description="of the types of this record")
    next_lock_date: date | None = Field(description="the device's nearest one, over all its types")
    remaining: list[TypeDatePublic] | None = Field(
        description="types of the period the device still has open; null: not known"
    )
    invoices_cleared: int = Field(description="invoices of the ledger marked as cleared, void too")
    amount: Money = Field(description="their net: 正数 and 红字 together, void ones not summed")
    tax: Money
    device_totals: TotalsPublic | None = Field(
        description="the period by the device's own statistics; null: it gave none"
    )
    ledger_totals: TotalsPublic | None = Field(
        description="the same types and period by the ledger at that moment"
    )
    backup_id: UUID | None
