"""For other processes of this installation: the way to an agent that this one has, dialled in or mounted.

Their requests to the agent come here and go on through its connection; nobody else knows the token.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import httpx
from fastapi import Depends, Request
from starlette.responses import StreamingResponse

from app.contracts.faults import fault
from app.core.routing import Router
from app.core.security import same
from app.core.web import DatabaseDep, SettingsDep, settings_of
from app.devices import dialled
from app.devices.agent_errors import AgentFault, unreachable
from app.devices.agents import agent_transports, relay_token, token_of
from app.devices.models import Agent
from app.errors import Unauthenticated

router = Router(include_in_schema=False)

_TIMEOUT = {"read": 60.0}


def _fellow(request: Request) -> None:
    """Only a process that has the root secret. Raises Unauthenticated."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not same(given, relay_token(settings_of(request))):
        raise Unauthenticated


@dataclass(frozen=True, slots=True)
class _Way:
    """How this process reaches an agent, and what the agent wants to be shown."""

    transport: httpx.AsyncBaseTransport
    headers: dict[str, str]


def _way(agent_id: UUID, database: DatabaseDep, settings: SettingsDep) -> _Way:
    dialled_in = dialled.transport_of(agent_id)
    if dialled_in is not None:
        return _Way(dialled_in, {})
    with database.reading() as session:
        agent = session.get(Agent, agent_id)
        mounted = agent_transports.get(agent.base_url) if agent is not None else None
        if agent is None or mounted is None:
            raise AgentFault(fault("agent.unreachable"))
        return _Way(mounted(), {"Authorization": f"Bearer {token_of(settings, agent)}"})


@router.api_route(
    "/agents/{agent_id}/relay/{path:path}",
    methods=["GET", "POST", "DELETE"],
    dependencies=[Depends(_fellow)],
)
async def relay(
    path: str, request: Request, way: Annotated[_Way, Depends(_way)]
) -> StreamingResponse:
    """Hand the request on, and the answer back as it comes."""
    onward = httpx.Request(
        request.method,
        httpx.URL("http://dial", path=f"/{path}", query=request.url.query.encode()),
        headers=way.headers,
        content=await request.body(),
        extensions={"timeout": _TIMEOUT},
    )
    try:
        answer = await way.transport.handle_async_request(onward)
    except httpx.HTTPError as error:
        raise unreachable(error) from error
    media = answer.headers.get("content-type", "application/json")
    return StreamingResponse(_pieces(answer), answer.status_code, media_type=media)


async def _pieces(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for piece in answer.aiter_raw():
            yield piece
    finally:
        await answer.aclose()
