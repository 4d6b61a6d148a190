"""Operations: what changes a device. An operation id is executed at most once, also after a restart."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from pydantic import Field

from app.contracts.devices import InvoiceType, Message
from app.contracts.periods import Period


class OperationKind(StrEnum):
    """What to do."""

    REPORT = "report"  # 抄报
    CLEAR = "clear"  # 清卡
    SET_CLOCK = "set_clock"


class OperationState(StrEnum):
    """`unknown` is not final: the agent keeps reading the device until it knows."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


FINAL_STATES = frozenset({OperationState.SUCCEEDED, OperationState.FAILED})


class OperationRequest(Message):
    """POST /agent/v1/devices/{number}/operations. The same id with another content is refused (409)."""

    id: UUID
    kind: OperationKind
    period: Period | None = Field(default=None, description="required for report and clear")
    invoice_types: tuple[InvoiceType, ...] = Field(
        default=(), description="types to clear; empty means every authorised type"
    )
    tax_no: str | None = Field(default=None, description="refuse when the device's differs")
    exceptional: bool = Field(default=False, description="异常清卡")
    origin: str = Field(default="", max_length=200, description="who asked, for the agent's log")


class StepState(StrEnum):
    """Outcome of one message of a conversation."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNKNOWN = "unknown"


class OperationStep(Message):
    """One message of a conversation, e.g. JKHC of type 007."""

    seq: int
    name: str = Field(
        description="message id of docs/protocols.md, e.g. SJCB, WLCB, QLJS, JKHC, QLJSJGQR"
    )
    invoice_type: InvoiceType | None = None
    state: StepState
    started_at: datetime
    finished_at: datetime | None = None
    message: str = Field(default="", description="Chinese, one line")
    device_code: str = Field(default="", description="the device's or the bureau's own code")
    device_message: str = ""


class Fault(Message):
    """Why something failed: our stable code with what the device itself said."""

    code: str
    message: str
    remedy: str
    retryable: bool = Field(description="a later try may succeed without anybody doing anything")
    device_code: str = ""
    device_message: str = ""
    invoice_type: InvoiceType | None = None
    tries_left: int | None = Field(default=None, description="password tries left, when told")


class TypeOutcome(Message):
    """What happened to one invoice type."""

    invoice_type: InvoiceType
    lock_date_before: date | None = None
    lock_date_after: date | None = None
    reported: bool = False
    cleared: bool = False
    already: bool = Field(default=False, description="it was done before this operation")


class Operation(Message):
    """GET /agent/v1/operations/{id}."""

    id: UUID
    device_number: str
    kind: OperationKind
    period: Period | None
    state: OperationState
    simulated: bool = False
    steps: tuple[OperationStep, ...] = ()
    outcomes: tuple[TypeOutcome, ...] = ()
    fault: Fault | None = None
    created_at: datetime
    updated_at: datetime
