"""The agent at work: devices, their ports, the operations on them, and the watch over them."""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from itertools import chain
from threading import Event, Lock
from typing import TypeVar
from uuid import UUID

from app import __version__
from app.agent import errors
from app.agent.drivers.base import COMMIT_STEP, Capability, DeviceRefused
from app.agent.drivers.registry import FAMILIES
from app.agent.events import EventBuffer
from app.agent.journal import Journal, OperationConflict, OperationEnded
from app.agent.journal_writer import JournalClosed
from app.agent.managed import ManagedDevice
from app.agent.operations import Context, RunAgain, execution_of
from app.agent.operations.base import Stopping, Timing
from app.agent.ports import WorkerPool
from app.agent.recorder import JournalSteps
from app.agent.scheduler import Scheduler
from app.agent.self_test import SelfTest, self_test
from app.agent.watch import Watch
from app.contracts import CONTRACT_VERSION
from app.contracts.devices import (
    AgentStatus,
    DeviceInfo,
    DeviceInvoice,
    DeviceReading,
    DeviceSummary,
    Statistics,
)
from app.contracts.faults import fault
from app.contracts.operations import (
    FINAL_STATES,
    Operation,
    OperationRequest,
    OperationState,
)
from app.contracts.periods import Period
from app.core.clock import Clock
from app.core.logging import get_logger

T = TypeVar("T")

