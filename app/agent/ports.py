"""Physical ports: what is done on one is done one after another, different ports work in parallel.

Threads are borrowed from a pool that grows with the ports in use and shrinks when they are idle, so
that hundreds of devices do not hold hundreds of threads.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from threading import Condition, Event, Lock, Thread
from typing import TypeVar

from app.agent.drivers.base import DeviceUnavailable
from app.contracts.faults import fault
from app.core.logging import get_logger

T = TypeVar("T")
Job = Callable[[], object]

_log = get_logger(__name__)


class _Worker:
    """A thread's place to wait for its next job."""

    __slots__ = ("job", "wake")

    def __init__(self) -> None:
        self.job: Job | None = None
        self.wake = Event()


class WorkerPool:
    """Threads for blocking work: at most `most`, each gone after `idle_seconds` without work.

    The thread that became idle last gets the next job, so that the others can go.
    """

    def __init__(self, most: int = 512, idle_seconds: float = 5.0) -> None:
        self._most = most
        self._idle_seconds = idle_seconds
        self._jobs: deque[Job] = deque()
        self._idle: list[_Worker] = []
        self._threads = 0
        self._closed = False
        self._changed = Condition()

    @property
    def threads(self) -> int:
        """How many threads there are now."""
        return self._threads

    def submit(self, job: Job) -> None:
        """Run `job` soon, in the order of submission. Dropped once the pool is closed."""
        with self._changed:
            if self._closed:
                return
            if self._idle:
                worker = self._idle.pop()
                worker.job = job
                worker.wake.set()
                return
            self._jobs.append(job)
            if self._threads < self._most:
                self._threads += 1
                Thread(target=self._work, name="agent-port", daemon=True).start()

    def close(self, timeout: float) -> bool:
        """Drop what has not begun; wait for the rest. False when something was still running."""
        with self._changed:
            self._closed = True
            self._jobs.clear()
            for worker in self._idle:
                worker.wake.set()
            return self._changed.wait_for(lambda: self._threads == 0, timeout)

    def _work(self) -> None:
        worker = _Worker()
        try:
            while (job := self._next(worker)) is not None:
                job()
        finally:
            with self._changed:
                self._threads -= 1
                self._changed.notify_all()

    def _next(self, worker: _Worker) -> Job | None:
        """The next job; None when there was none for long enough, or the pool is closed."""
        with self._changed:
            if self._jobs or self._closed:
                return self._jobs.popleft() if self._jobs else None
            worker.job = None
            worker.wake.clear()
            self._idle.append(worker)
        worker.wake.wait(self._idle_seconds)
        with self._changed:
            if worker.job is None and worker in self._idle:
                self._idle.remove(worker)
            return worker.job


class Port:
    """The queue of one physical port."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        self._jobs: deque[Job] = deque()
        self._lock = Lock()
        self._active = False

    @property
    def busy(self) -> bool:
        """Whether something runs on the port or waits for it."""
        return self._active

    def submit(self, job: Job) -> None:
        """Run `job` after what is queued already."""
        with self._lock:
            self._jobs.append(job)
            if self._active:
                return
            self._active = True
        self._pool.submit(self._drain)

    def call(self, job: Callable[[], T], *, wait: float, limit: float) -> T:
        """The result of `job`, run on the port.

        Raises `DeviceUnavailable`: `device.busy` when it could not begin within `wait` seconds,
        `device.timeout` when it did not end within `limit` further seconds.
        """
        future: Future[T] = Future()
        self.submit(lambda: _fulfil(future, job))
        try:
            return future.result(wait)
        except TimeoutError:
            if future.cancel():
                raise DeviceUnavailable(fault("device.busy")) from None
        try:
            return future.result(limit)
        except TimeoutError:
            raise DeviceUnavailable(fault("device.timeout")) from None

    def _drain(self) -> None:
        while True:
            with self._lock:
                if not self._jobs:
                    self._active = False
                    return
                job = self._jobs.popleft()
            try:
                job()
            except Exception:  # noqa: BLE001 - the port has to go on
                _log.exception("port_job_failed")


def _fulfil(future: Future[T], job: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = job()
    except Exception as error:  # noqa: BLE001 - handed to the caller
        future.set_exception(error)
    else:
        future.set_result(result)
