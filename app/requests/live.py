"""Follows a request for server-sent events: asks the database, so that any process can answer."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any
from uuid import UUID

from app.accounts.presence import ASK_SECONDS, Again
from app.accounts.principal import Principal
from app.clearing import queries
from app.clearing.errors import RequestNotFound
from app.clearing.models import ClearingRequest
from app.clearing.states import FINAL_STATES, RequestState
from app.core import sse
from app.core.clock import Clock
from app.core.db import Database, Session

LOOK_SECONDS = 0.4
"""Between two looks while something runs."""
WAITING_SECONDS = 1.0
"""Between two looks at what waits, for its review or its time, maybe for days."""
ALIVE_SECONDS = 15.0
"""A stream that says nothing for longer than this is broken; the follower can tell."""
MAX_SECONDS = 600.0
"""Then the follower asks again, and is asked who it is."""

POSITION = r"^\d{1,18}(-\d{1,9}(-end)?)?$"
"""What an event's id looks like: the line of the process log it knows, its own number, `end`."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a follower is. An event's id is one, so that a stream resumes behind it."""

    line: int
    number: int = 0
    ended: bool = False

    @classmethod
    def parse(cls, text: str) -> "Position":
        """The position an id or `after` stands for (POSITION)."""
        line, _, rest = text.partition("-")
        number, _, end = rest.partition("-")
        return cls(int(line), int(number or 0), bool(end))


Told = tuple[str, dict[str, Any], str]
"""An event: its name, what it says, its id."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What is shown of a request at one moment."""

    state: RequestState
    progress: int
    message: str
    started_at: datetime | None
    finished_at: datetime | None
    verdict: dict[str, Any]
    stages: tuple[tuple[str, str, str], ...]
    last_line: int
    lines: tuple[tuple[str, str, str], ...]

    @property
    def is_final(self) -> bool:
        """Nothing more happens by itself."""
        return self.state in FINAL_STATES


class _Teller:
    """Turns looks into numbered events."""

    def __init__(self, clock: Clock, after: Position | None) -> None:
        self._clock = clock
        self._number = after.number if after else 0
        self._before: _Look | None = None

    def tell(self, now: _Look) -> Iterator[Told]:
        """What is new since the last look; the first tells how things stand."""
        before, self._before = self._before, now
        for index, (name, state, message) in enumerate(now.stages):
            if before is None or before.stages[index] != (name, state, message):
                yield self._event("stage", {"name": name, "state": state, "message": message}, now)
        shown = None if before is None else (before.progress, before.message)
        if shown != (now.progress, now.message) or now.lines:
            yield self._event("progress", _progress(now, self._clock), now)
        if before is None or before.state is not now.state:
            final = {"final": now.is_final}
            yield self._event("state", {"state": now.state} | final | now.verdict, now)
        if now.is_final:
            yield self._event("end", {"state": now.state} | now.verdict, now, "-end")

    def alive(self, now: _Look) -> Told:
        """Nothing is new, and the stream stands."""
        return self._event("alive", {}, now)

    def _event(self, name: str, data: dict[str, Any], now: _Look, mark: str = "") -> Told:
        self._number += 1
        return name, data, f"{now.last_line}-{self._number}{mark}"


async def follow(
    database: Database,
    request_id: UUID,
    clock: Clock,
    *,
    again: Again,
    after: Position | None = None,
) -> AsyncIterator[str]:
    """Events `stage`, `progress`, `state`, beginning with how things stand; `end` once, at a final state.

    Without `after` only new lines of the process log are sent. It breaks off when nobody is there any more
    who may see the request.
    """
    yield sse.retry()
    teller, seen = _Teller(clock, after), after.line if after else None
    began = asked = spoke = monotonic()
    while monotonic() - began < MAX_SECONDS:
        now = await asyncio.to_thread(_look, database, request_id, seen)
        seen = now.last_line
        for name, data, identity in teller.tell(now):
            spoke = monotonic()
            yield sse.event(name, data, identity)
        if now.is_final:
            return
        if monotonic() - spoke >= ALIVE_SECONDS:
            spoke = monotonic()
            name, data, identity = teller.alive(now)
            yield sse.event(name, data, identity)
        running = now.state is RequestState.RUNNING
        await asyncio.sleep(LOOK_SECONDS if running else WAITING_SECONDS)
        if monotonic() - asked >= ASK_SECONDS:
            asked = monotonic()
            if not await asyncio.to_thread(_may_see, database, request_id, again):
                return


def _may_see(database: Database, request_id: UUID, again: Again) -> bool:
    principal = again()
    if principal is None:
        return False
    with database.reading() as session:
        try:
            queries.visible_request(session, request_id, principal)
        except RequestNotFound:
            return False
    return True


def events_now(
    session: Session, request_id: UUID, principal: Principal, clock: Clock, after: Position
) -> list[Told]:
    """The events a stream would begin with, for who can't follow one at the moment."""
    queries.visible_request(session, request_id, principal)
    return list(_Teller(clock, after).tell(_seen(session, request_id, after.line)))


def has_ended(
    session: Session, request_id: UUID, principal: Principal, after: Position | None
) -> bool:
    """Whether the follower was told the end already, and nothing has happened since."""
    request = queries.visible_request(session, request_id, principal)
    if after is None or not after.ended or request.state not in FINAL_STATES:
        return False
    return queries.last_event_id(session, request_id) == after.line


def _look(database: Database, request_id: UUID, seen: int | None) -> _Look:
    with database.reading() as session:
        return _seen(session, request_id, seen)


def _seen(session: Session, request_id: UUID, seen: int | None) -> _Look:
    """How things stand; the lines are those of the process log after the one seen last."""
    request = queries.request(session, request_id)
    newest = queries.last_event_id(session, request_id)
    lines = queries.events_after(session, request_id, newest if seen is None else seen)
    return _Look(
        request.state,
        request.progress,
        request.message,
        request.started_at,
        request.finished_at,
        _verdict(request),
        tuple(
            (stage.name.value, stage.state.value, stage.message)
            for stage in queries.stages(session, request_id)
        ),
        max([newest if seen is None else seen, *(line.id or 0 for line in lines)]),
        tuple((line.at.isoformat(), line.level, line.text) for line in lines),
    )


def _verdict(request: ClearingRequest) -> dict[str, Any]:
    """How it came out, as far as is known: why it stands still, what was cleared, what is left until when."""
    error = None
    if request.error_code is not None:
        error = {
            "code": request.error_code,
            "message": request.error_message,
            "remedy": request.error_remedy,
        }
    until = request.next_lock_date
    return {
        "error": error,
        "outcome": request.outcome,
        "cleared": request.cleared,
        "remaining": request.remaining,
        "next_lock_date": until.isoformat() if until else None,
    }


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