_LONGEST_READ = 120.0
"""Seconds a read may take once it has its port."""
_ABSENT_PATIENCE = 60.0
"""Seconds an operation waits for its device to be seen for the first time after a restart."""
_RETRY_PAUSE = 5.0
"""Seconds until an operation is taken up again after an error of the agent itself, e.g. a full disk."""
_KEEP = timedelta(days=400)
"""How long operations that ended stay in the journal: a year's periods can still be looked up."""
_PRUNE_EVERY = 86400.0
"""Seconds between two prunings of the journal."""
_FIRST_PRUNE = 60.0
"""Seconds after the start until the first one, when what was left unfinished is under way again."""

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
        self._timing = timing
        self._read_wait = read_wait
        self._scheduler = Scheduler()
        self._watch = Watch(self._devices, self._scheduler, seconds=probe_seconds)
        self._stopping = Event()
        self._started = time.monotonic()
        self._parked: dict[UUID, str] = {}
        self._self_tests: dict[int, SelfTest] = {}
        self._lock = Lock()

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
        for left in self.journal.unfinished():
            _log.info("operation_resumed", operation=str(left.id), device=left.device)
            self._enqueue(left.id, left.device, attempt=0)
        self._scheduler.after(_FIRST_PRUNE, self._prune)

    def stop(self, timeout: float = 10.0) -> None:
        """End what can be ended; what is under way goes on at the next start."""
        self._stopping.set()
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
        self._release(number)
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
            self._enqueue(request.id, number, attempt=0)
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

    def _prune(self) -> None:
        """Forget old operations, and again every day, away from the scheduler's thread."""

        def prune() -> None:
            try:
                removed = self.journal.prune(self._clock() - _KEEP)
            except (JournalClosed, sqlite3.Error) as error:
                _log.warning("journal_not_pruned", error=str(error))
            else:
                _log.debug("journal_pruned", operations=removed)

        self._pool.submit(prune)
        self._scheduler.after(_PRUNE_EVERY, self._prune)

    def _find(self, number: str) -> ManagedDevice:
        if (known := self._configured.get(number)) is not None:
            return known
        for device in self._devices:
            if not device.config.number and device.number == number and number:
                return device
        raise errors.DeviceNotFound(number)

    def _on_port(self, device: ManagedDevice, job: Callable[[], T]) -> T:
        return device.port.call(job, wait=self._read_wait, limit=_LONGEST_READ)

    def _enqueue(self, operation_id: UUID, number: str, attempt: int) -> None:
        try:
            device = self._find(number)
        except errors.DeviceNotFound as error:
            self._wait_for_device(operation_id, number, attempt, error)
            return
        device.port.submit(lambda: self._turn(operation_id, number, device, attempt))

    def _wait_for_device(
        self, operation_id: UUID, number: str, attempt: int, error: errors.DeviceNotFound
    ) -> None:
        """A device whose number is read from itself may not have been seen yet after a restart."""
        waited = time.monotonic() - self._started
        if waited > _ABSENT_PATIENCE and self.journal.state(operation_id) is OperationState.QUEUED:
            with contextlib.suppress(OperationEnded):  # cancelled meanwhile
                self.journal.save(operation_id, state=OperationState.FAILED, fault=error.fault)
            return
        self._scheduler.after(1.0, lambda: self._enqueue(operation_id, number, attempt))

    def _turn(self, operation_id: UUID, number: str, device: ManagedDevice, attempt: int) -> None:
        """One turn of an operation, on its port. An error of ours never ends it."""
        if self._stopping.is_set():
            return
        try:
            self._execute(operation_id, number, device, attempt)
        except (Stopping, JournalClosed, OperationEnded):
            return
        except sqlite3.Error:
            _log.exception("journal_failed", operation=str(operation_id))
            self._again(operation_id, number, attempt, _RETRY_PAUSE)
        except Exception:  # noqa: BLE001 - recorded as the operation's failure
            _log.exception("operation_failed", operation=str(operation_id))
            self._broken(operation_id, number, attempt)

    def _execute(
        self, operation_id: UUID, number: str, device: ManagedDevice, attempt: int
    ) -> None:
        state = self.journal.state(operation_id)
        if state in FINAL_STATES:
            return
        request = self.journal.request(operation_id)
        if state is OperationState.QUEUED and self.journal.has_unknown(number):
            why = fault("device.outcome_unknown", message="先前一次清卡的结果尚未确定")
            self.journal.save(operation_id, state=OperationState.FAILED, fault=why)
            return
        steps = JournalSteps(self.journal, operation_id, number, request.period, self._clock)
        context = Context(
            request=request,
            number=number,
            device=device,
            journal=self.journal,
            steps=steps,
            clock=self._clock,
            timing=self._timing,
            stopping=self._stopping,
            attempt=attempt,
        )
        try:
            following = execution_of(context).run()
        finally:
            steps.flush()
        if isinstance(following, RunAgain):
            self._again(operation_id, number, attempt, following.seconds)

    def _broken(self, operation_id: UUID, number: str, attempt: int) -> None:
        """A mistake of ours: final while nothing was sent, else the outcome has to be found out."""
        acted = any(row.step.name == COMMIT_STEP for row in self.journal.steps(operation_id))
        if not acted:
            state, why = OperationState.FAILED, fault("agent.failed")
        else:
            state, why = OperationState.UNKNOWN, fault("device.outcome_unknown")
        with contextlib.suppress(OperationEnded):  # cancelled meanwhile
            self.journal.save(operation_id, state=state, fault=why)
        if acted:
            self._again(operation_id, number, attempt, _RETRY_PAUSE)

    def _again(self, operation_id: UUID, number: str, attempt: int, seconds: float | None) -> None:
        if seconds is None:
            with self._lock:
                self._parked[operation_id] = number
            return
        self._scheduler.after(seconds, lambda: self._enqueue(operation_id, number, attempt + 1))

    def _release(self, number: str) -> None:
        """Go on with operations that waited for the device's password to be right again."""
        with self._lock:
            ready = [key for key, parked in self._parked.items() if parked == number]
            for key in ready:
                del self._parked[key]
        for key in ready:
            self._enqueue(key, number, attempt=0)


def _require(device: ManagedDevice, capability: Capability) -> None:
    if capability not in device.driver.capabilities:
        raise DeviceRefused(fault("device.operation_unsupported"))
