"""Turns of operations on the threads of their ports: one after the other, until they have ended.

An error of ours never ends an operation that may have acted: its outcome is found out instead.
"""

import contextlib
import sqlite3
import time
from collections.abc import Callable
from datetime import timedelta
from threading import Event, Lock
from uuid import UUID

from app.agent import errors
from app.agent.drivers.base import COMMIT_STEP
from app.agent.journal import Journal, OperationEnded
from app.agent.journal_writer import JournalClosed
from app.agent.managed import ManagedDevice
from app.agent.operations import Context, RunAgain, execution_of
from app.agent.operations.base import Stopping, Timing
from app.agent.ports import WorkerPool
from app.agent.recorder import JournalSteps
from app.agent.scheduler import Scheduler
from app.contracts.faults import fault
from app.contracts.operations import FINAL_STATES, OperationState
from app.core.clock import Clock
from app.core.logging import get_logger

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


class Turns:
    """Thread-safe. `find` gives the device of a number, or raises `DeviceNotFound`."""

    def __init__(
        self,
        journal: Journal,
        find: Callable[[str], ManagedDevice],
        *,
        pool: WorkerPool,
        scheduler: Scheduler,
        clock: Clock,
        timing: Timing,
    ) -> None:
        self._journal = journal
        self._find = find
        self._pool = pool
        self._scheduler = scheduler
        self._clock = clock
        self._timing = timing
        self._stopping = Event()
        self._started = time.monotonic()
        self._parked: dict[UUID, str] = {}
        self._lock = Lock()

    def start(self) -> None:
        """Take up what an earlier process left unfinished."""
        for left in self._journal.unfinished():
            _log.info("operation_resumed", operation=str(left.id), device=left.device)
            self.begin(left.id, left.device)
        self._scheduler.after(_FIRST_PRUNE, self._prune)

    def stop(self) -> None:
        """Begin no more turns; those under way end at their next message."""
        self._stopping.set()

    def begin(self, operation_id: UUID, number: str, attempt: int = 0) -> None:
        """Take the operation up when its device's port is free."""
        try:
            device = self._find(number)
        except errors.DeviceNotFound as error:
            self._wait_for_device(operation_id, number, attempt, error)
            return
        device.port.submit(lambda: self._turn(operation_id, number, device, attempt))

    def release(self, number: str) -> None:
        """Go on with operations that waited for the device's password to be right again."""
        with self._lock:
            ready = [key for key, parked in self._parked.items() if parked == number]
            for key in ready:
                del self._parked[key]
        for key in ready:
            self.begin(key, number, attempt=0)

    def _prune(self) -> None:
        """Forget old operations, and again every day, away from the scheduler's thread."""

        def prune() -> None:
            try:
                removed = self._journal.prune(self._clock() - _KEEP)
            except (JournalClosed, sqlite3.Error) as error:
                _log.warning("journal_not_pruned", error=str(error))
            else:
                _log.debug("journal_pruned", operations=removed)

        self._pool.submit(prune)
        self._scheduler.after(_PRUNE_EVERY, self._prune)

    def _wait_for_device(
        self, operation_id: UUID, number: str, attempt: int, error: errors.DeviceNotFound
    ) -> None:
        """A device whose number is read from itself may not have been seen yet after a restart."""
        state = self._journal.state(operation_id)
        if state in FINAL_STATES:  # cancelled meanwhile
            return
        waited = time.monotonic() - self._started
        if waited > _ABSENT_PATIENCE and state is OperationState.QUEUED:
            with contextlib.suppress(OperationEnded):  # cancelled meanwhile
                self._journal.save(operation_id, state=OperationState.FAILED, fault=error.fault)
            return
        self._scheduler.after(1.0, lambda: self.begin(operation_id, number, attempt))

    def _turn(self, operation_id: UUID, number: str, device: ManagedDevice, attempt: int) -> None:
        """One turn of an operation, on its port. An error of ours never ends it."""
        if self._stopping.is_set():
            return
        try:
            self._execute_or_break(operation_id, number, device, attempt)
        except (Stopping, JournalClosed, OperationEnded):
            return
        except sqlite3.Error:  # of the turn, or of keeping its failure
            _log.exception("journal_failed", operation=str(operation_id))
            self._again(operation_id, number, attempt, _RETRY_PAUSE)

    def _execute_or_break(
        self, operation_id: UUID, number: str, device: ManagedDevice, attempt: int
    ) -> None:
        try:
            self._execute(operation_id, number, device, attempt)
        except (Stopping, JournalClosed, OperationEnded, sqlite3.Error):
            raise
        except Exception:  # noqa: BLE001 - recorded as the operation's failure
            _log.exception("operation_failed", operation=str(operation_id))
            self._broken(operation_id, number, attempt)

    def _execute(
        self, operation_id: UUID, number: str, device: ManagedDevice, attempt: int
    ) -> None:
        state = self._journal.state(operation_id)
        if state in FINAL_STATES:
            return
        request = self._journal.request(operation_id)
        if state is OperationState.QUEUED and self._journal.has_unknown(number):
            why = fault("device.outcome_unknown", message="先前一次清卡的结果尚未确定")
            self._journal.save(operation_id, state=OperationState.FAILED, fault=why)
            return
        steps = JournalSteps(self._journal, operation_id, number, request.period, self._clock)
        context = Context(
            request=request,
            number=number,
            device=device,
            journal=self._journal,
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
        acted = any(row.step.name == COMMIT_STEP for row in self._journal.steps(operation_id))
        if not acted:
            state, why = OperationState.FAILED, fault("agent.failed")
        else:
            state, why = OperationState.UNKNOWN, fault("device.outcome_unknown")
        with contextlib.suppress(OperationEnded):  # cancelled meanwhile
            self._journal.save(operation_id, state=state, fault=why)
        if acted:
            self._again(operation_id, number, attempt, _RETRY_PAUSE)

    def _again(self, operation_id: UUID, number: str, attempt: int, seconds: float | None) -> None:
        if seconds is None:
            with self._lock:
                self._parked[operation_id] = number
            return
        self._scheduler.after(seconds, lambda: self.begin(operation_id, number, attempt + 1))
