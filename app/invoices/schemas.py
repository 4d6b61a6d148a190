"""What the API takes and gives for invoices."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Self
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from app.contracts.devices import InvoiceStatus, InvoiceType
from app.contracts.periods import Period
from app.core.money import ZERO, Money
from app.core.schemas import Input, LongLine, Reason
from app.invoices.figures import Figures, Sum
from app.invoices.models import ClearingStatus

InvoiceCode = Annotated[str, StringConstraints(pattern=r"^([0-9]{10}|[0-9]{12})?$", max_length=12)]
"""发票代码: 10 or 12 digits; empty where the type has none."""

InvoiceNumber = Annotated[str, StringConstraints(pattern=r"^([0-9]{8}|[0-9]{20})?$", max_length=20)]
"""发票号码: 8 digits, or 20 of an all-electronic invoice; empty only in a draft."""

Amount = Annotated[
    Decimal,
    Field(max_digits=16, decimal_places=2, description="yuan"),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d{1,14}(\.\d{1,2})?$"}),
]


IssuedAt = Annotated[
    AwareDatetime,
    Field(ge=datetime(2000, 1, 2, tzinfo=UTC), lt=datetime(2099, 12, 31, tzinfo=UTC)),
]
"""开票时间, with a time zone; years a period can have."""


class InvoiceCreate(Input):
    """An invoice to add to the ledger. Its operator is the device's, its period the month of issue."""

    device_id: UUID
    invoice_type: InvoiceType
    code: InvoiceCode = ""
    number: InvoiceNumber = ""
    issued_at: IssuedAt
    amount: Amount = ZERO
    tax: Amount = ZERO
    status: InvoiceStatus = InvoiceStatus.NORMAL
    uploaded: bool = False
    draft: bool = False
    buyer_tax_no: Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{0,20}$")] = ""
    buyer_name: LongLine = ""

    @model_validator(mode="after")
    def _numbered(self) -> Self:
        if not self.draft and not self.number:
            raise ValueError("发票号码必填（草稿除外）")
        return self


class DraftIssue(Input):
    """POST /invoices/{id}/issue: what was issued. What is left out stays as the draft has it."""

    code: InvoiceCode = ""
    number: Annotated[InvoiceNumber, Field(min_length=8)]
    issued_at: IssuedAt | None = None
    amount: Amount | None = None
    tax: Amount | None = None
    uploaded: bool = False


class InvoiceUpdate(Input):
    """Correct 清卡状态 by hand, when it could not be updated automatically."""

    clearing_status: ClearingStatus
    reason: Reason


class InvoicePublic(BaseModel):
    """An invoice as the API shows it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    device_id: UUID
    operator_id: UUID
    invoice_type: InvoiceType
    code: str
    number: str
    issued_at: datetime
    period: Period
    amount: Money
    tax: Money
    status: InvoiceStatus
    uploaded: bool
    draft: bool
    buyer_tax_no: str
    buyer_name: str
    clearing_status: ClearingStatus
    cleared_by_record_id: UUID | None


class SumPublic(BaseModel):
    """Invoices with their amount without tax, and their tax."""

    model_config = ConfigDict(from_attributes=True)

    count: int
    amount: Money
    tax: Money

    @classmethod
    def of(cls, one: Sum) -> Self:
        """As the API shows it."""
        return cls.model_validate(one)


class FiguresPublic(BaseModel):
    """正数, 红字 and 作废 apart. `net` is 正数 and 红字 together; void ones are counted, never added up."""

    positive: SumPublic
    red: SumPublic = Field(description="its amounts are negative")
    void: SumPublic
    net: SumPublic

    @classmethod
    def of(cls, one: Figures) -> Self:
        """As the API shows it."""
        return cls(
            positive=SumPublic.of(one.positive),
            red=SumPublic.of(one.red),
            void=SumPublic.of(one.void),
            net=SumPublic.of(one.net),
        )
