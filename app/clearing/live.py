"""Follows a request for server-sent events: asks the database, so that any process can answer."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.clearing import queries
from app.clearing.states import ENDED_STATES, RequestState
from app.core import sse
from app.core.clock import Clock
from app.core.db import Database

LOOK_SECONDS = 0.4
KEEP_ALIVE_LOOKS = 40
MAX_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class _Look:
    """What is shown of a request at one moment."""

    state: RequestState
    progress: int
    message: str
    started_at: datetime | None
    finished_at: datetime | None
    stages: tuple[tuple[str, str, str], ...]
    last_event: int
    lines: tuple[tuple[str, str, str], ...]

    @property
    def is_over(self) -> bool:
        """Nothing goes on; an unknown outcome is still being found out until the system gives up."""
        found_out = self.state is RequestState.NEEDS_ATTENTION and self.finished_at is None
        return self.state in ENDED_STATES and not found_out


async def follow(
    database: Database, request_id: UUID, clock: Clock, *, after: int | None = None
) -> AsyncIterator[str]:
    """Events `stage`, `progress` and `end`, beginning with how things stand; a new state is an end.

    `after` is the last line of the process log the asker has; without it only new ones are sent.
    """
    before: _Look | None = None
    looks = int(MAX_SECONDS / LOOK_SECONDS)
    for index in range(looks):
        seen = before.last_event if before else after
        now = await asyncio.to_thread(_look, database, request_id, seen)
        for line in _changes(before, now, clock):
            yield line
        if now.is_over or (before is not None and before.state is not now.state):
            yield sse.event("end", {"state": now.state})
            return
        if index % KEEP_ALIVE_LOOKS == KEEP_ALIVE_LOOKS - 1:
            yield sse.comment("keep-alive")
        before = now
        await asyncio.sleep(LOOK_SECONDS)


def _look(database: Database, request_id: UUID, seen: int | None) -> _Look:
    """How things stand; the lines are those of the process log after the one seen last."""
    with database.reading() as session:
        request = queries.request(session, request_id)
        stages = queries.stages(session, request_id)
        newest = queries.last_event_id(session, request_id)
        lines = queries.events_after(session, request_id, newest if seen is None else seen)
        return _Look(
            request.state,
            request.progress,
            request.message,
            request.started_at,
            request.finished_at,
            tuple((stage.name.value, stage.state.value, stage.message) for stage in stages),
            max([newest, *(line.id or 0 for line in lines)]),
            tuple((line.at.isoformat(), line.level, line.text) for line in lines),
        )


def _changes(before: _Look | None, now: _Look, clock: Clock) -> list[str]:
    lines = [
        sse.event("stage", {"name": name, "state": state, "message": message})
        for index, (name, state, message) in enumerate(now.stages)
        if before is None or before.stages[index] != (name, state, message)
    ]
    if (
        before is None
        or now.lines
        or (before.progress, before.message) != (now.progress, now.message)
    ):
        lines.append(sse.event("progress", _progress(now, clock)))
    return lines


def _progress(now: _Look, clock: Clock) -> dict[str, Any]:
    end = now.finished_at or clock()
    elapsed = 0 if now.started_at is None else max(0, int((end - now.started_at).total_seconds()))
    lines = [{"at": at, "level": level, "text": text} for at, level, text in now.lines]
    return {
        "progress": now.progress,
        "message": now.message,
        "elapsed_seconds": elapsed,
        "lines": lines,
    }
