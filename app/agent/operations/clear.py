"""清卡: write the bureau's ciphertexts into the device, exactly once, and prove it by the lock dates.

What the device shows decides, never what a call returned (docs/domain.md, rule 3). A type is
cleared when its lock date lies in a later month than before the operation. After a lost answer the
device is read; only when it certainly did not act is the same ciphertext, which it takes once, sent
again. Each turn starts from the journal, so a turn after a crash is no different from the next turn.
"""

from datetime import timedelta

from app.agent.drivers.base import (
    COMMIT_STEP,
    CONFIRM_STEP,
    ConfirmationFailed,
    DeviceRefused,
    DriverError,
    OutcomeUnknown,
)
from app.agent.journal_rows import Plan
from app.agent.operations.base import Execution, Next, RunAgain
from app.agent.operations.progress import Progress
from app.contracts.devices import InvoiceType, Monitor
from app.contracts.faults import fault
from app.contracts.operations import Fault, OperationState, StepState, TypeOutcome
from app.contracts.periods import due_period, is_cleared
from app.core.logging import get_logger

_QUICK_CONFIRMS = 3
"""Confirmations tried within the first seconds; later ones follow with growing pauses."""

_log = get_logger(__name__)


class ClearExecution(Execution):
    """Types cleared for the period already are left alone."""

    def run(self) -> Next:
        """Clear, verify, confirm; as far as the device and the bureau let us now."""
        plan = self.context.journal.plan(self.request.id)
        outcomes = self._outcomes_kept()
        if plan is not None and outcomes and all(outcome.cleared for outcome in outcomes):
            return self._confirm(plan)
        try:
            info, now = self.read_checked()
            if plan is None:
                self._require_oldest_first(now)
            plan = self.planned(info, now)
            return self._clear(plan, now)
        except DriverError as error:
            return self._not_readable(error)

    def types_to_do(self, before: tuple[Monitor, ...]) -> tuple[InvoiceType, ...]:
        """Those not yet cleared for the period."""
        return tuple(
            monitor.invoice_type
            for monitor in before
            if not is_cleared(self.period, monitor.lock_date)
        )

    # -- clearing --------------------------------------------------------------------------------

    def _clear(self, plan: Plan, now: tuple[Monitor, ...]) -> Next:
        """Converse until every type is cleared, or one certainly cannot be.

        Raises `DriverError` when the device could not be read.
        """
        progress = self._settled(Progress(plan, self.steps, now))
        failure: DriverError | None = None
        sends = -1
        while self._goes_on(progress, failure, sends):
            sends = self.steps.count_all(COMMIT_STEP)
            failure = self._converse(plan, progress.ours)
            if failure is not None and not self.steps.any_begun(COMMIT_STEP):
                return self._fail(failure.fault, progress)
            progress = self._settled(Progress(plan, self.steps, self._read(plan)))
        return self._conclude(progress, failure)

    def _goes_on(self, progress: Progress, failure: DriverError | None, sends: int) -> bool:
        """Whether another conversation can bring a type that is left further, and may."""
        if not progress.left or progress.sends_used_up or progress.all_taken:
            return False
        if failure is None:
            return True
        if self.steps.count_all(COMMIT_STEP) == sends:
            return False
        # After a refusal of a type that is cleared all the same (已清卡) the others have their turn.
        return isinstance(failure, OutcomeUnknown) or not progress.tried

    def _converse(self, plan: Plan, kinds: tuple[InvoiceType, ...]) -> DriverError | None:
        """One conversation about these types; what it failed with, if it did."""
        conversation = self.conversation(plan.info, kinds)
        try:
            self.device.used(lambda: self.device.driver.clear(conversation, self.steps))
        except DriverError as error:
            return error
        return None

    def _settled(self, progress: Progress) -> Progress:
        """What became of every ciphertext whose answer is missing, found out by reading."""
        progress.record_taken()
        if progress.in_doubt:
            self.wait(self.context.timing.settle)
            progress = Progress(progress.plan, self.steps, self._read(progress.plan))
            progress.record_taken()
        progress.record_not_acted()
        return progress

    def _conclude(self, progress: Progress, failure: DriverError | None) -> Next:
        if not progress.left:
            return self._cleared(progress, failure)
        if progress.all_taken:
            return self._fail(fault("device.lock_date_not_moved"), progress)
        if failure is None:
            message = "清卡信息两次写入都没有应答，读取确认设备没有执行"
            return self._fail(fault("device.timeout", message=message), progress)
        return self._fail(failure.fault, progress)

    def _cleared(self, progress: Progress, failure: DriverError | None) -> Next:
        """The device shows it. That is kept before the bureau is asked any more."""
        if not progress.sent or self.steps.done(CONFIRM_STEP) is not None:
            return self.succeed(progress.outcomes())
        self.save(OperationState.RUNNING, outcomes=progress.outcomes())
        if isinstance(failure, ConfirmationFailed):
            return self._confirm_later()
        return self._confirm(progress.plan)

    # -- confirming ------------------------------------------------------------------------------

    def _confirm(self, plan: Plan) -> Next:
        """Tell the bureau. The device is cleared, and is not needed for this any more."""
        kinds = Progress(plan, self.steps, plan.before).sent
        failure = self._converse(plan, kinds) if kinds else None
        return self._confirm_later() if failure is not None else self._succeed()

    def _confirm_later(self) -> Next:
        if self._gave_up():
            message = "清卡已完成，但向税务端的结果确认未能送达"
            self.steps.end(CONFIRM_STEP, state=StepState.FAILED, message=message)
            _log.error("confirmation_outstanding", operation=str(self.request.id))
            return self._succeed()
        if self.context.attempt < _QUICK_CONFIRMS:
            return RunAgain(0.2 * 2**self.context.attempt)
        return self.pause()

    def _gave_up(self) -> bool:
        since = self.steps.first_begun_at(CONFIRM_STEP)
        limit = timedelta(seconds=self.context.timing.confirm_give_up)
        return since is not None and self.context.clock() - since >= limit

    # -- endings ---------------------------------------------------------------------------------

    def _succeed(self) -> Next:
        return self.succeed(self._outcomes_kept())

    def _fail(self, why: Fault, progress: Progress) -> Next:
        """Types that were cleared before one could not be are confirmed all the same."""
        cleared = progress.sent_and_moved
        if cleared and (failure := self._converse(progress.plan, cleared)) is not None:
            _log.warning("partial_confirmation_failed", code=failure.fault.code)
        return self.fail(why, progress.outcomes())

    def _not_readable(self, error: DriverError) -> Next:
        """Before anything was sent that is a failure; afterwards the outcome is open until it is read."""
        if not self.steps.any_begun(COMMIT_STEP):
            return self.fail(error.fault)
        why = fault(
            "device.outcome_unknown",
            device_code=error.fault.device_code,
            device_message=error.fault.device_message or error.fault.message,
        )
        self.save(OperationState.UNKNOWN, why)
        if error.fault.code == "device.password_wrong":
            return RunAgain(None)
        return self.pause()

    # -- inside ----------------------------------------------------------------------------------

    def _read(self, plan: Plan) -> tuple[Monitor, ...]:
        kinds = tuple(monitor.invoice_type for monitor in plan.before)
        return self.device.read_monitors(plan.info, kinds)

    def _outcomes_kept(self) -> tuple[TypeOutcome, ...]:
        return self.context.journal.outcomes(self.request.id)

    def _require_oldest_first(self, monitors: tuple[Monitor, ...]) -> None:
        for monitor in monitors:
            oldest = due_period(monitor.lock_date)
            if oldest < self.period:
                raise DeviceRefused(
                    fault(
                        "device.several_periods",
                        message=f"更早的属期 {oldest} 尚未清卡",
                        invoice_type=monitor.invoice_type,
                    )
                )
