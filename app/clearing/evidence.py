"""What of clearing is evidence: records, and who asked for and who approved a request.

Their digests are in the audit chain (app.audit.evidence), written in the transaction of the change.
"""

from collections import defaultdict
from collections.abc import Mapping
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from app.audit import evidence
from app.audit.canonical import JSON
from app.audit.evidence import Ids, Kind
from app.clearing.models import ClearingRecord, ClearingRequest, ClearingTarget
from app.core.db import Session
from app.core.guards import Guard

GUARDS = (
    Guard("audit_records", keys=("seq",), serial="seq"),
    Guard("audit_checkpoints"),
    Guard("clearing_records", keys=("id", "request_id,device_id,attempt")),
    Guard("clearing_cleared_types", keys=("device_id,period,invoice_type",)),
)
"""The tables the database itself keeps append-only (migrations 0001 and 0005)."""

APPROVED_COLUMNS = (
    *("id", "number", "batch_id", "operator_id", "enterprise_id", "mode", "kind", "scope"),
    *("invoice_types", "period", "reason", "exceptional"),
    *("requested_by", "requested_by_name", "asked_by", "asked_by_name", "asked_by_kind"),
    *("asked_for", "reviewed_by", "reviewed_by_name"),
    *("review_comment", "reviewed_at", "created_at"),
)
"""What was asked for, by whom, and who decided how: changes only with a record of it."""

WORKING_COLUMNS = (
    *("clearing_date", "contact_name", "contact_phone", "scheduled_for", "override_window"),
    *(
        "checklist",
        "accepted_warnings",
        "open_warnings",
        "state",
        "stage",
        "progress",
        "attempt",
        "message",
    ),
    *("executed_by", "executed_by_name", "started_at", "finished_at", "error_code"),
    *("error_message", "error_remedy", "error_device_code", "error_device_message", "outcome"),
    *("cleared", "remaining", "next_lock_date", "backup_id", "updated_at"),
    *("execution_owner", "execution_number"),
)
"""How far a request is; what came of it is in its records."""


def _devices(session: Session, request_ids: Ids) -> Mapping[UUID, Mapping[str, JSON]]:
    """Which devices each request is for."""
    found: dict[UUID, list[str]] = defaultdict(list)
    rows = session.execute(
        sa.select(col(ClearingTarget.request_id), col(ClearingTarget.device_id))
        .where(col(ClearingTarget.request_id).in_(request_ids))
        .order_by(col(ClearingTarget.position), col(ClearingTarget.device_id))
    )
    for request_id, device_id in rows:
        found[request_id].append(str(device_id))
    return {request_id: {"devices": ids} for request_id, ids in found.items()}


RECORD = Kind("clearing_record", "清卡记录", ClearingRecord)
REQUEST = Kind(
    "clearing_request",
    "清卡申请的提交与审核",
    ClearingRequest,
    columns=APPROVED_COLUMNS,
    object_type="clearing_request",
    alongside=_devices,
)


def of_request(session: Session, request: ClearingRequest) -> dict[str, JSON]:
    """What an audit record says of a request that is new, decided on, or handed over."""
    session.add(request)
    return evidence.seals(session, REQUEST, [request.id])


def of_attempt(session: Session, request: ClearingRequest) -> dict[str, JSON]:
    """What an audit record says of the records an attempt has left, those that no earlier one vouches for."""
    session.flush()
    found = session.scalars(
        sa.select(col(ClearingRecord.id))
        .where(
            col(ClearingRecord.request_id) == request.id,
            col(ClearingRecord.attempt) == request.attempt,
        )
        .order_by(col(ClearingRecord.device_id))
    ).all()
    known = evidence.vouched_for(session, RECORD, REQUEST.object_type, request.id) if found else ()
    ids = [record_id for record_id in found if record_id not in known]
    return evidence.seals(session, RECORD, ids) if ids else {}
