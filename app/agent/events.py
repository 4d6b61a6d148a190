"""The latest events of the agent, for any number of readers at their own pace."""

from collections import deque
from dataclasses import dataclass
from threading import Lock

from app.contracts.devices import AgentEvent

_KEPT = 2000


@dataclass(frozen=True, slots=True)
class NumberedEvent:
    """An event with its place in the order, from 1."""

    seq: int
    event: AgentEvent


class EventBuffer:
    """Thread-safe; keeps the last two thousand events."""

    def __init__(self) -> None:
        self._events: deque[NumberedEvent] = deque(maxlen=_KEPT)
        self._last = 0
        self._lock = Lock()

    @property
    def last(self) -> int:
        """The number of the newest event; 0 before the first."""
        return self._last

    def add(self, event: AgentEvent) -> None:
        """Append an event."""
        with self._lock:
            self._last += 1
            self._events.append(NumberedEvent(self._last, event))

    def since(self, seq: int) -> list[NumberedEvent]:
        """The events kept that are newer than number `seq`."""
        if seq >= self._last:
            return []
        with self._lock:
            return [item for item in self._events if item.seq > seq]
