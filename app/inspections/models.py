"""The table of inspections (定期检查)."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.core.columns import EnumText, UtcDateTime, one_of
from app.core.ids import new_id


class InspectionKind(StrEnum):
    """Why it is made."""

    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    ON_DEMAND = "on_demand"


class InspectionState(StrEnum):
    """How far it is."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"


class Inspection(SQLModel, table=True):
    """One inspection. `sections` holds the finished parts of the report by name: a restart goes on after them.

    `label` names the month or quarter it is for, and is unique among the scheduled ones of a kind.
    `severity` is the worst of the sections: ok, warning or blocking; empty until done.
    """

    __tablename__ = "inspections"
    __table_args__ = (
        one_of("kind", InspectionKind),
        one_of("state", InspectionState),
        sa.Index(
            "uq_inspections_schedule",
            "kind",
            "label",
            unique=True,
            sqlite_where=sa.text("kind <> 'on_demand'"),
            postgresql_where=sa.text("kind <> 'on_demand'"),
        ),
        sa.Index("ix_inspections_state_id", "state", "id"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    kind: InspectionKind = Field(sa_type=EnumText(InspectionKind))
    label: str = Field(max_length=20)
    state: InspectionState = Field(
        default=InspectionState.PENDING, sa_type=EnumText(InspectionState)
    )
    severity: str = Field(default="", max_length=10)
    sections: dict[str, Any] = Field(default_factory=dict, sa_type=sa.JSON)
    requested_by: str = Field(default="", max_length=80)
    requested_by_name: str = Field(max_length=120)
    created_at: datetime = Field(sa_type=UtcDateTime)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    leased_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    lease: str = Field(default="", max_length=64)
