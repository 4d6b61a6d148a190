"""Requests and records as the API shows them."""

from collections.abc import Sequence

from app.accounts.principal import Principal
from app.clearing import queries
from app.clearing.batch_schemas import BatchItem, BatchPublic, Skipped
from app.clearing.models import ClearingBatch, ClearingRecord, ClearingRequest
from app.clearing.schemas import (
    AttachmentPublic,
    ErrorPublic,
    RecordPublic,
    RequestPublic,
    StagePublic,
    WarningPublic,
)
from app.contracts.periods import Period
from app.core.db import Session

_SAME = set(RequestPublic.model_fields) - {
    "stages",
    "device_ids",
    "error",
    "record_ids",
    "attachments",
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


def batch_public(session: Session, batch: ClearingBatch, principal: Principal) -> BatchPublic:
    """A batch with its requests in short: four selects however many there are."""
    rows = queries.rows_of_batch(session, batch.id, principal)
    return BatchPublic(
        id=batch.id,
        number=batch.number,
        state=batch.state,
        period=Period(batch.period),
        reason=batch.reason,
        created_by=batch.created_by,
        created_at=batch.created_at,
        counts=queries.batch_counts(session, batch.id),
        requests=[
            BatchItem(
                id=row.id,
                number=row.number,
                operator_id=row.operator_id,
                operator_name=name,
                state=row.state,
                progress=row.progress,
                message=row.message,
                error_code=row.error_code,
                open_warnings=[WarningPublic(**one) for one in row.open_warnings],
            )
            for row, name, _ in rows
        ],
        skipped=[Skipped.model_validate(one) for one in batch.skipped],
    )


def error_public(request: ClearingRequest) -> ErrorPublic | None:
    """Why it failed, if it did."""
    if request.error_code is None:
        return None
    return ErrorPublic(
        code=request.error_code,
        message=request.error_message or "",
        remedy=request.error_remedy or "",
        device_code=request.error_device_code,
        device_message=request.error_device_message,
    )


def record_public(record: ClearingRecord) -> RecordPublic:
    """One record."""
    return RecordPublic.model_validate(record)
