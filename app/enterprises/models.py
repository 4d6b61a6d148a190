"""The table of enterprises (企业, 纳税人)."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.core.columns import EnumText, UtcDateTime, one_of
from app.core.ids import new_id


class FilingCycle(StrEnum):
    """申报周期. A quarterly filer still reports and clears every month (docs/domain.md, rule 6)."""

    MONTHLY = "monthly"
    QUARTERLY = "quarterly"


class Enterprise(SQLModel, table=True):
    """A taxpayer. `revision` counts the changes of the row and is its ETag."""

    __tablename__ = "enterprises"
    __table_args__ = (
        one_of("filing_cycle", FilingCycle),
        sa.CheckConstraint("length(tax_no) IN (15, 17, 18, 20)", name="tax_no"),
        sa.CheckConstraint("name <> ''", name="name"),
        sa.UniqueConstraint("tax_no"),
        sa.Index(None, "name", "id"),
    )

    id: UUID = Field(default_factory=new_id, sa_column=sa.Column(sa.Uuid, primary_key=True))
    tax_no: str = Field(sa_column=sa.Column(sa.String(20), nullable=False))
    name: str = Field(sa_column=sa.Column(sa.String(200), nullable=False))
    tax_authority_code: str = Field(
        default="", sa_column=sa.Column(sa.String(11), nullable=False, server_default="")
    )
    tax_authority_name: str = Field(
        default="", sa_column=sa.Column(sa.String(200), nullable=False, server_default="")
    )
    filing_cycle: FilingCycle = Field(
        default=FilingCycle.MONTHLY, sa_column=sa.Column(EnumText(FilingCycle), nullable=False)
    )
    contact_name: str = Field(
        default="", sa_column=sa.Column(sa.String(100), nullable=False, server_default="")
    )
    contact_phone: str = Field(
        default="", sa_column=sa.Column(sa.String(40), nullable=False, server_default="")
    )
    contact_email: str = Field(
        default="", sa_column=sa.Column(sa.String(254), nullable=False, server_default="")
    )
    review_required: bool = Field(
        default=True, sa_column=sa.Column(sa.Boolean, nullable=False, server_default=sa.true())
    )
    revision: int = Field(default=1, sa_column=sa.Column(sa.Integer, nullable=False))
    created_at: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
    updated_at: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
