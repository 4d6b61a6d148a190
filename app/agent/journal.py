"""The agent's journal: every operation and every step of it, on disk before the message goes out.

An own SQLite file, separate from any database of the server. Writes of all ports are committed
together by one thread (group commit), each durable before its caller goes on. The file is locked
for this process: two agents on one journal could each execute an operation.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import UUID

from app.agent import journal_rows as rows
from app.agent.drivers.base import COMMIT_STEP
from app.agent.journal_rows import Plan, StepRow, Unfinished
from app.agent.journal_writer import JournalClosed, Writer
from app.contracts.devices import InvoiceType
from app.contracts.operations import (
    FINAL_STATES,
    Fault,
    Operation,
    OperationRequest,
    OperationState,
    OperationStep,
    StepState,
    TypeOutcome,
)
from app.contracts.periods import Period
from app.core.clock import Clock, utc_now


class OperationConflict(Exception):
    """The operation id is already that of an operation with another content."""


class OperationEnded(Exception):
    """The operation is in a final state, which is never left: nothing more is recorded or sent."""


class Journal:
    """Operations and steps. Safe to use from any thread; reads see what was committed."""

    def __init__(self, path: Path, clock: Clock = utc_now) -> None:
        """Raises `sqlite3.OperationalError` when another agent holds the file."""
        self._clock = clock
        self._lock = Lock()
        self._closed = False
        self._revisions: dict[UUID, int] = {}
        self._connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=2
        )
        self._connection.row_factory = sqlite3.Row
        try:
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._connection.executescript(f"BEGIN IMMEDIATE; {rows.SCHEMA} COMMIT;")
        except sqlite3.Error:
            self._connection.close()
            raise
        self._writer = Writer(self._connection, self._lock)

    def close(self) -> None:
        """Commit what was asked for and release the file."""
        self._writer.close()
        with self._lock:
            self._closed = True
            self._connection.close()

    # -- operations ------------------------------------------------------------------------------

    def create(
        self, request: OperationRequest, device: str, *, simulated: bool
    ) -> tuple[Operation, bool]:
        """The operation of this id, and whether it is new. Raises `OperationConflict`."""
        created = self._writer.write(
            lambda connection: self._insert(connection, request, device, simulated)
        )
        known = self._row(request.id)
        if known["device"] != device or rows.content(rows.request(known)) != rows.content(request):
            raise OperationConflict(str(request.id))
        return self._operation(known), created

    def find(self, operation_id: UUID) -> Operation | None:
        """The operation with its steps."""
        try:
            row = self._row(operation_id)
        except KeyError:
            return None
        return self._operation(row)

    def request(self, operation_id: UUID) -> OperationRequest:
        """What was asked for. Raises `KeyError` for an unknown id."""
        return rows.request(self._row(operation_id))

    def state(self, operation_id: UUID) -> OperationState:
        """The state of an operation. Raises `KeyError` for an unknown id."""
        return OperationState(self._row(operation_id)["state"])

    def unfinished(self) -> list[Unfinished]:
        """The operations to take up again, oldest first."""
        with self._reading() as connection:
            found = connection.execute(
                "SELECT id, device FROM operations WHERE state NOT IN (?, ?) ORDER BY rowid",
                tuple(sorted(FINAL_STATES)),
            ).fetchall()
        return [Unfinished(UUID(row["id"]), row["device"]) for row in found]

    def has_unfinished(self, device: str) -> bool:
        """Whether an operation on this device is under way, or waits to go on."""
        return any(one.device == device for one in self.unfinished())

    def has_unknown(self, device: str) -> bool:
        """Whether the outcome of an operation on this device is being found out."""
        with self._reading() as connection:
            found = connection.execute(
                "SELECT 1 FROM operations WHERE device = ? AND state = ? LIMIT 1",
                (device, OperationState.UNKNOWN),
            ).fetchone()
        return found is not None

    def revision(self, operation_id: UUID) -> int:
        """Grows with every change of an operation in this process; cheap enough to poll."""
        return self._revisions.get(operation_id, 0)

    def save(
        self,
        operation_id: UUID,
        *,
        state: OperationState,
        fault: Fault | None = None,
        outcomes: tuple[TypeOutcome, ...] | None = None,
        ended: Sequence[StepRow] = (),
    ) -> None:
        """Set the state with its fault, and commit the steps that ended.

        `outcomes` stay as they are when None. Raises `OperationEnded`.
        """
        values = [state, fault.model_dump_json() if fault else None, self._now()]
        sets = "state = ?, fault = ?, updated_at = ?"
        if outcomes is not None:
            sets += ", outcomes = ?"
            values.append(rows.OUTCOMES.dump_json(outcomes).decode())
        sql = f"UPDATE operations SET {sets} WHERE id = ? AND {rows.IS_OPEN}"
        self._write_open(operation_id, sql, [*values, str(operation_id)], ended)

    def save_plan(self, operation_id: UUID, plan: Plan) -> None:
        """Keep what the operation set out to do, as it begins to run. Raises `OperationEnded`."""
        values = [plan.model_dump_json(), OperationState.RUNNING, self._now(), str(operation_id)]
        sql = (
            "UPDATE operations SET plan = ?, state = ?, updated_at = ?, fault = NULL"
            f" WHERE id = ? AND {rows.IS_OPEN}"
        )
        self._write_open(operation_id, sql, values)

    def cancel(self, operation_id: UUID, why: Fault) -> bool:
        """Fail the operation with `why` unless it has passed its point of no return.

        That is the first step that writes to the device for good; a clock that is being set cannot be
        cancelled either. Whether it was cancelled is decided in the transaction that does it.
        """
        values = [OperationState.FAILED, why.model_dump_json(), self._now(), str(operation_id)]
        return bool(self._write(operation_id, rows.CANCEL, [*values, COMMIT_STEP]))

    def prune(self, before: datetime) -> int:
        """Forget the operations that ended before this time; gives how many."""

        def remove(connection: sqlite3.Connection) -> int:
            connection.execute(rows.PRUNE_STEPS, (before.isoformat(),))
            return connection.execute(rows.PRUNE_OPERATIONS, (before.isoformat(),)).rowcount

        return self._writer.write(remove)

    def latest(self, count: int) -> list[Operation]:
        """The newest operations, newest first."""
        with self._reading() as connection:
            found = connection.execute(
                "SELECT * FROM operations ORDER BY rowid DESC LIMIT ?", (count,)
            ).fetchall()
        return [self._operation(row) for row in found]

    def outcomes(self, operation_id: UUID) -> tuple[TypeOutcome, ...]:
        """What is known so far of what happened to each type."""
        return rows.OUTCOMES.validate_json(self._row(operation_id)["outcomes"])

    def plan(self, operation_id: UUID) -> Plan | None:
        """What the operation set out to do; None before it has read the device."""
        text = self._row(operation_id)["plan"]
        return Plan.model_validate_json(text) if text else None

    # -- steps -----------------------------------------------------------------------------------

    def steps(self, operation_id: UUID) -> list[StepRow]:
        """The steps in order."""
        with self._reading() as connection:
            found = connection.execute(
                "SELECT * FROM steps WHERE operation = ? ORDER BY seq", (str(operation_id),)
            ).fetchall()
        return [rows.step(row) for row in found]

    def add_step(
        self, operation_id: UUID, step: OperationStep, ended: Sequence[StepRow] = ()
    ) -> None:
        """Commit the intent to send a message, and the steps that ended before it.

        Raises `OperationEnded`: then the message must not be sent.
        """
        started = step.started_at.isoformat()
        values = [step.seq, step.name, step.invoice_type, step.state, started, str(operation_id)]
        self._write_open(operation_id, rows.BEGIN_STEP, values, ended)

    def end_steps(self, operation_id: UUID, ended: Sequence[StepRow]) -> None:
        """Commit the steps that ended."""
        sql = "UPDATE operations SET updated_at = ? WHERE id = ?"
        self._write(operation_id, sql, [self._now(), str(operation_id)], ended)

    def recall(
        self, device: str, period: Period, name: str, invoice_type: InvoiceType | None
    ) -> dict[str, str] | None:
        """The payload of the latest such step that succeeded, in any operation of this period."""
        for row in self._earlier(device, period, name, invoice_type):
            if row["state"] == StepState.SUCCEEDED and row["payload"]:
                return rows.PAYLOAD.validate_json(row["payload"])
        return None

    def unfinished_step(
        self, device: str, period: Period, name: str, invoice_type: InvoiceType
    ) -> bool:
        """Whether the latest such step of this period was of an operation that did not succeed."""
        earlier = self._earlier(device, period, name, invoice_type)
        return bool(earlier) and earlier[0]["operation_state"] != OperationState.SUCCEEDED

    # -- inside ----------------------------------------------------------------------------------

    def _earlier(
        self, device: str, period: Period, name: str, invoice_type: InvoiceType | None
    ) -> list[Any]:
        with self._reading() as connection:
            return connection.execute(
                rows.EARLIER_STEPS, (device, period, name, invoice_type)
            ).fetchall()

    def _now(self) -> str:
        return self._clock().isoformat()

    def _insert(
        self,
        connection: sqlite3.Connection,
        request: OperationRequest,
        device: str,
        simulated: bool,
    ) -> bool:
        values = rows.insert_values(request, device, simulated, self._now())
        return connection.execute(rows.INSERT_OPERATION, values).rowcount == 1

    def _row(self, operation_id: UUID) -> sqlite3.Row:
        with self._reading() as connection:
            row: sqlite3.Row | None = connection.execute(
                "SELECT * FROM operations WHERE id = ?", (str(operation_id),)
            ).fetchone()
        if row is None:
            raise KeyError(str(operation_id))
        return row

    def _operation(self, row: sqlite3.Row) -> Operation:
        steps = tuple(item.step for item in self.steps(UUID(row["id"])))
        return rows.operation(row, steps)

    def _write_open(
        self, operation_id: UUID, sql: str, values: list[Any], ended: Sequence[StepRow] = ()
    ) -> None:
        """`_write` of a statement that changes nothing once the operation has ended."""
        if not self._write(operation_id, sql, values, ended):
            raise OperationEnded(str(operation_id))

    def _write(
        self, operation_id: UUID, sql: str, values: list[Any], ended: Sequence[StepRow] = ()
    ) -> int:
        """How many rows `sql` changed. A job never raises here: others share its transaction."""

        def execute(connection: sqlite3.Connection) -> int:
            values_of_ended = [rows.end_values(operation_id, row) for row in ended]
            connection.executemany(rows.END_STEP, values_of_ended)
            return connection.execute(sql, values).rowcount

        changed = self._writer.write(execute)
        self._revisions[operation_id] = self._revisions.get(operation_id, 0) + 1
        return changed

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._closed:
                raise JournalClosed
            yield self._connection
