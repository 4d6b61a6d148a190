"""Taking turns: the threads of a process wait in a row for what only one of them may have.

SQLite lets one connection write and makes the others ask again after pauses of up to a tenth of a second, whoever
comes first. With dozens of writers that is slow, and some of them never come: here the first to wait is the next.
"""

import threading
from collections import deque


class Turns:
    """Who took it may give it back on another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False
        self._row: deque[threading.Event] = deque()

    def take(self, seconds: float) -> bool:
        """Wait for the turn for so long at most; False when it did not come."""
        with self._lock:
            if not self._taken:
                self._taken = True
                return True
            mine = threading.Event()
            self._row.append(mine)
        if mine.wait(seconds):
            return True
        with self._lock:
            if mine.is_set():  # it came at the last moment
                return True
            self._row.remove(mine)
            return False

    def give(self) -> None:
        """Give it to the one who waits longest."""
        with self._lock:
            if self._row:
                self._row.popleft().set()
            else:
                self._taken = False
