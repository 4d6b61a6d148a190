"""The table of invoices: the ledger (发票台账)."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.contracts.devices import InvoiceStatus, InvoiceType
from app.core.columns import EnumText, MoneyType, UtcDateTime, one_of
from app.core.ids import new_id
from app.core.money import ZERO


class ClearingStatus(StrEnum):
    """清卡状态 of an invoice."""

    UNCLEARED = "uncleared"
    CLEARED = "cleared"


_ISSUED = sa.text("NOT draft")


class Invoice(SQLModel, table=True):
    """An invoice. `period` is the month (YYYY-MM, Asia/Shanghai) of `issued_at`.

    A draft (未开完的发票) may have no code and number yet. `cleared_by_record_id` names the clearing record
    that cleared it (a table of a feature above; so no foreign key), None when set by hand.
    """

    __tablename__ = "invoices"
    __table_args__ = (
        one_of("invoice_type", InvoiceType),
        one_of("status", InvoiceStatus),
        one_of("clearing_status", ClearingStatus),
        sa.CheckConstraint("length(period) = 7", name="period"),
        sa.CheckConstraint("draft OR number <> ''", name="number"),
        sa.CheckConstraint(
            "cleared_by_record_id IS NULL OR clearing_status = 'cleared'",
            name="cleared_by_record_id",
        ),
        sa.CheckConstraint("NOT (draft AND clearing_status = 'cleared')", name="draft"),
        sa.Index(
            "uq_invoices_device_id_invoice_type_code_number",
            "device_id",
            "invoice_type",
            "code",
            "number",
            unique=True,
            sqlite_where=_ISSUED,
            postgresql_where=_ISSUED,
        ),
        sa.Index(None, "device_id", "period", "invoice_type", "clearing_status"),
        sa.Index(None, "device_id", "issued_at", "id"),
        sa.Index(None, "operator_id", "issued_at", "id"),
        sa.Index(None, "issued_at", "id"),
        sa.Index(None, "number"),
        sa.Index(None, "cleared_by_record_id"),
    )

    id: UUID = Field(default_factory=new_id, sa_column=sa.Column(sa.Uuid, primary_key=True))
    device_id: UUID = Field(
        sa_column=sa.Column(sa.Uuid, sa.ForeignKey("devices.id"), nullable=False)
    )
    operator_id: UUID = Field(
        sa_column=sa.Column(sa.Uuid, sa.ForeignKey("operators.id"), nullable=False)
    )
    invoice_type: InvoiceType = Field(sa_column=sa.Column(EnumText(InvoiceType, 3), nullable=False))
    code: str = Field(
        default="",
        sa_column=sa.Column(sa.String(12), nullable=False, server_default=""),
        description="发票代码; empty where the type has none",
    )
    number: str = Field(
        default="",
        sa_column=sa.Column(sa.String(20), nullable=False, server_default=""),
        description="发票号码",
    )
    issued_at: datetime = Field(
        sa_column=sa.Column(UtcDateTime, nullable=False),
        description="the device's own clock taken as Asia/Shanghai",
    )
    period: str = Field(sa_column=sa.Column(sa.String(7), nullable=False))
    amount: Decimal = Field(
        default=ZERO, sa_column=sa.Column(MoneyType, nullable=False), description="without tax"
    )
    tax: Decimal = Field(default=ZERO, sa_column=sa.Column(MoneyType, nullable=False))
    status: InvoiceStatus = Field(
        default=InvoiceStatus.NORMAL, sa_column=sa.Column(EnumText(InvoiceStatus), nullable=False)
    )
    uploaded: bool = Field(
        default=False, sa_column=sa.Column(sa.Boolean, nullable=False, server_default=sa.false())
    )
    draft: bool = Field(
        default=False, sa_column=sa.Column(sa.Boolean, nullable=False, server_default=sa.false())
    )
    buyer_tax_no: str = Field(
        default="", sa_column=sa.Column(sa.String(20), nullable=False, server_default="")
    )
    buyer_name: str = Field(
        default="", sa_column=sa.Column(sa.String(200), nullable=False, server_default="")
    )
    clearing_status: ClearingStatus = Field(
        default=ClearingStatus.UNCLEARED,
        sa_column=sa.Column(EnumText(ClearingStatus), nullable=False),
    )
    cleared_by_record_id: UUID | None = Field(
        default=None, sa_column=sa.Column(sa.Uuid, nullable=True)
    )
    revision: int = Field(default=1, sa_column=sa.Column(sa.Integer, nullable=False))
    created_at: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
    updated_at: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
