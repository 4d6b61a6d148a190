"""校准时钟: set the device's clock to the agent's time, and see that it took."""

from datetime import timedelta

from app.agent.drivers.base import Capability, DriverError
from app.agent.operations.base import Execution, Next
from app.contracts.faults import fault
from app.contracts.operations import OperationState
from app.core.clock import local

TOLERANCE = timedelta(seconds=60)
"""How far the clock may be off after it was set."""


class SetClockExecution(Execution):
    """Repeating it does no harm, so a lost answer is answered by reading the clock."""

    def run(self) -> Next:
        """Set, then read."""
        self.save(OperationState.RUNNING)
        if Capability.SET_CLOCK not in self.device.driver.capabilities:
            return self.fail(fault("device.operation_unsupported"))
        try:
            info = self.device.read_info()
            self.require_identity(info)
            now = local(self.context.clock()).replace(tzinfo=None, microsecond=0)
            self.device.used(lambda: self.device.driver.set_clock(info, now))
            shown = self.device.read_info().clock_at
        except DriverError as error:
            return self.fail(error.fault)
        true_time = local(self.context.clock()).replace(tzinfo=None)
        if abs(shown - true_time) > TOLERANCE:
            return self.fail(fault("device.clock_wrong", message=f"校准后设备时钟仍是 {shown}"))
        return self.succeed(())
