"""What the REST API takes and gives about reconciliation."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from app.contracts.devices import BureauState, InvoiceType
from app.contracts.periods import Period
from app.core.schemas import Input, Reason
from app.reconciliation import service
from app.reconciliation.bureau import Agreement, OwnState
from app.reconciliation.findings import Findings
from app.reconciliation.models import (
    DifferenceKind,
    DifferenceState,
    Handling,
    ReconciliationDifference,
    ReconciliationRun,
)


class ReconciliationCreate(Input):
    """POST /reconciliations. Without an operator all visible devices are compared.

    `ask_bureau`: the bureau is asked for its view of every device as well (同步税务信息).
    """

    period: Period
    operator_id: UUID | None = None
    ask_bureau: bool = False


class DifferenceAction(StrEnum):
    """How a difference is dealt with."""

    ACCEPT = "accept"
    CORRECT = "correct"


class DifferenceHandle(Input):
    """POST /reconciliations/{id}/differences/{id}."""

    action: DifferenceAction
    reason: Reason


class DifferencePublic(BaseModel):
    """One difference. `id` is null while it is only shown and not kept."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID | None
    kind: DifferenceKind
    state: DifferenceState
    operator_id: UUID
    device_id: UUID
    device_number: str
    period: Period
    invoice_type: InvoiceType | None
    message: str
    details: dict[str, Any]
    handling: Handling | None
    handled_by: str
    handled_by_name: str
    handled_at: datetime | None
    reason: str


class BureauTypePublic(BaseModel):
    """One type: the bureau's state for the period, the device's, and whether they agree."""

    model_config = ConfigDict(from_attributes=True)

    invoice_type: InvoiceType
    bureau: BureauState
    message: str
    own: OwnState
    agreement: Agreement


class BureauPublic(BaseModel):
    """What the bureau says of a device. Without types, `message` says why."""

    model_config = ConfigDict(from_attributes=True)

    asked_at: datetime | None
    message: str
    agreement: Agreement
    types: list[BureauTypePublic]


class ComparedDevice(BaseModel):
    """A device that took part. `read` False: `message` says what could not be read.

    `bureau` is null when the bureau was not asked.
    """

    device_id: UUID
    number: str
    read: bool
    message: str
    bureau: BureauPublic | None = None


class ReconciliationPublic(BaseModel):
    """The differences of a period, by kind. `id` is null for one that is only shown, not kept."""

    id: UUID | None
    period: Period
    operator_id: UUID | None
    started_by_name: str
    started_at: datetime
    bureau_message: str
    counts: dict[DifferenceKind, int]
    devices: list[ComparedDevice]
    differences: list[DifferencePublic]


def shown(
    findings: Findings, rows: Sequence[ReconciliationDifference], *, name: str, at: datetime
) -> ReconciliationPublic:
    """A comparison that is not kept."""
    differences = [DifferencePublic.model_validate(row) for row in rows]
    return ReconciliationPublic(
        id=None,
        period=findings.scope.period,
        operator_id=findings.scope.operator_id,
        started_by_name=name,
        started_at=at,
        bureau_message=findings.bureau_message,
        counts=service.counts_by_kind(rows),
        devices=[
            ComparedDevice(
                device_id=device.device_id,
                number=device.number,
                read=read.complete,
                message=read.message,
                bureau=BureauPublic.model_validate(read.bureau) if read.bureau else None,
            )
            for device, read in findings.devices
        ],
        differences=[one.model_copy(update={"id": None}) for one in differences],
    )


def kept(run: ReconciliationRun, rows: Sequence[ReconciliationDifference]) -> ReconciliationPublic:
    """A run."""
    return ReconciliationPublic(
        id=run.id,
        period=Period(run.period),
        operator_id=run.operator_id,
        started_by_name=run.started_by_name,
        started_at=run.started_at,
        bureau_message=run.bureau_message,
        counts=service.counts_by_kind(rows),
        devices=[ComparedDevice.model_validate(device) for device in run.devices],
        differences=[DifferencePublic.model_validate(row) for row in rows],
    )
