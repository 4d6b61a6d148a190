"""The agent at work: devices, their ports, the operations on them, and the watch over them."""

import time
from collections.abc import Callable, Iterable
from datetime import date
from itertools import chain
from typing import TypeVar
from uuid import UUID

from app import __version__
from app.agent import errors
from app.agent.drivers.base import Capability, DeviceRefused, DeviceUnavailable
from app.agent.drivers.registry import FAMILIES
from app.agent.events import EventBuffer
from app.agent.journal import Journal, OperationConflict
from app.agent.managed import ManagedDevice
from app.agent.operations.base import Timing
from app.agent.ports import WorkerPool
from app.agent.scheduler import Scheduler
from app.agent.self_test import SelfTest, self_test
from app.agent.turns import Turns
from app.agent.uevents import Uevents
from app.agent.watch import LOCAL_DRIVERS, Watch
from app.contracts import CONTRACT_VERSION
from app.contracts.devices import (
    AgentStatus,
    BureauView,
    DeviceInfo,
    DeviceInvoice,
    DeviceReading,
    DeviceSummary,
    Statistics,
)
from app.contracts.faults import fault
from app.contracts.operations import (
    Operation,
    OperationRequest,
)
from app.contracts.periods import Period, reported_period
from app.core.clock import Clock
from app.core.logging import get_logger

T = TypeVar("T")

_LONGEST_READ = 120.0
"""Seconds a read may take once it has its port."""

_log = get_logger(__name__)


