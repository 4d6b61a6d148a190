"""Group commit: one thread commits what many threads ask for, so that they share the waiting for the disk."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar

T = TypeVar("T")

_MOST_AT_ONCE = 256

_Job = tuple[Callable[[sqlite3.Connection], Any], "Future[Any]"]


class JournalClosed(Exception):
    """The journal was closed: nothing more can be recorded, so nothing more may be sent."""


class Writer:
    """Writes through `connection`, holding `lock` while a transaction is open."""

    def __init__(self, connection: sqlite3.Connection, lock: Lock) -> None:
        self._connection = connection
        self._lock = lock
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._closed = False
        self._gate = Lock()
        self._thread = Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

    def write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run `job` in a transaction and return its result once that is on disk.

        Raises what the commit raises, then nothing of the transaction happened, or `JournalClosed`.
        """
        future: Future[T] = Future()
        with self._gate:
            if self._closed:
                raise JournalClosed
            self._queue.put((job, future))
        return future.result()

    def close(self) -> None:
        """Commit what was queued and end the thread."""
        with self._gate:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                return
            jobs, last = self._batch(first)
            self._commit(jobs)
            if last:
                return

    def _batch(self, first: _Job) -> tuple[list[_Job], bool]:
        jobs = [first]
        while len(jobs) < _MOST_AT_ONCE and not self._queue.empty():
            job = self._queue.get()
            if job is None:
                return jobs, True
            jobs.append(job)
        return jobs, False

    def _commit(self, jobs: list[_Job]) -> None:
        try:
            with self._lock:
                results = self._transaction(jobs)
        except Exception as error:  # noqa: BLE001 - handed to everyone who waits for this commit
            for _, future in jobs:
                future.set_exception(error)
        else:
            for (_, future), result in zip(jobs, results, strict=True):
                future.set_result(result)

    def _transaction(self, jobs: list[_Job]) -> list[Any]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            results = [job(self._connection) for job, _ in jobs]
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return results
