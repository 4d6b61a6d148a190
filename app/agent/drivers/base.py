"""What every driver of a tax-control device offers, and how its calls fail.

A driver holds the knowledge of one family of hardware. It is called from one thread at a time (the
runtime gives each physical port its own worker), blocks while the device answers, and keeps no state
that a restart would miss: whatever must survive is in the journal of the runtime.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from app.contracts.devices import (
    BureauTypeView,
    DeviceInfo,
    DeviceInvoice,
    DeviceKind,
    InvoiceType,
    Monitor,
    Statistics,
)
from app.contracts.operations import Fault, StepState
from app.contracts.periods import Period


class DriverError(Exception):
    """A call to a device or the bureau did not succeed. `fault` says why, in our codes and theirs."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"{fault.code}: {fault.message} {fault.device_code}".strip())
        self.fault = fault


class DeviceRefused(DriverError):
    """The device or the bureau understood and said no. Nothing changed; trying again alone won't help."""


class DeviceUnavailable(DriverError):
    """It could not be reached, or certainly did not act. Safe to try again."""


class OutcomeUnknown(DriverError):
    """The message may or may not have taken effect: read the device, never send blindly again."""


class ConfirmationFailed(DriverError):
    """The device is cleared; only telling the bureau so (QLJSJGQR) did not succeed. Confirm again later."""


REPORT_STEP = "SJCB"
"""The step that seals one invoice type's totals."""
DELIVER_STEP = "WLCB"
"""The step that brings the sealed totals to the bureau."""
COMMIT_STEP = "JKHC"
"""The only step whose effect is for good, one per invoice type; every family names it so.

The runtime resolves an interrupted one by reading the device before it calls `Driver.clear` again.
"""
CONFIRM_STEP = "QLJSJGQR"
"""The step that tells the bureau that the device was cleared."""


class StepRecorder(Protocol):
    """How a conversation tells the runtime what it is about to do and what came of it.

    `begin` is durable before it returns (the intent is committed to the journal); `end` is durable with
    the next `begin` at the latest: a step whose end was lost counts as interrupted.
    `done` gives what an earlier run of the same operation recorded for this step with state
    `succeeded`, so that a resumed conversation goes on at the right message; `interrupted` says that an
    earlier run began this step and never learned its outcome (not ended, or ended as `unknown`).
    `recall` gives what the latest earlier operation on the same device and period recorded as
    succeeded for this step: totals that were sealed but not delivered are not sealed again.
    """

    def begin(self, name: str, invoice_type: InvoiceType | None = None) -> None: ...

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
    ) -> None: ...

    def done(self, name: str, invoice_type: InvoiceType | None = None) -> dict[str, str] | None: ...

    def interrupted(self, name: str, invoice_type: InvoiceType | None = None) -> bool: ...

    def recall(
        self, name: str, invoice_type: InvoiceType | None = None
    ) -> dict[str, str] | None: ...


class Capability(StrEnum):
    """What a device can do beyond being read, reported and cleared."""

    STATISTICS = "statistics"
    INVOICES = "invoices"
    SET_CLOCK = "set_clock"
    BUREAU_VIEW = "bureau_view"


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a report or a clearing is asked to do."""

    info: DeviceInfo
    period: Period
    invoice_types: tuple[InvoiceType, ...]
    exceptional: bool = False


@runtime_checkable
class Driver(Protocol):
    """A device behind one of the transports of docs/protocols.md, sections 4 and 5.

    Every method may raise `DeviceRefused` or `DeviceUnavailable`; only those that change the device
    may raise `OutcomeUnknown`.
    """

    family: str
    kind: DeviceKind
    capabilities: frozenset[Capability]
    transport: str

    def probe(self) -> str:
        """The device number, read in the cheapest way; used to notice plugging and unplugging."""

    def read_info(self) -> DeviceInfo:
        """设备信息."""

    def read_monitor(self, info: DeviceInfo, invoice_type: InvoiceType) -> Monitor:
        """监控数据 of one type: its lock date and report period."""

    def read_statistics(
        self, info: DeviceInfo, invoice_type: InvoiceType, first: date, last: date
    ) -> Statistics:
        """统计 of one type, both days included."""

    def read_invoices(
        self, info: DeviceInfo, invoice_type: InvoiceType, period: Period
    ) -> list[DeviceInvoice]:
        """The invoices of one type and month."""

    def report(self, conversation: Conversation, steps: StepRecorder) -> None:
        """抄报: bring every given type's sealed totals to the bureau. Safe to run again."""

    def clear_groups(self, invoice_types: tuple[InvoiceType, ...]) -> list[tuple[InvoiceType, ...]]:
        """Which types clear together on this kind of device (docs/domain.md, rule 4)."""

    def clear(self, conversation: Conversation, steps: StepRecorder) -> None:
        """清卡: fetch the clearing ciphertexts, write them into the device, confirm to the bureau.

        The runtime reads the device before and after; a type whose lock date already lies in a later
        month is not among `conversation.invoice_types`. Resumes by what `steps` remembers.
        """

    def set_clock(self, info: DeviceInfo, at: datetime) -> None:
        """校准时钟 to `at` (naive Asia/Shanghai). Repeating it does no harm."""

    def bureau_reachable(self, info: DeviceInfo) -> bool | None:
        """Whether the tax bureau answers; None where the hardware talks to it by itself.

        Cheap enough for every read: what was found is kept for some seconds. Raises nothing.
        """

    def bureau_view(self, info: DeviceInfo) -> tuple[BureauTypeView, ...]:
        """Where the bureau stands with every authorised type, for the period reported last.

        Changes nothing at the device, and nothing about a later clearing.
        """

    def close(self) -> None:
        """Let go of the port; the next call opens it again."""
