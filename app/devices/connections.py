"""Open connections to agents, kept and shared within an event loop."""

import asyncio
from dataclasses import dataclass
from uuid import UUID
from weakref import WeakKeyDictionary

from app.contracts.faults import fault
from app.core.db import Database
from app.devices import dialled, queries
from app.devices.agent_client import AgentClient, AgentFault
from app.devices.agents import client_of
from app.settings import Settings

Origin = tuple[int, str]


@dataclass(frozen=True, slots=True)
class _Open:
    """A connected client and what it was made from: the revision of the agent's row, its relay."""

    client: AgentClient
    origin: Origin


class AgentClients:
    """Gives the connected client of an agent; makes a new one when the agent's row has changed.

    `patient`: requests wait for an agent that is away, where QINGKA_AGENT_AWAY says so.
    """

    def __init__(self, database: Database, settings: Settings, *, patient: bool = False) -> None:
        self._patient = patient
        self._database = database
        self._settings = settings
        self._open: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[UUID, _Open]] = (
            WeakKeyDictionary()
        )

    async def of(self, agent_id: UUID | None) -> AgentClient:
        """A client to be used in this event loop. Raises AgentFault for a device without an agent."""
        if agent_id is None:
            raise AgentFault(fault("device.not_found", message="设备没有指定设备代理"))
        client, origin = await asyncio.to_thread(self._make, agent_id)
        known = self._open.setdefault(asyncio.get_running_loop(), {})
        held = known.get(agent_id)
        if held is not None and held.origin == origin:
            return held.client
        await client.__aenter__()
        known[agent_id] = _Open(client, origin)
        return client

    def _make(self, agent_id: UUID) -> tuple[AgentClient, Origin]:
        with self._database.reading() as session:
            agent = queries.get_agent(session, agent_id)
            relay = "" if dialled.is_connected(agent.base_url) else queries.relay_of(session, agent)
            client = client_of(agent, self._settings, patient=self._patient, relay=relay)
            return client, (agent.revision, relay)