class Runtime:
    """Thread-safe. `start` takes up what an earlier process left unfinished."""

    def __init__(
        self,
        devices: Iterable[ManagedDevice],
        *,
        journal: Journal,
        pool: WorkerPool,
        events: EventBuffer,
        clock: Clock,
        timing: Timing,
        probe_seconds: float,
        read_wait: float,
    ) -> None:
        self.events = events
        self.journal = journal
        self._devices = tuple(devices)
        self._configured = {
            item.config.number: item for item in self._devices if item.config.number
        }
        self._pool = pool
        self._clock = clock
        self._read_wait = read_wait
        self._scheduler = Scheduler()
        self._watch = Watch(self._devices, self._scheduler, seconds=probe_seconds)
        self._uevents = Uevents(self._watch.look_now)
        self._turns = Turns(
            journal, self._find, pool=pool, scheduler=self._scheduler, clock=clock, timing=timing
        )
        self._started = time.monotonic()
        self._self_tests: dict[int, SelfTest] = {}

    # -- life ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Watch the devices and go on with unfinished operations."""
        simulated = [device.config.transport for device in self._devices if device.simulated]
        if simulated:
            _log.warning(
                "SIMULATED_DEVICES", devices=len(simulated), at=sorted(set(simulated))[:10]
            )
        self._scheduler.start()
        self._watch.start()
        if any(device.config.driver in LOCAL_DRIVERS for device in self._devices):
            self._uevents.start()
        self._turns.start()

    def stop(self, timeout: float = 10.0) -> None:
        """End what can be ended; what is under way goes on at the next start."""
        self._uevents.stop()
        self._turns.stop()
        self._scheduler.close()
        if not self._pool.close(timeout):
            _log.warning("devices_still_answering", advice="their operations are resumed at start")
        self.journal.close()
        for device in self._devices:
            device.driver.close()

    # -- reading ---------------------------------------------------------------------------------

    def status(self) -> AgentStatus:
        """Version, drivers, uptime."""
        return AgentStatus(
            version=__version__,
            contract_version=CONTRACT_VERSION,
            drivers=FAMILIES,
            uptime_seconds=time.monotonic() - self._started,
            devices=len(self._devices),
            simulated=any(device.simulated for device in self._devices),
        )

    def devices(self) -> list[DeviceSummary]:
        """Every device as far as it is known, without asking it."""
        return [device.summary for device in self._devices]

    def read(self, number: str) -> DeviceReading:
        """Information and monitors, read now. Raises `DeviceNotFound` or `DriverError`."""
        device = self._find(number)
        reading = self._on_port(device, device.read)
        if reading.info.number != number:
            raise DeviceRefused(fault("device.number_mismatch"))
        self._turns.release(number)
        return reading

    def statistics(self, number: str, first: date, last: date) -> list[Statistics]:
        """统计 of every authorised type, both days included. Raises like `read`."""
        device = self._find(number)
        _require(device, Capability.STATISTICS)

        def read(info: DeviceInfo) -> list[Statistics]:
            kinds = info.invoice_types
            return [device.driver.read_statistics(info, kind, first, last) for kind in kinds]

        return self._on_port(device, lambda: device.query(read))

    def invoices(self, number: str, period: Period) -> list[DeviceInvoice]:
        """The device's invoices of a month. Raises like `read`."""
        device = self._find(number)
        _require(device, Capability.INVOICES)

        def read(info: DeviceInfo) -> list[DeviceInvoice]:
            kinds = info.invoice_types
            found = (device.driver.read_invoices(info, kind, period) for kind in kinds)
            return list(chain.from_iterable(found))

        return self._on_port(device, lambda: device.query(read))

    def bureau_view(self, number: str) -> BureauView:
        """Where the bureau stands with every authorised type. Raises like `read`.

        Never between the messages of an operation: `device.busy` while one of this device is open.
        """
        device = self._find(number)
        _require(device, Capability.BUREAU_VIEW)

        def ask(info: DeviceInfo) -> BureauView:
            if self.journal.has_unfinished(number):
                raise DeviceUnavailable(fault("device.busy"))
            about = {
                one.invoice_type: reported_period(one.lock_date, one.last_reported_at)
                for one in device.read_monitors(info, info.invoice_types)
            }
            types = tuple(
                one.model_copy(update={"period": about[one.invoice_type]})
                for one in device.driver.bureau_view(info)
            )
            return BureauView(number=number, asked_at=self._clock(), types=types)

        return self._on_port(device, lambda: device.query(ask))

    def self_test(self, place: int) -> SelfTest:
        """自检 of the device at this place in `devices`; what was found is kept. Raises `DriverError`."""
        device = self._devices[place]
        found = self._on_port(device, lambda: self_test(device, self._clock))
        self._self_tests[place] = found
        return found

    def self_tests(self) -> dict[int, SelfTest]:
        """The self-test made last of each device that was tested, by its place."""
        return dict(self._self_tests)

    # -- operations ------------------------------------------------------------------------------

    def submit(self, number: str, request: OperationRequest) -> Operation:
        """Begin the operation, or give the one of the same id. Raises `AgentRefused`."""
        device = self._find(number)
        try:
            operation, created = self.journal.create(request, number, simulated=device.simulated)
        except OperationConflict as error:
            raise errors.OperationConflict from error
        if created:
            _log.info(
                "operation_accepted",
                operation=str(request.id),
                kind=request.kind.value,
                device=number,
                period=request.period,
                origin=request.origin,
            )
            self._turns.begin(request.id, number)
        return operation

    def operation(self, operation_id: UUID) -> Operation:
        """The operation with its steps. Raises `OperationNotFound`."""
        operation = self.journal.find(operation_id)
        if operation is None:
            raise errors.OperationNotFound(operation_id)
        return operation

    def cancel(self, operation_id: UUID) -> Operation:
        """Cancel what has not written to the device yet. Repeating it gives the cancelled operation.

        Raises `OperationNotFound`, `OperationNotCancellable`.
        """
        known = self.operation(operation_id)
        if known.fault is not None and known.fault.code == "agent.cancelled":
            return known
        if not self.journal.cancel(operation_id, fault("agent.cancelled")):
            raise errors.OperationNotCancellable
        _log.info("operation_cancelled", operation=str(operation_id), device=known.device_number)
        return self.operation(operation_id)

    # -- inside ----------------------------------------------------------------------------------

    def _find(self, number: str) -> ManagedDevice:
        if (known := self._configured.get(number)) is not None:
            return known
        for device in self._devices:
            if not device.config.number and device.number == number and number:
                return device
        raise errors.DeviceNotFound(number)

    def _on_port(self, device: ManagedDevice, job: Callable[[], T]) -> T:
        return device.port.call(job, wait=self._read_wait, limit=_LONGEST_READ)


def _require(device: ManagedDevice, capability: Capability) -> None:
    if capability not in device.driver.capabilities:
        raise DeviceRefused(fault("device.operation_unsupported"))
