"""How often the queue is looked into: often while there is work, seldom when there has been none for a while.

A look costs about 3 ms of processor time whether it finds something or not, and the engine's queue can't be
woken. Processes that share it on PostgreSQL share its pace, and see the same work: what one of them sets too
late is set right by its next look.
"""

import threading
from collections.abc import Callable
from time import monotonic

from app.core.logging import get_logger

log = get_logger(__name__)

BUSY_SECONDS = 0.2
IDLE_SECONDS = 1.0
"""So long the first clearing after a quiet time may wait for the queue."""

QUIET_SECONDS = 15.0
"""Without work until the queue is looked into seldom: who has cleared one device often clears another."""


class Pace:
    """Thread-safe. Begins busy: at a start there may be something left over."""

    def __init__(self) -> None:
        self.seconds = BUSY_SECONDS
        self._set: Callable[[float], None] | None = None
        self._last_busy = monotonic()
        self._lock = threading.Lock()

    def set_by(self, function: Callable[[float], None]) -> None:
        """Tell the queue by this function; it has `seconds` by now."""
        self._set = function
        self._last_busy = monotonic()

    def keep(self, *, busy: bool) -> None:
        """There is work, or none. A pace that can't be set now is set at the next word."""
        with self._lock:
            now = monotonic()
            if busy:
                self._last_busy = now
            quiet = now - self._last_busy >= QUIET_SECONDS
            wanted = IDLE_SECONDS if quiet else BUSY_SECONDS
            if wanted == self.seconds or self._set is None:
                return
            try:
                self._set(wanted)
            except Exception as error:
                log.warning("the pace of the queue is not set", seconds=wanted, exc_info=error)
            else:
                self.seconds = wanted
