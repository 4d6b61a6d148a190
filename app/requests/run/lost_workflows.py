"""Finds workflows that this process is executing by the engine's books, but not in truth.

The engine waits for a database that is away, though not for every way it can be away (a socket that is
gone, say). A workflow then ends in memory alone and stays pending in the name of a process that lives.
"""

from collections.abc import Callable, Iterable
from time import monotonic

GRACE_SECONDS = 30.0
"""Between being taken from the queue and running, and between the end and its record, nobody executes it."""


class LostWorkflows:
    """Remembers since when a workflow has been pending without being executed. For one thread."""

    def __init__(
        self, executing: Callable[[], frozenset[str]], *, seconds: Callable[[], float] = monotonic
    ) -> None:
        self._executing = executing
        self._seconds = seconds
        self._since: dict[str, float] = {}

    def among(self, pending: Iterable[str]) -> list[str]:
        """Those of the pending ones that have not been executed for longer than the grace; each once."""
        now = self._seconds()
        executing = self._executing()
        self._since = {one: self._since.get(one, now) for one in pending if one not in executing}
        lost = [one for one, since in self._since.items() if now - since > GRACE_SECONDS]
        for one in lost:
            del self._since[one]
        return lost
