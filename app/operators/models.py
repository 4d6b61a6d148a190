"""The table of operators (操作员): who holds devices and issues invoices.

What the list of 清卡管理 shows and sorts by stands in the row itself (lock date, device numbers, last
clearing), kept by `service.set_device_facts`, so that a page costs the same at any size. The search
index (`operator_search…`) is made of tables no model stands for: see `search`.
"""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.core.columns import EnumText, UtcDateTime, one_of
from app.core.ids import new_id

NEVER_READ = date(9999, 12, 31)
"""`urgency` of an operator without a lock date: after all others."""


class Attention(StrEnum):
    """What a clearing under way or failed adds to what the lock date says."""

    NONE = "none"
    RUNNING = "running"
    FAILED = "failed"


class Operator(SQLModel, table=True):
    """An operator. `urgency` is the lock date, or NEVER_READ: an index can sort by it."""

    __tablename__ = "operators"
    __table_args__ = (
        one_of("attention", Attention),
        sa.CheckConstraint("code <> ''", name="code"),
        sa.CheckConstraint("name <> ''", name="name"),
        sa.CheckConstraint("device_count >= 0", name="device_count"),
        sa.CheckConstraint("lock_date < '9999-12-31'", name="lock_date"),
        sa.CheckConstraint("urgency = coalesce(lock_date, '9999-12-31')", name="urgency"),
        sa.UniqueConstraint("code"),
        sa.Index(None, "urgency", "id"),
        # With what a count by state looks at besides, so that the index alone answers it.
        sa.Index("ix_operators_attention", "attention", "urgency", "id", "active", "enterprise_id"),
        sa.Index(None, "enterprise_id", "urgency", "id"),
        # Everything a search filters and sorts by, so that a hit costs one look into an index.
        sa.Index(
            "ix_operators_search_id",
            "search_id",
            "urgency",
            "id",
            "attention",
            "enterprise_id",
            "active",
        ),
    )

    id: UUID = Field(default_factory=new_id, sa_column=sa.Column(sa.Uuid, primary_key=True))
    code: str = Field(sa_column=sa.Column(sa.String(40), nullable=False))
    name: str = Field(sa_column=sa.Column(sa.String(100), nullable=False))
    enterprise_id: UUID = Field(
        sa_column=sa.Column(sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False)
    )
    department: str = Field(
        default="", sa_column=sa.Column(sa.String(100), nullable=False, server_default="")
    )
    phone: str = Field(
        default="", sa_column=sa.Column(sa.String(40), nullable=False, server_default="")
    )
    email: str = Field(
        default="", sa_column=sa.Column(sa.String(254), nullable=False, server_default="")
    )
    active: bool = Field(
        default=True, sa_column=sa.Column(sa.Boolean, nullable=False, server_default=sa.true())
    )
    attention: Attention = Field(
        default=Attention.NONE, sa_column=sa.Column(EnumText(Attention), nullable=False)
    )
    lock_date: date | None = Field(default=None, sa_column=sa.Column(sa.Date, nullable=True))
    urgency: date = Field(default=NEVER_READ, sa_column=sa.Column(sa.Date, nullable=False))
    last_cleared_at: datetime | None = Field(
        default=None, sa_column=sa.Column(UtcDateTime, nullable=True)
    )
    device_count: int = Field(default=0, sa_column=sa.Column(sa.Integer, nullable=False))
    device_numbers: str = Field(
        default="",
        sa_column=sa.Column(sa.Text, nullable=False, server_default=""),
        description="numbers of the devices in use, in order, separated by a space",
    )
    search_id: int | None = Field(
        default=None,
        sa_column=sa.Column(sa.BigInteger, nullable=True),
        description="row of the search index on SQLite; PostgreSQL needs none",
    )
    preferences: dict[str, str] = Field(
        default_factory=dict,
        sa_column=sa.Column(sa.JSON, nullable=False, server_default=sa.text("'{}'")),
        description="personal settings (个人设置), e.g. default invoice type; reset by a full clearing",
    )
    revision: int = Field(default=1, sa_column=sa.Column(sa.Integer, nullable=False))
    created_at: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
    updated_at: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
