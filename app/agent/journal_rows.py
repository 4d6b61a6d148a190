"""Rows of the journal and what they mean."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, TypeAdapter

from app.contracts.devices import DeviceInfo, InvoiceType, Monitor
from app.contracts.operations import (
    Fault,
    Operation,
    OperationKind,
    OperationRequest,
    OperationState,
    OperationStep,
    StepState,
    TypeOutcome,
)
from app.contracts.periods import Period

OUTCOMES = TypeAdapter(tuple[TypeOutcome, ...])
PAYLOAD = TypeAdapter(dict[str, str])

SCHEMA = """
CREATE TABLE IF NOT EXISTS operations (
    id TEXT PRIMARY KEY,
    device TEXT NOT NULL,
    kind TEXT NOT NULL,
    period TEXT,
    request TEXT NOT NULL,
    state TEXT NOT NULL,
    simulated INTEGER NOT NULL,
    plan TEXT,
    outcomes TEXT NOT NULL DEFAULT '[]',
    fault TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS operations_open ON operations (state)
    WHERE state NOT IN ('succeeded', 'failed');
CREATE INDEX IF NOT EXISTS operations_device ON operations (device, period);
CREATE TABLE IF NOT EXISTS steps (
    operation TEXT NOT NULL REFERENCES operations (id),
    seq INTEGER NOT NULL,
    name TEXT NOT NULL,
    invoice_type TEXT,
    state TEXT NOT NULL,
    started_at TEXT NOT NULL,
    finished_at TEXT,
    message TEXT NOT NULL DEFAULT '',
    device_code TEXT NOT NULL DEFAULT '',
    device_message TEXT NOT NULL DEFAULT '',
    payload TEXT,
    UNIQUE (operation, seq)
);
"""
END_STEP = """
UPDATE steps SET state = ?, finished_at = ?, message = ?, device_code = ?, device_message = ?, payload = ?
WHERE operation = ? AND seq = ?
"""
INSERT_OPERATION = """
INSERT OR IGNORE INTO operations
    (id, device, kind, period, request, state, simulated, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
IS_OPEN = "state NOT IN ('succeeded', 'failed')"
"""Whether an operation may still change."""

BEGIN_STEP = f"""
INSERT INTO steps (seq, name, invoice_type, state, started_at, operation)
SELECT ?, ?, ?, ?, ?, id FROM operations WHERE id = ? AND {IS_OPEN}
"""
CANCEL = f"""
UPDATE operations SET state = ?, fault = ?, updated_at = ?
WHERE id = ? AND {IS_OPEN} AND (kind <> 'set_clock' OR state = 'queued')
  AND NOT EXISTS (SELECT 1 FROM steps WHERE operation = operations.id AND name = ?)
"""
PRUNE_STEPS = f"""
DELETE FROM steps WHERE operation IN (
    SELECT id FROM operations WHERE NOT {IS_OPEN} AND updated_at < ?
)
"""
PRUNE_OPERATIONS = f"DELETE FROM operations WHERE NOT {IS_OPEN} AND updated_at < ?"
EARLIER_STEPS = """
SELECT steps.state, steps.payload, operations.state AS operation_state FROM steps
JOIN operations ON operations.id = steps.operation
WHERE operations.device = ? AND operations.period = ?
  AND steps.name = ? AND steps.invoice_type IS ?
ORDER BY steps.rowid DESC
"""


class Plan(BaseModel):
    """What an operation set out to do, from the device as it was before anything was changed."""

    info: DeviceInfo
    before: tuple[Monitor, ...]
    invoice_types: tuple[InvoiceType, ...]


@dataclass(slots=True)
class StepRow:
    """A step with what only the agent needs: the payload to resume with."""

    step: OperationStep
    payload: dict[str, str] | None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An operation that is to be taken up again after a restart."""

    id: UUID
    device: str


def operation(row: sqlite3.Row, steps: tuple[OperationStep, ...]) -> Operation:
    """The operation in a row."""
    return Operation(
        id=UUID(row["id"]),
        device_number=row["device"],
        kind=OperationKind(row["kind"]),
        period=Period(row["period"]) if row["period"] else None,
        state=OperationState(row["state"]),
        simulated=bool(row["simulated"]),
        steps=steps,
        outcomes=OUTCOMES.validate_json(row["outcomes"]),
        fault=Fault.model_validate_json(row["fault"]) if row["fault"] else None,
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )


def request(row: sqlite3.Row) -> OperationRequest:
    """What was asked for."""
    return OperationRequest.model_validate_json(row["request"])


def content(asked: OperationRequest) -> dict[str, Any]:
    """What makes two requests the same: everything but who asked."""
    return asked.model_dump(exclude={"origin"})


def step(row: sqlite3.Row) -> StepRow:
    """The step in a row."""
    kind, finished, payload = row["invoice_type"], row["finished_at"], row["payload"]
    known = OperationStep(
        seq=row["seq"],
        name=row["name"],
        invoice_type=InvoiceType(kind) if kind else None,
        state=StepState(row["state"]),
        started_at=datetime.fromisoformat(row["started_at"]),
        finished_at=datetime.fromisoformat(finished) if finished else None,
        message=row["message"],
        device_code=row["device_code"],
        device_message=row["device_message"],
    )
    return StepRow(known, PAYLOAD.validate_json(payload) if payload else None)


def insert_values(
    request: OperationRequest, device: str, simulated: bool, now: str
) -> tuple[str | bool | None, ...]:
    """The values of `INSERT_OPERATION` for an operation that begins now."""
    content = request.model_dump_json()
    queued = OperationState.QUEUED
    identity = str(request.id), device, request.kind, request.period
    return *identity, content, queued, simulated, now, now


def end_values(operation_id: UUID, row: StepRow) -> tuple[str | int | None, ...]:
    """The values of `END_STEP`."""
    known = row.step
    return (
        known.state,
        known.finished_at.isoformat() if known.finished_at else None,
        known.message,
        known.device_code,
        known.device_message,
        PAYLOAD.dump_json(row.payload).decode() if row.payload is not None else None,
        str(operation_id),
        known.seq,
    )
