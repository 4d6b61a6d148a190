"""Server-sent events (text/event-stream): how they are written, and how many streams one asker may hold."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Hashable
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
RETRY_MILLISECONDS = 2000
"""How long a client waits before it asks again for a stream that broke off."""


def event(name: str, data: Any, event_id: str | None = None) -> str:
    """One event; `data` is sent as JSON on one line."""
    lines = [f"event: {name}", f"data: {json.dumps(data, ensure_ascii=False)}"]
    if event_id is not None:
        lines.insert(0, f"id: {event_id}")
    return "\n".join(lines) + "\n\n"


def comment(text: str = "") -> str:
    """A line clients ignore; keeps proxies from closing an idle stream."""
    return f": {text}\n\n"


def retry() -> str:
    """Tells the client how long to wait before it comes back."""
    return f"retry: {RETRY_MILLISECONDS}\n\n"


class Places:
    """Counts the streams of each asker. Asked in the event loop only, so it needs no lock."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._taken: Counter[Hashable] = Counter()

    def take(self, whose: Hashable) -> bool:
        """Take one more place, if there is one left."""
        if self._taken[whose] >= self._each:
            return False
        self._taken[whose] += 1
        return True

    def give(self, whose: Hashable) -> None:
        """Give a place back."""
        self._taken[whose] -= 1
        if self._taken[whose] <= 0:
            del self._taken[whose]


class _Stream(StreamingResponse):
    """Says when it is over, however it ends: sent, broken off, or never begun."""

    def __init__(self, events: AsyncIterator[str], over: Callable[[], None] | None) -> None:
        super().__init__(events, media_type="text/event-stream", headers=HEADERS)
        self._over = over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._over is not None:
                self._over()


def stream(
    events: AsyncIterator[str], *, over: Callable[[], None] | None = None
) -> StreamingResponse:
    """The response; `over` is called once when it is over."""
    return _Stream(events, over)
