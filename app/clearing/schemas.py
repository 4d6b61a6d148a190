"""What the REST API takes and gives about clearing (docs/api.md)."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.clearing.states import (
    ChecklistItem,
    Kind,
    Mode,
    Outcome,
    RequestState,
    Scope,
    Stage,
    StageState,
)
from app.contracts.devices import InvoiceType
from app.contracts.periods import Period

Text = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=500, pattern=r"^[^\x00]*$")
]
ShortText = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=80, pattern=r"^[^\x00]*$")
]
Phone = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=40, pattern=r"^[0-9+\-() 转]*$")
]


AcceptedWarnings = Annotated[
    list[Annotated[str, StringConstraints(max_length=40, pattern=r"^[a-z_.*]+$")]] | None,
    Field(
        max_length=40,
        description="codes of pre-checks whose warnings are accepted; by default none. An API key may "
        'accept all of them (`["*"]`)',
    ),
]
"""A run that meets any other warning stops before anything is touched (`clearing.warnings`)."""


class RequestCreate(BaseModel):
    """POST /clearing-requests."""

    model_config = ConfigDict(extra="forbid")

    operator_id: UUID
    device_ids: list[UUID] | None = Field(default=None, min_length=1, max_length=100)
    mode: Mode = Mode.REGULAR
    kind: Kind = Kind.DEVICE
    scope: Scope = Scope.FULL
    invoice_types: list[InvoiceType] = Field(default_factory=list, max_length=10)
    period: Period
    clearing_date: date | None = Field(
        default=None, description="default: today; a later day starts at 09:00 of that day"
    )
    reason: Annotated[Text, StringConstraints(min_length=1)]
    contact_name: ShortText = ""
    contact_phone: Phone = ""
    scheduled_for: AwareDatetime | None = Field(
        default=None, description="on the clearing date, if that is given as well; never past"
    )
    override_window: bool = False
    exceptional: bool = Field(default=False, description="异常清卡: always reviewed")
    checklist: list[ChecklistItem] = Field(default_factory=list, max_length=20)
    accepted_warnings: AcceptedWarnings = None

    @model_validator(mode="after")
    def _types_fit_scope(self) -> "RequestCreate":
        require_types_fit_scope(self.scope, self.invoice_types)
        return self


class RequestBody(RequestCreate):
    """POST /clearing-requests: a person gives the password where it starts without a review."""

    password: Annotated[str, StringConstraints(max_length=200)] = Field(default="", exclude=True)


def require_types_fit_scope(scope: Scope, invoice_types: Sequence[InvoiceType]) -> None:
    """Raises ValueError."""
    if scope is Scope.PARTIAL and not invoice_types:
        raise ValueError("部分清卡需要选择至少一个发票类型")
    if scope is Scope.FULL and invoice_types:
        raise ValueError("全面清卡不需要选择发票类型")


class WarningPublic(BaseModel):
    """A pre-check that needs care."""

    code: str
    message: str
    remedy: str


class PasswordBody(BaseModel):
    """People confirm with their password."""

    model_config = ConfigDict(extra="forbid")

    password: Annotated[str, StringConstraints(max_length=200)] = ""


class ExecuteBody(PasswordBody):
    """POST …/execute and …/retry: people confirm with their password."""

    accepted_warnings: AcceptedWarnings = None


class ReviewBody(PasswordBody):
    """POST …/approve: people confirm with their password."""

    comment: Text = ""


class RejectBody(BaseModel):
    """POST …/reject."""

    model_config = ConfigDict(extra="forbid")

    comment: Annotated[Text, StringConstraints(min_length=1)]


class ErrorPublic(BaseModel):
    """Why a request failed."""

    code: str
    message: str
    remedy: str
    retryable: bool = Field(description="a later try may succeed without anybody doing anything")
    device_code: str | None = None
    device_message: str | None = None


class ChecklistBody(BaseModel):
    """PATCH …/checklist: the papers that are at hand, all of them."""

    model_config = ConfigDict(extra="forbid")

    items: list[ChecklistItem] = Field(max_length=len(ChecklistItem))


class AttachmentPublic(BaseModel):
    """A document of an exceptional request."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    media_type: str
    size: int
    sha256: str
    added_at: datetime


class StagePublic(BaseModel):
    """One stage of a request."""

    name: Stage
    state: StageState
    started_at: datetime | None
    finished_at: datetime | None
    message: str


class TypeDatePublic(BaseModel):
    """An invoice type of a device with its lock date; null where the device gives none."""

    model_config = ConfigDict(from_attributes=True)

    device_number: str
    invoice_type: InvoiceType
    lock_date: date | None


class RequestPublic(BaseModel):
    """A clearing request with how far it is."""

    id: UUID
    number: str
    state: RequestState
    stage: Stage
    progress: int
    message: str
    stages: list[StagePublic]
    operator_id: UUID
    device_ids: list[UUID]
    mode: Mode
    kind: Kind
    scope: Scope
    invoice_types: list[InvoiceType]
    period: Period
    clearing_date: date
    reason: str
    contact_name: str
    contact_phone: str
    scheduled_for: datetime | None
    override_window: bool
    exceptional: bool
    checklist: list[ChecklistItem]
    attachments: list[AttachmentPublic]
    batch_id: UUID | None
    attempt: int
    accepted_warnings: list[str]
    open_warnings: list[WarningPublic] = Field(
        description="warnings nobody accepted, at which the newest run stopped"
    )
    requested_by: str = Field(description="account or API key that answers for it now")
    requested_by_name: str
    asked_by: str = Field(description="account or API key that first asked; a hand-over keeps it")
    asked_by_name: str
    asked_by_kind: str = Field(description="`account`, `api_key` or `system`")
    asked_for: list[UUID] = Field(
        description="the persons behind, none of whom reviews it: who asked, or whose key did"
    )
    reviewed_by: str | None = Field(
        description="null: not reviewed; the enterprise needs no review, or who executed it holds "
        "`clearing:execute`, which stands in for one"
    )
    review_comment: str | None
    executed_by: str | None
    outcome: Outcome | None = Field(
        description="what the end came to: `cleared` nothing of the period is left, `partial` something is "
        "(a failed request may have cleared some), `already` it was cleared before and nothing was executed"
    )
    cleared: list[TypeDatePublic] | None = Field(
        description="types this request cleared, with their new lock dates; null: not known (yet)"
    )
    remaining: list[TypeDatePublic] | None = Field(
        description="types of the period its devices still have open, with their lock dates"
    )
    next_lock_date: date | None = Field(
        description="the nearest lock date of its devices afterwards, over all types"
    )
    error: ErrorPublic | None
    record_ids: list[UUID]
    backup_id: UUID | None
    started_at: datetime | None
    finished_at: datetime | None
    created_at: datetime
    updated_at: datetime
