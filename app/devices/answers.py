"""Answers of agents, bounded in size and time: a broken or hostile one must not take the server with it."""

from collections.abc import AsyncIterator

import httpx

from app.contracts.faults import fault
from app.devices.agent_errors import AgentFault

SECONDS = 120.0
"""One answer as a whole has this long; the limits of TIMEOUT hold for each of its pieces."""

BYTES = 32 << 20
"""No answer is longer: a month of a device with 50,000 invoices is a third of this."""

EVENT_BYTES = 64 << 10
"""No event is longer."""


async def whole(begun: httpx.Response) -> httpx.Response:
    """Read the answer. Raise AgentFault `agent.answer_too_large` instead of filling the memory.

    As it came: a few packed kilobytes could be gigabytes (no agent packs its answers).
    """
    body = bytearray()
    async for part in begun.aiter_raw():
        body += part
        if len(body) > BYTES:
            raise AgentFault(fault("agent.answer_too_large"))
    return httpx.Response(begun.status_code, content=bytes(body))


async def lines(answer: httpx.Response) -> AsyncIterator[str]:
    """The lines of a stream. Raise AgentFault `agent.answer_too_large` for one that does not end."""
    left = b""
    async for part in answer.aiter_raw():
        *ended, left = (left + part).split(b"\n")
        for line in ended:
            yield line.decode(errors="replace").rstrip("\r")
        if len(left) > EVENT_BYTES:
            raise AgentFault(fault("agent.answer_too_large"))
