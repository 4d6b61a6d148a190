"""Things to do later, on one thread. What is scheduled must be quick: it hands work to a port."""

import heapq
import itertools
import time
from collections.abc import Callable
from threading import Condition, Thread

from app.core.logging import get_logger

_log = get_logger(__name__)


class Scheduler:
    """Runs callables after a delay."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._changed = Condition()
        self._closed = False
        self._thread: Thread | None = None

    def start(self) -> None:
        """Begin; what was scheduled before is kept."""
        self._thread = Thread(target=self._run, name="agent-scheduler", daemon=True)
        self._thread.start()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Run `action` in `seconds`. Dropped when the scheduler is closed before."""
        with self._changed:
            heapq.heappush(self._entries, (time.monotonic() + seconds, next(self._order), action))
            self._changed.notify()

    def close(self) -> None:
        """Run nothing any more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while (action := self._next()) is not None:
            try:
                action()
            except Exception:  # noqa: BLE001 - one mistake must not end the others
                _log.exception("scheduled_action_failed")

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                if self._entries and self._entries[0][0] <= now:
                    return heapq.heappop(self._entries)[2]
                self._changed.wait(self._entries[0][0] - now if self._entries else None)
        return None
