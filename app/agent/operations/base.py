"""What all executions share: the device, the journal, and the ways to end."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from threading import Event

from app.agent.drivers.base import COMMIT_STEP, Conversation, DeviceRefused
from app.agent.journal import Journal
from app.agent.journal_rows import Plan
from app.agent.managed import ManagedDevice
from app.agent.recorder import JournalSteps
from app.contracts.devices import DeviceInfo, InvoiceType, Monitor
from app.contracts.faults import fault
from app.contracts.operations import Fault, OperationRequest, OperationState, TypeOutcome
from app.contracts.periods import Period
from app.core.clock import Clock


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds; see `AgentConfig`."""

    settle: float = 3.0
    confirm_give_up: float = 600.0
    longest_pause: float = 15.0


@dataclass(frozen=True, slots=True)
class Context:
    """One turn of an operation on device `number`.

    `attempt` counts the turns in this process, from 0.
    """

    request: OperationRequest
    number: str
    device: ManagedDevice
    journal: Journal
    steps: JournalSteps
    clock: Clock
    timing: Timing
    stopping: Event
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class RunAgain:
    """The operation is not finished: run it again after `seconds`.

    None means: not by itself, only once the device was read successfully, or after a restart.
    """

    seconds: float | None


@dataclass(frozen=True, slots=True)
class Finished:
    """The operation is in a final state."""


Next = RunAgain | Finished


class Stopping(Exception):
    """The agent is being stopped; the journal holds what is needed to go on."""


class Execution(ABC):
    """One turn of an operation on the thread of its port."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.request = context.request
        self.device = context.device
        self.steps = context.steps

    @abstractmethod
    def run(self) -> Next:
        """Do as much as can be done now. Raises no `DriverError`."""

    # -- reading ---------------------------------------------------------------------------------

    def read_checked(self) -> tuple[DeviceInfo, tuple[Monitor, ...]]:
        """The device as it is now, if it is the right one. Raises `DriverError`."""
        info = self.device.read_info()
        self.require_identity(info)
        kinds = self.request.invoice_types or info.invoice_types
        for kind in kinds:
            if kind not in info.invoice_types:
                raise DeviceRefused(fault("device.type_not_authorized", invoice_type=kind))
        return info, self.device.read_monitors(info, kinds)

    def planned(self, info: DeviceInfo, before: tuple[Monitor, ...]) -> Plan:
        """The plan kept in the journal, made from this reading when there is none yet."""
        known = self.context.journal.plan(self.request.id)
        if known is not None:
            self.save(OperationState.RUNNING)
            return known
        plan = Plan(info=info, before=before, invoice_types=self.types_to_do(before))
        self.context.journal.save_plan(self.request.id, plan)
        return plan

    def types_to_do(self, before: tuple[Monitor, ...]) -> tuple[InvoiceType, ...]:
        """Which types the operation has to act on."""
        return tuple(monitor.invoice_type for monitor in before)

    def conversation(self, info: DeviceInfo, kinds: tuple[InvoiceType, ...]) -> Conversation:
        """What the driver is asked to do."""
        return Conversation(info, self.period, kinds, self.request.exceptional)

    @property
    def period(self) -> Period:
        """The period, which reports and clearings always have."""
        if self.request.period is None:
            raise AssertionError("the API refuses a report or clearing without a period")
        return self.request.period

    # -- endings ---------------------------------------------------------------------------------

    def succeed(self, outcomes: tuple[TypeOutcome, ...]) -> Finished:
        """It is done, and the device shows it."""
        self.save(OperationState.SUCCEEDED, None, outcomes)
        self.device.announce()
        return Finished()

    def fail(self, why: Fault, outcomes: tuple[TypeOutcome, ...] | None = None) -> Finished:
        """It did not succeed, and it is known what was done and what was not."""
        self.save(OperationState.FAILED, why, outcomes)
        if self.steps.any_begun(COMMIT_STEP):
            self.device.announce()
        return Finished()

    def pause(self) -> RunAgain:
        """Run again, later each time."""
        return RunAgain(min(self.context.timing.longest_pause, 0.5 * 2**self.context.attempt))

    def wait(self, seconds: float) -> None:
        """Hold the port for a while. Raises `Stopping` when the agent is being stopped."""
        if self.context.stopping.wait(seconds):
            raise Stopping

    def save(
        self,
        state: OperationState,
        why: Fault | None = None,
        outcomes: tuple[TypeOutcome, ...] | None = None,
    ) -> None:
        """Commit the state, with the steps that ended."""
        ended = self.steps.take_ended()
        self.context.journal.save(
            self.request.id, state=state, fault=why, outcomes=outcomes, ended=ended
        )

    def require_identity(self, info: DeviceInfo) -> None:
        """It is the device, and the taxpayer, that is meant. Raises `DeviceRefused`."""
        if info.number != self.context.number:
            message = f"设备编号是 {info.number}，操作的是 {self.context.number}"
            raise DeviceRefused(fault("device.number_mismatch", message=message))
        wanted = self.request.tax_no
        if wanted and wanted.strip().upper() != info.tax_no.strip().upper():
            message = f"设备的纳税人识别号是 {info.tax_no}，登记的是 {wanted}"
            raise DeviceRefused(fault("device.taxpayer_mismatch", message=message))
