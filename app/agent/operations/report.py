"""抄报: bring the totals of every type to the bureau. Safe to run again at any point."""

from app.agent.drivers.base import REPORT_STEP, DeviceRefused, DriverError
from app.agent.operations.base import Execution, Next
from app.contracts.devices import DeviceInfo, InvoiceType, Monitor
from app.contracts.faults import fault
from app.contracts.operations import TypeOutcome
from app.contracts.periods import Period, due_period, is_cleared, is_reported


class ReportExecution(Execution):
    """Types that were reported for the period already are left alone."""

    def run(self) -> Next:
        """Read, check, report."""
        try:
            info, before = self.read_checked()
            plan = self.planned(info, before)
            if plan.invoice_types:
                require_due(info, before, self.period, plan.invoice_types)
                conversation = self.conversation(info, plan.invoice_types)
                self.device.used(lambda: self.device.driver.report(conversation, self.steps))
        except DriverError as error:
            return self.fail(error.fault)
        done = set(plan.invoice_types)
        return self.succeed(tuple(self._outcome(monitor, done) for monitor in plan.before))

    def types_to_do(self, before: tuple[Monitor, ...]) -> tuple[InvoiceType, ...]:
        """Those the device has not reported, or whose sealed totals may not have reached the bureau."""
        return tuple(
            monitor.invoice_type
            for monitor in before
            if not is_reported(self.period, monitor.lock_date, monitor.last_reported_at)
            or self._undelivered(monitor)
        )

    def _undelivered(self, monitor: Monitor) -> bool:
        return not is_cleared(
            self.period, monitor.lock_date
        ) and self.context.journal.unfinished_step(
            self.context.number, self.period, REPORT_STEP, monitor.invoice_type
        )

    def _outcome(self, monitor: Monitor, done: set[InvoiceType]) -> TypeOutcome:
        return TypeOutcome(
            invoice_type=monitor.invoice_type,
            lock_date_before=monitor.lock_date,
            lock_date_after=monitor.lock_date,
            reported=True,
            cleared=is_cleared(self.period, monitor.lock_date),
            already=monitor.invoice_type not in done,
        )


def require_due(
    info: DeviceInfo,
    monitors: tuple[Monitor, ...],
    period: Period,
    kinds: tuple[InvoiceType, ...],
) -> None:
    """The period is over by the device's clock, and no older one is open. Raises `DeviceRefused`."""
    if period >= Period.of(info.clock_at):
        raise DeviceRefused(
            fault("device.not_due", message=f"设备时钟在 {info.clock_at:%Y-%m}，{period} 尚未结束")
        )
    for monitor in monitors:
        oldest = min(due_period(monitor.lock_date), Period.of(monitor.report_from))
        if monitor.invoice_type in kinds and oldest < period:
            raise DeviceRefused(
                fault(
                    "device.several_periods",
                    message=f"更早的属期 {oldest} 尚未抄报清卡",
                    invoice_type=monitor.invoice_type,
                )
            )
