"""Requests and records as the API shows them."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.clearing import outcomes, queries
from app.clearing.models import (
    ClearingRecord,
    ClearingRequest,
)
from app.clearing.record_schemas import RecordPublic, TotalsPublic
from app.clearing.schemas import (
    AttachmentPublic,
    ErrorPublic,
    RequestPublic,
    StagePublic,
    TypeDatePublic,
)
from app.contracts.faults import is_transient
from app.core.db import Session
from app.invoices import figures

_SAME = set(RequestPublic.model_fields) - {
    "stages",
    "device_ids",
    "error",
    "record_ids",
    "attachments",
    "cleared",
    "remaining",
}


def requests_public(session: Session, requests: Sequence[ClearingRequest]) -> list[RequestPublic]:
    """Several requests with their stages, devices and records: four selects however many there are."""
    ids = [request.id for request in requests]
    stages = queries.stages_of(session, ids)
    targets = queries.targets_of(session, ids)
    records = queries.records_of(session, ids)
    return [
        RequestPublic.model_validate(
            {
                **request.model_dump(include=_SAME),
                "stages": [
                    StagePublic.model_validate(stage.model_dump()) for stage in stages[request.id]
                ],
                "device_ids": [target.device_id for target in targets[request.id]],
                "error": error_public(request),
                "cleared": _dates(request.cleared),
                "remaining": _dates(request.remaining),
                "record_ids": [record.id for record in records[request.id]],
                "attachments": [
                    AttachmentPublic.model_validate(one)
                    for one in (
                        queries.attachments(session, request.id) if request.exceptional else ()
                    )
                ],
            }
        )
        for request in requests
    ]


def request_public(session: Session, request: ClearingRequest) -> RequestPublic:
    """One request."""
    return requests_public(session, [request])[0]


def error_public(request: ClearingRequest) -> ErrorPublic | None:
    """Why it failed, if it did."""
    if request.error_code is None:
        return None
    return ErrorPublic(
        code=request.error_code,
        message=request.error_message or "",
        remedy=request.error_remedy or "",
        retryable=is_transient(request.error_code),
        device_code=request.error_device_code,
        device_message=request.error_device_message,
    )


def record_public(record: ClearingRecord) -> RecordPublic:
    """One record."""
    values = record.model_dump(exclude={"remaining", "device_totals", "ledger_totals", "evidence"})
    return RecordPublic.model_validate(
        {
            **values,
            "outcome": outcomes.of_record(record),
            "remaining": _dates(record.remaining),
            "device_totals": _totals(record.device_totals),
            "ledger_totals": _totals(record.ledger_totals),
        }
    )


def _dates(kept: Sequence[Mapping[str, str]] | None) -> list[TypeDatePublic] | None:
    found = outcomes.from_json(kept)
    return None if found is None else [TypeDatePublic.model_validate(one) for one in found]


def _totals(kept: Sequence[Mapping[str, Any]] | None) -> TotalsPublic | None:
    return None if kept is None else TotalsPublic.of_types(figures.from_json(kept))
