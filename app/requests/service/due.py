"""Starts what is scheduled and due, as far as there is room: one at a time per agent's share."""

from collections import Counter
from uuid import UUID

from app.audit.actions import AuditAction
from app.clearing import queries
from app.core.clock import Clock
from app.core.db import Database, Session
from app.requests.service import control, start
from app.settings import Settings


def start_due(database: Database, settings: Settings, clock: Clock) -> int:
    """Start due requests, the oldest first; gives how many. Several processes may do this at once."""
    started = 0
    with database.reading() as session:
        room = _room(session, settings)
        if room.total <= 0:
            return 0
        due = queries.due(session, clock(), limit=settings.clearing_concurrency)
    for request_id, agent_ids in due:
        if room.total <= 0:
            break
        if not room.takes(agent_ids):
            continue
        with database.transaction() as session:
            started += _start(session, request_id, settings, clock)
    return started


class _Room:
    """How many more may run: in all, and through each agent."""

    def __init__(self, total: int, per_agent: int, running: Counter[UUID]) -> None:
        self.total = total
        self._per_agent = per_agent
        self._running = running

    def takes(self, agent_ids: frozenset[UUID]) -> bool:
        """Take a place through each of these agents, if all have one."""
        if any(self._running[agent_id] >= self._per_agent for agent_id in agent_ids):
            return False
        self._running.update(agent_ids)
        self.total -= 1
        return True


def _room(session: Session, settings: Settings) -> _Room:
    running = queries.running_per_agent(session)
    total = settings.clearing_concurrency - queries.count_running(session)
    return _Room(total, settings.agent_concurrency, running)


def _start(session: Session, request_id: UUID, settings: Settings, clock: Clock) -> int:
    """Start it unless another process did, somebody cancelled or paused it, or the peak hours came between."""
    request = queries.due_locked(session, request_id, clock())
    if request is None:
        return 0
    if start.give_way(session, request, settings=settings, clock=clock):
        return 0
    control.start(
        session, request, principal=None, clock=clock, action=AuditAction.CLEARING_STARTED
    )
    return 1
