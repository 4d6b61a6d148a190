"""Tables of clearing: requests with their devices, stages and log; number series; records beside it."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.clearing.batch_models import ClearingBatch as ClearingBatch
from app.clearing.batch_models import ClearingBatchOrder as ClearingBatchOrder
from app.clearing.check import Severity
from app.clearing.record_models import ClearedType as ClearedType
from app.clearing.record_models import ClearingRecord as ClearingRecord
from app.clearing.states import (
    Kind,
    Mode,
    Outcome,
    RequestState,
    Scope,
    Stage,
    StageState,
    TargetState,
)
from app.core.columns import EnumText, UtcDateTime, one_of
from app.core.ids import new_id

_JSON = sa.JSON(none_as_null=True)
"""Nothing known is NULL, not the JSON text null."""


class ClearingRequest(SQLModel, table=True):
    """清卡申请: who asks for what to be cleared and why, and how far it is.

    `attempt` counts executions; `origin` is the account or API key that asked, as text for people.
    `outcome`, `cleared`, `remaining` and `next_lock_date` are written with the end of an execution and
    empty before; of requests that ended before they were kept they are not known.
    """

    __tablename__ = "clearing_requests"
    __table_args__ = (
        one_of("mode", Mode),
        one_of("kind", Kind),
        one_of("scope", Scope),
        one_of("state", RequestState),
        one_of("stage", Stage),
        one_of("outcome", Outcome),
        sa.CheckConstraint("progress BETWEEN 0 AND 100", name="progress"),
        sa.Index("ix_clearing_requests_state_id", "state", "id"),
        sa.Index("ix_clearing_requests_operator_id", "operator_id", "id"),
        sa.Index("ix_clearing_requests_batch_id", "batch_id", "id"),
        sa.Index("ix_clearing_requests_due", "state", "scheduled_for", "id"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    number: str = Field(max_length=20, unique=True)
    batch_id: UUID | None = Field(default=None, foreign_key="clearing_batches.id")
    operator_id: UUID = Field(foreign_key="operators.id")
    enterprise_id: UUID = Field(foreign_key="enterprises.id", index=True)
    mode: Mode = Field(sa_type=EnumText(Mode))
    kind: Kind = Field(sa_type=EnumText(Kind))
    scope: Scope = Field(sa_type=EnumText(Scope))
    invoice_types: list[str] = Field(sa_type=sa.JSON)
    period: str = Field(max_length=7)
    clearing_date: date
    reason: str = Field(max_length=500)
    contact_name: str = Field(default="", max_length=80)
    contact_phone: str = Field(default="", max_length=40)
    scheduled_for: datetime | None = Field(default=None, sa_type=UtcDateTime)
    override_window: bool = False
    exceptional: bool = Field(default=False, description="异常清卡")
    checklist: list[str] = Field(default_factory=list, sa_type=sa.JSON)
    accepted_warnings: list[str] = Field(default_factory=list, sa_type=sa.JSON)
    open_warnings: list[dict[str, str]] = Field(
        default_factory=list,
        sa_column=sa.Column(sa.JSON, nullable=False, server_default=sa.text("'[]'")),
        description="warnings nobody accepted, at which the newest run stopped: code, message, remedy",
    )
    state: RequestState = Field(default=RequestState.SUBMITTED, sa_type=EnumText(RequestState))
    stage: Stage = Field(default=Stage.INIT, sa_type=EnumText(Stage))
    progress: int = 0
    attempt: int = 0
    execution_owner: str = Field(
        default="", sa_column=sa.Column(sa.String(64), nullable=False, server_default="")
    )
    execution_number: int = Field(
        default=0, sa_column=sa.Column(sa.Integer, nullable=False, server_default="0")
    )
    message: str = Field(default="", max_length=500)
    requested_by: str = Field(max_length=80)
    requested_by_name: str = Field(max_length=120)
    asked_by: str = Field(
        default="", max_length=80, sa_column_kwargs={"server_default": ""}, nullable=False
    )
    asked_by_name: str = Field(
        default="", max_length=120, sa_column_kwargs={"server_default": ""}, nullable=False
    )
    asked_by_kind: str = Field(
        default="", max_length=16, sa_column_kwargs={"server_default": ""}, nullable=False
    )
    asked_for: list[str] = Field(
        default_factory=list,
        sa_column=sa.Column(sa.JSON, nullable=False, server_default=sa.text("'[]'")),
    )
    reviewed_by: str | None = Field(default=None, max_length=80)
    reviewed_by_name: str | None = Field(default=None, max_length=120)
    review_comment: str | None = Field(default=None, max_length=500)
    reviewed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    executed_by: str | None = Field(default=None, max_length=80)
    executed_by_name: str | None = Field(default=None, max_length=120)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error_code: str | None = Field(default=None, max_length=80)
    error_message: str | None = Field(default=None, max_length=500)
    error_remedy: str | None = Field(default=None, max_length=500)
    error_device_code: str | None = Field(default=None, max_length=80)
    error_device_message: str | None = Field(default=None, max_length=500)
    outcome: Outcome | None = Field(default=None, sa_type=EnumText(Outcome))
    cleared: list[dict[str, str]] | None = Field(
        default=None,
        sa_type=_JSON,
        description="types this request cleared: device_number, invoice_type, lock_date",
    )
    remaining: list[dict[str, str]] | None = Field(
        default=None, sa_type=_JSON, description="types of the period still open, in the same form"
    )
    next_lock_date: date | None = Field(
        default=None, description="the nearest lock date of its devices, whatever the type"
    )
    backup_id: UUID | None = Field(default=None, foreign_key="backups.id")
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class ClearingAttachment(SQLModel, table=True):
    """A document of an exceptional request (异常清卡)."""

    __tablename__ = "clearing_attachments"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    request_id: UUID = Field(foreign_key="clearing_requests.id", index=True)
    name: str = Field(max_length=200)
    media_type: str = Field(max_length=100)
    size: int
    sha256: str = Field(max_length=64)
    content: bytes = Field(sa_type=sa.LargeBinary)
    added_by: str = Field(max_length=80)
    added_at: datetime = Field(sa_type=UtcDateTime)


class ClearingTarget(SQLModel, table=True):
    """One device of a request. `open` holds the device for this request: one open request a device."""

    __tablename__ = "clearing_targets"
    __table_args__ = (
        one_of("state", TargetState),
        sa.Index(
            "uq_clearing_targets_open_device",
            "device_id",
            unique=True,
            sqlite_where=sa.text("open"),
            postgresql_where=sa.text("open"),
        ),
    )

    request_id: UUID = Field(foreign_key="clearing_requests.id", primary_key=True)
    device_id: UUID = Field(foreign_key="devices.id", primary_key=True)
    position: int
    device_number: str = Field(max_length=12)
    open: bool = True
    state: TargetState = Field(default=TargetState.WAITING, sa_type=EnumText(TargetState))
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    report_operation_id: UUID | None = None
    clear_operation_id: UUID | None = None
    already: bool = False
    types: list[dict[str, Any]] = Field(default_factory=list, sa_type=sa.JSON)
    steps: list[dict[str, Any]] = Field(default_factory=list, sa_type=sa.JSON)
    device_totals: list[dict[str, Any]] | None = Field(
        default=None,
        sa_type=_JSON,
        description="the device's own statistics of the period, read before it was cleared",
    )


class ClearingStage(SQLModel, table=True):
    """One of the four stages of the newest attempt."""

    __tablename__ = "clearing_stages"
    __table_args__ = (one_of("name", Stage), one_of("state", StageState))

    request_id: UUID = Field(foreign_key="clearing_requests.id", primary_key=True)
    name: Stage = Field(primary_key=True, sa_type=EnumText(Stage))
    state: StageState = Field(default=StageState.WAITING, sa_type=EnumText(StageState))
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    message: str = Field(default="", max_length=500)


class ClearingCheck(SQLModel, table=True):
    """A pre-check as an attempt found it; attempt 0 is what was seen when the request was submitted.

    `evidence` is what it looked at, in order: label and value. `accepted`: a warning that was accepted.
    """

    __tablename__ = "clearing_checks"
    __table_args__ = (one_of("severity", Severity),)

    request_id: UUID = Field(foreign_key="clearing_requests.id", primary_key=True)
    attempt: int = Field(primary_key=True)
    position: int = Field(primary_key=True)
    code: str = Field(max_length=40)
    severity: Severity = Field(sa_type=EnumText(Severity))
    message: str = Field(max_length=500)
    remedy: str = Field(default="", max_length=500)
    device_number: str = Field(default="", max_length=12)
    evidence: list[dict[str, str]] = Field(sa_type=sa.JSON)
    accepted: bool = False
    at: datetime = Field(sa_type=UtcDateTime)


class ClearingEvent(SQLModel, table=True):
    """One line of a request's process log."""

    __tablename__ = "clearing_events"
    __table_args__ = (sa.Index("ix_clearing_events_request_id_id", "request_id", "id"),)

    id: int | None = Field(
        default=None,
        sa_column=sa.Column(sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    )
    request_id: UUID = Field(foreign_key="clearing_requests.id")
    at: datetime = Field(sa_type=UtcDateTime)
    level: str = Field(default="info", max_length=10)
    text: str = Field(max_length=500)


class EngineProcess(SQLModel, table=True):
    """A process that executes clearings, as long as it says so; another takes a silent one's work over."""

    __tablename__ = "engine_processes"

    executor_id: str = Field(max_length=64, primary_key=True)
    seen_at: datetime = Field(sa_type=UtcDateTime)


class NumberSeries(SQLModel, table=True):
    """The last number given out in a series, e.g. QK202611."""

    __tablename__ = "number_series"

    name: str = Field(max_length=20, primary_key=True)
    value: int
