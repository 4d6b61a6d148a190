"""Server-sent events (text/event-stream)."""

import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import StreamingResponse

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def event(name: str, data: Any, event_id: str | None = None) -> str:
    """One event; `data` is sent as JSON on one line."""
    lines = [f"event: {name}", f"data: {json.dumps(data, ensure_ascii=False)}"]
    if event_id is not None:
        lines.insert(0, f"id: {event_id}")
    return "\n".join(lines) + "\n\n"


def comment(text: str = "") -> str:
    """A line clients ignore; keeps proxies from closing an idle stream."""
    return f": {text}\n\n"


def stream(events: AsyncIterator[str]) -> StreamingResponse:
    """The response."""
    return StreamingResponse(events, media_type="text/event-stream", headers=HEADERS)
