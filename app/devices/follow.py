"""Follows the events of every agent, so that plugging and unplugging shows within seconds.

One thread with a loop of its own and a task for each agent. Where several processes share a database,
a lease decides which of them follows an agent; an agent that dials out is followed where its connection
is. A process that dies leaves its leases to lapse.
"""

import asyncio
import threading
from contextlib import aclosing
from datetime import datetime, timedelta
from uuid import UUID

from app.contracts.devices import AgentEvent
from app.contracts.operations import Fault
from app.core.clock import Clock
from app.core.db import Database, shared_now
from app.core.ids import new_id
from app.core.logging import get_logger
from app.devices import dialled, queries, service
from app.devices.agent_client import AgentClient, AgentFault
from app.devices.agents import client_of
from app.devices.models import Agent, AgentLease
from app.errors import NotFound
from app.settings import Settings

LOOK_SECONDS = 2.0
"""How often the list of agents is looked at."""
FIRST_PAUSE = 0.3
LONGEST_PAUSE = 5.0
"""Seconds between two tries to reach an agent; doubled from one to the next."""
AWAY_AFTER = 2.0
"""Seconds without an agent until its devices count as disconnected: it may just be starting again."""
LEASE = timedelta(seconds=30)
RENEWAL = timedelta(seconds=20)
"""A lease that runs for less than this is renewed."""
_SEEN_EVERY = 60.0
"""Seconds between two notes that an agent with nothing to tell is there."""

_log = get_logger(__name__)

Key = tuple[UUID, int]
"""An agent and the revision of its row: a changed one is followed anew."""


class AgentFollower:
    """From `start` to `stop`. Everything it finds out is in the database."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._owner = str(new_id())
        self._thread = threading.Thread(target=self._run, name="agent-follower", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._ready = threading.Event()

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """Stop, and leave the agents to other processes."""
        if self._loop is not None and self._ending is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join(10)

    def _run(self) -> None:
        asyncio.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        tasks: dict[Key, asyncio.Task[None]] = {}
        while not self._ending.is_set():
            await self._reconcile(tasks)
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._ending.wait()
            except TimeoutError:
                continue
        await _end(tasks, set(tasks))
        await asyncio.to_thread(self._release)

    async def _reconcile(self, tasks: dict[Key, asyncio.Task[None]]) -> None:
        """Follow the agents that are this process's to follow, and no others."""
        try:
            mine = await asyncio.to_thread(self._mine)
        except Exception as error:  # noqa: BLE001 - a database that is away comes back
            _log.warning("agents_not_looked_at", error=str(error))
            return
        ended = {key for key, task in tasks.items() if key not in mine or task.done()}
        await _end(tasks, ended)
        for key in mine - set(tasks):
            following = _Following(self._database, self._settings, self._clock, key[0])
            tasks[key] = asyncio.ensure_future(following.run())

    def _mine(self) -> set[Key]:
        with self._database.reading() as session:
            now = shared_now(session, self._clock)
            agents = queries.all_agents(session)
            leases = {} if self._database.is_sqlite else queries.leases(session)
        if self._database.is_sqlite:  # one process serves such a database
            return {(agent.id, agent.revision) for agent in agents}
        kept = {
            agent.id
            for agent in agents
            if agent.id in leases and self._is_kept(agent, leases[agent.id], now)
        }
        wanted = [
            agent
            for agent in agents
            if agent.id not in kept and self._may_take(agent, leases.get(agent.id), now)
        ]
        taken = {agent.id for agent in wanted if self._take(agent)}
        return {(agent.id, agent.revision) for agent in agents if agent.id in kept | taken}

    def _is_kept(self, agent: Agent, lease: AgentLease, now: datetime) -> bool:
        fresh = lease.until - now > LEASE - RENEWAL
        return lease.owner == self._owner and fresh and lease.relay_url == self._relay(agent)

    def _relay(self, agent: Agent) -> str:
        """Where other processes reach this agent: here, if it has dialled in here."""
        return self._settings.internal_url if dialled.is_connected(agent.base_url) else ""

    def _may_take(self, agent: Agent, lease: AgentLease | None, now: datetime) -> bool:
        free = lease is None or lease.owner == self._owner or lease.until <= now
        return free or dialled.is_connected(agent.base_url)

    def _take(self, agent: Agent) -> bool:
        """Take or renew the lease; another process may be faster."""
        with self._database.transaction() as session:
            if session.get(Agent, agent.id, with_for_update=True) is None:
                return False
            now = shared_now(session, self._clock)
            if not self._may_take(agent, session.get(AgentLease, agent.id), now):
                return False
            mine = AgentLease(
                agent_id=agent.id,
                owner=self._owner,
                until=now + LEASE,
                relay_url=self._relay(agent),
            )
            session.merge(mine)
        return True

    def _release(self) -> None:
        if self._database.is_sqlite:
            return
        with self._database.transaction() as session:
            for lease in queries.leases(session).values():
                if lease.owner == self._owner:
                    session.delete(lease)


class _Following:
    """Follows one agent for ever: states at every connection, events in between, away when it is."""

    def __init__(
        self, database: Database, settings: Settings, clock: Clock, agent_id: UUID
    ) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._agent_id = agent_id
        self._last_seen = float("-inf")
        self._away_since: float | None = None
        self._told_away = ""

    async def run(self) -> None:
        """Ends when the agent is removed, or is cancelled."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self._listen()
                reason = None
            except NotFound:
                return
            except AgentFault as error:
                reason = error.fault
            except Exception as error:  # noqa: BLE001 - e.g. a database that is away comes back
                _log.warning("agent_not_followed", agent=str(self._agent_id), error=str(error))
                reason = None
            if self._away_since is None:  # it was there: begin with short pauses
                self._away_since, pause = _now(), FIRST_PAUSE
            if reason is not None:
                await self._note_away(reason)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _listen(self) -> None:
        """Raises AgentFault, NotFound."""
        client = await asyncio.to_thread(self._client)
        async with aclosing(client.events_async()) as events:
            async for event in events:
                await self._take(event)

    async def _take(self, event: AgentEvent | None) -> None:
        first = self._away_since is not None or self._last_seen == float("-inf")
        if first or (event is None and _now() - self._last_seen > _SEEN_EVERY):
            await self._note_there()
        if event is not None:
            await asyncio.to_thread(
                service.note_event, self._database, self._agent_id, event, clock=self._clock
            )

    def _client(self) -> AgentClient:
        with self._database.reading() as session:
            agent = queries.get_agent(session, self._agent_id)
        return client_of(agent, self._settings, checking=True)

    async def _note_there(self) -> None:
        """What it is and which devices it sees now; from here on the events tell."""
        for question in (service.check_agent, service.sync_states):
            await asyncio.to_thread(
                question,
                self._database,
                self._agent_id,
                settings=self._settings,
                clock=self._clock,
            )
        self._last_seen, self._away_since, self._told_away = _now(), None, ""

    async def _note_away(self, reason: Fault) -> None:
        since = _now() if self._away_since is None else self._away_since
        if _now() - since < AWAY_AFTER or self._told_away == reason.code:
            return
        await asyncio.to_thread(
            service.mark_agent_away, self._database, self._agent_id, reason, clock=self._clock
        )
        self._told_away = reason.code


async def _end(tasks: dict[Key, asyncio.Task[None]], keys: set[Key]) -> None:
    ending = [tasks.pop(key) for key in keys]
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)


def _now() -> float:
    return asyncio.get_running_loop().time()
