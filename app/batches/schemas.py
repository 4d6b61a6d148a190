"""What the REST API takes and gives about batches (docs/api.md)."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from app.clearing.schemas import (
    AcceptedWarnings,
    PasswordBody,
    Phone,
    ShortText,
    Text,
    WarningPublic,
)
from app.clearing.states import BatchPhase, BatchState, Kind, Mode, Outcome, RequestState, Scope
from app.contracts.devices import InvoiceType
from app.contracts.periods import Period
from app.operators.states import ClearingState
from app.prechecks.choice import Order


class BatchCreate(BaseModel):
    """POST /clearing-batches: operators by id, or all in a state (default: those that are due).

    Without `period` each operator's own due period is cleared.
    """

    model_config = ConfigDict(extra="forbid")

    operator_ids: list[UUID] = Field(default_factory=list, max_length=2000)
    state: ClearingState = ClearingState.DUE
    enterprise_id: UUID | None = None
    mode: Mode = Mode.REGULAR
    kind: Kind = Kind.DEVICE
    scope: Scope = Scope.FULL
    invoice_types: list[InvoiceType] = Field(default_factory=list, max_length=10)
    period: Period | None = None
    reason: Annotated[Text, StringConstraints(min_length=1)]
    contact_name: ShortText = ""
    contact_phone: Phone = ""
    clearing_date: date | None = None
    scheduled_for: AwareDatetime | None = None
    override_window: bool = False
    accepted_warnings: AcceptedWarnings = None
    password: Annotated[str, StringConstraints(max_length=200)] = Field(default="", exclude=True)

    @property
    def order(self) -> Order:
        """What is to be cleared, without who asks and when."""
        return Order(
            self.mode,
            self.kind,
            self.scope,
            self.invoice_types,
            self.period,
            self.override_window,
        )


class BatchItem(BaseModel):
    """One request of a batch, in short."""

    id: UUID
    number: str
    operator_id: UUID
    operator_name: str
    state: RequestState
    outcome: Outcome | None = Field(description="of a success: cleared, partial or already")
    progress: int
    message: str
    error_code: str | None
    open_warnings: list[WarningPublic]


class Skipped(BaseModel):
    """An operator who was left out, and why."""

    operator_id: UUID
    operator_code: str
    operator_name: str
    code: str
    message: str
    remedy: str = ""


class RefusedRetry(BaseModel):
    """A failed request that could not be tried again, and why."""

    request_id: UUID
    number: str
    operator_name: str
    code: str
    message: str
    remedy: str = ""


class RetryPublic(BaseModel):
    """One order to try the failed requests again: so many were asked for, `waiting` ones are still to come."""

    created_at: datetime
    asked_by: str
    total: int
    waiting: int
    retried: int
    refused: list[RefusedRetry]


class BatchPublic(BaseModel):
    """GET /clearing-batches/{id}.

    `state` is whether it may start requests, `phase` how far it is; `total` operators are meant, for `waiting`
    of them no request has been made yet.
    """

    id: UUID
    number: str
    state: BatchState
    phase: BatchPhase
    total: int
    waiting: int
    period: Period
    reason: str
    created_by: str
    created_at: datetime
    counts: dict[RequestState, int]
    requests: list[BatchItem]
    skipped: list[Skipped]
    retries: list[RetryPublic]


class RetryFailedBody(PasswordBody):
    """POST /clearing-batches/{id}/retry-failed."""

    accepted_warnings: AcceptedWarnings = None
