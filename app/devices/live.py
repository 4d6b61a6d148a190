"""Follows devices and agents for server-sent events: asks the database, so that any process can answer."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from time import monotonic
from uuid import UUID

from app.accounts.presence import ASK_SECONDS, Again
from app.accounts.principal import Principal
from app.core import sse
from app.core.clock import Clock
from app.core.db import Database
from app.devices import queries
from app.devices.models import Device

LOOK_SECONDS = 0.3
MAX_SECONDS = 600.0
"""Then the browser asks again, and is asked who it is."""
LOOKED_BACK = timedelta(seconds=30)
"""A change is looked for this long after its time: its transaction may have taken a while."""
_KEEP_ALIVE_LOOKS = 50


class _Watch:
    """What one follower was told already."""

    def __init__(
        self, database: Database, principal: Principal, clock: Clock, after: datetime | None
    ) -> None:
        self._database = database
        self._principal = principal
        self._clock = clock
        self._after = after
        self._told: dict[UUID, tuple[int, datetime]] = {}
        self._agents: dict[UUID, str] = {}

    def show_to(self, principal: Principal) -> None:
        """From now on tell what this principal may see."""
        self._principal = principal

    def look(self) -> list[str]:
        """The events of what changed since the last look; the first one tells the latest changes."""
        now = self._clock()
        since = min(self._after or now, now) - LOOKED_BACK
        self._after = None
        with self._database.reading() as session:
            devices = queries.changed_since(session, self._principal, since)
            agents = {agent.id: agent.state.value for agent in queries.all_agents(session)}
        lines = [self._device(device) for device in devices if self._is_new(device)]
        lines += [
            sse.event("agent", {"id": str(agent_id), "state": state}, now.isoformat())
            for agent_id, state in agents.items()
            if self._agents.get(agent_id) != state
        ]
        self._agents = agents
        self._told = {key: value for key, value in self._told.items() if value[1] >= since}
        return lines

    def _is_new(self, device: Device) -> bool:
        told = self._told.get(device.id)
        return told is None or told[0] != device.revision

    def _device(self, device: Device) -> str:
        self._told[device.id] = device.revision, device.updated_at
        return sse.event(
            "device",
            {
                "id": str(device.id),
                "number": device.number,
                "state": device.state.value,
                "fault_code": device.fault_code,
                "fault_message": device.fault_message,
            },
            self._clock().isoformat(),
        )


async def follow(
    database: Database,
    principal: Principal,
    clock: Clock,
    *,
    again: Again,
    after: datetime | None = None,
) -> AsyncIterator[str]:
    """Events `device` and `agent`, with the state each has now, whenever one changes.

    The id of an event is the time until which changes were told; given as `after`, none is missed.
    `seen` events only bring a newer id. Every few seconds `again` says who is asking by now: what is sent
    follows their limits, and ends with their session.
    """
    watch = _Watch(database, principal, clock, after)
    asked = monotonic()
    yield sse.comment("devices")
    for index in range(int(MAX_SECONDS / LOOK_SECONDS)):
        for line in await asyncio.to_thread(watch.look):
            yield line
        if index % _KEEP_ALIVE_LOOKS == _KEEP_ALIVE_LOOKS - 1:
            yield sse.event("seen", {}, clock().isoformat())
        await asyncio.sleep(LOOK_SECONDS)
        if monotonic() - asked >= ASK_SECONDS:
            asked = monotonic()
            asker = await asyncio.to_thread(again)
            if asker is None:
                return
            watch.show_to(asker)
