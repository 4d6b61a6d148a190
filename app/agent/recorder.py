"""The steps of one operation: what a driver records, kept in the journal."""

from datetime import datetime
from uuid import UUID

from app.agent.journal import Journal
from app.agent.journal_rows import StepRow
from app.contracts.devices import InvoiceType
from app.contracts.operations import OperationStep, StepState
from app.contracts.periods import Period
from app.core.clock import Clock

_OPEN = frozenset({StepState.RUNNING, StepState.UNKNOWN})


class JournalSteps:
    """A `StepRecorder`. Loaded from the journal, so that a new process goes on where another ended."""

    def __init__(
        self, journal: Journal, operation_id: UUID, device: str, period: Period | None, clock: Clock
    ) -> None:
        self._journal = journal
        self._operation_id = operation_id
        self._device = device
        self._period = period
        self._clock = clock
        self._rows = journal.steps(operation_id)
        self._ended: list[StepRow] = []

    def begin(self, name: str, invoice_type: InvoiceType | None = None) -> None:
        """Commit the intent."""
        step = OperationStep(
            seq=len(self._rows) + 1,
            name=name,
            invoice_type=invoice_type,
            state=StepState.RUNNING,
            started_at=self._clock(),
        )
        self._journal.add_step(self._operation_id, step, self.take_ended())
        self._rows.append(StepRow(step, None))

    def end(
        self,
        name: str,
        invoice_type: InvoiceType | None = None,
        *,
        state: StepState = StepState.SUCCEEDED,
        message: str = "",
        device_code: str = "",
        device_message: str = "",
        payload: dict[str, str] | None = None,
    ) -> None:
        """Set the outcome of the latest such step; committed with the next thing that is.

        Raises `KeyError` when none was begun.
        """
        row = self._last(name, invoice_type)
        if row is None:
            raise KeyError(name)
        change = {
            "state": state,
            "finished_at": self._clock(),
            "message": message,
            "device_code": device_code or row.step.device_code,
            "device_message": device_message or row.step.device_message,
        }
        row.step, row.payload = row.step.model_copy(update=change), payload
        if row not in self._ended:
            self._ended.append(row)

    def take_ended(self) -> list[StepRow]:
        """The steps that ended and are not committed yet; the caller commits them."""
        ended, self._ended = self._ended, []
        return ended

    def flush(self) -> None:
        """Commit the steps that ended."""
        if self._ended:
            self._journal.end_steps(self._operation_id, self.take_ended())

    def done(self, name: str, invoice_type: InvoiceType | None = None) -> dict[str, str] | None:
        """The payload of the latest such step that succeeded, {} when it had none."""
        for row in reversed(self._rows):
            if _is(row, name, invoice_type) and row.step.state is StepState.SUCCEEDED:
                return row.payload or {}
        return None

    def interrupted(self, name: str, invoice_type: InvoiceType | None = None) -> bool:
        """Whether the latest such step has no known outcome."""
        row = self._last(name, invoice_type)
        return row is not None and row.step.state in _OPEN

    def recall(self, name: str, invoice_type: InvoiceType | None = None) -> dict[str, str] | None:
        """What any operation on this device and period recorded for such a step."""
        if self._period is None:
            return None
        return self._journal.recall(self._device, self._period, name, invoice_type)

    def count(self, name: str, invoice_type: InvoiceType | None = None) -> int:
        """How often such a step was begun."""
        return sum(_is(row, name, invoice_type) for row in self._rows)

    def count_all(self, name: str) -> int:
        """How often such a step was begun, for any invoice type."""
        return sum(row.step.name == name for row in self._rows)

    def any_begun(self, name: str) -> bool:
        """Whether such a step was begun for any invoice type."""
        return any(row.step.name == name for row in self._rows)

    def first_begun_at(self, name: str) -> datetime | None:
        """When such a step was begun for the first time."""
        return next((row.step.started_at for row in self._rows if row.step.name == name), None)

    def _last(self, name: str, invoice_type: InvoiceType | None) -> StepRow | None:
        return next((row for row in reversed(self._rows) if _is(row, name, invoice_type)), None)


def _is(row: StepRow, name: str, invoice_type: InvoiceType | None) -> bool:
    return row.step.name == name and row.step.invoice_type == invoice_type
