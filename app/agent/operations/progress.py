"""How far a clearing has come: the plan, the steps recorded, and the lock dates as read just now."""

from dataclasses import dataclass

from app.agent.drivers.base import COMMIT_STEP
from app.agent.journal_rows import Plan
from app.agent.recorder import JournalSteps
from app.contracts.devices import InvoiceType, Monitor
from app.contracts.operations import StepState, TypeOutcome
from app.contracts.periods import Period


@dataclass(frozen=True, slots=True)
class Progress:
    """Pure questions, but for `record_taken` and `record_not_acted`, which end steps."""

    plan: Plan
    steps: JournalSteps
    now: tuple[Monitor, ...]

    @property
    def left(self) -> tuple[InvoiceType, ...]:
        """Planned types whose lock date does not lie in a later month than before."""
        before = {monitor.invoice_type: monitor.lock_date for monitor in self.plan.before}
        moved = {
            monitor.invoice_type
            for monitor in self.now
            if Period.of(monitor.lock_date) > Period.of(before[monitor.invoice_type])
        }
        return tuple(kind for kind in self.plan.invoice_types if kind not in moved)

    @property
    def sent(self) -> tuple[InvoiceType, ...]:
        """Planned types whose ciphertext the device took."""
        kinds = self.plan.invoice_types
        return tuple(kind for kind in kinds if self.steps.done(COMMIT_STEP, kind) is not None)

    @property
    def sent_and_moved(self) -> tuple[InvoiceType, ...]:
        """Those of them that the device shows as cleared."""
        left = self.left
        return tuple(kind for kind in self.sent if kind not in left)

    @property
    def ours(self) -> tuple[InvoiceType, ...]:
        """Planned types but those that somebody else cleared meanwhile."""
        left, sent = self.left, self.sent
        return tuple(kind for kind in self.plan.invoice_types if kind in left or kind in sent)

    @property
    def in_doubt(self) -> bool:
        """Whether a type should have moved, or may be about to, and has not."""
        return any(
            self.steps.interrupted(COMMIT_STEP, kind)
            or self.steps.done(COMMIT_STEP, kind) is not None
            for kind in self.left
        )

    @property
    def sends_used_up(self) -> bool:
        """Whether a type that is left was sent its ciphertext as often as it may be."""
        return any(self.steps.count(COMMIT_STEP, kind) >= MOST_SENDS for kind in self.left)

    @property
    def all_taken(self) -> bool:
        """Whether the device took every ciphertext, whatever the lock dates say."""
        return all(self.steps.done(COMMIT_STEP, kind) is not None for kind in self.left)

    @property
    def tried(self) -> bool:
        """Whether a type that is left was sent its ciphertext."""
        return any(self.steps.count(COMMIT_STEP, kind) for kind in self.left)

    def record_taken(self) -> None:
        """A ciphertext that was sent and whose type has moved was taken, whatever was answered."""
        left = self.left
        for monitor in self.now:
            kind = monitor.invoice_type
            sent = kind in self.plan.invoice_types and self.steps.count(COMMIT_STEP, kind)
            if sent and kind not in left and self.steps.done(COMMIT_STEP, kind) is None:
                message = f"读取确认：锁死日期已变为 {monitor.lock_date}"
                self.steps.end(COMMIT_STEP, kind, message=message)

    def record_not_acted(self) -> None:
        """What is still without an outcome after the settling time was not acted upon."""
        for kind in self.plan.invoice_types:
            if self.steps.interrupted(COMMIT_STEP, kind):
                message = "读取确认：设备没有执行"
                self.steps.end(COMMIT_STEP, kind, state=StepState.FAILED, message=message)

    def outcomes(self) -> tuple[TypeOutcome, ...]:
        """What happened to each type asked for."""
        after = {monitor.invoice_type: monitor.lock_date for monitor in self.now}
        left, sent = self.left, self.sent
        return tuple(
            TypeOutcome(
                invoice_type=monitor.invoice_type,
                lock_date_before=monitor.lock_date,
                lock_date_after=after[monitor.invoice_type],
                reported=monitor.invoice_type not in left,
                cleared=monitor.invoice_type not in left,
                already=monitor.invoice_type not in (*left, *sent),
            )
            for monitor in self.plan.before
        )


MOST_SENDS = 2
"""How often a ciphertext is sent: once, and once more when the device certainly did not act."""
