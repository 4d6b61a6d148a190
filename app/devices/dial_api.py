"""Where agents dial in: a WebSocket that carries the server's requests to them (contracts/tunnel.py).

No cookie counts here, only the agent's token: a page of another site has none to send.
"""

import asyncio
from datetime import datetime
from uuid import UUID

from fastapi import WebSocket
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.websockets import WebSocketDisconnect

from app.contracts.faults import FAULTS
from app.contracts.tunnel import CONTRACT_HEADER, VERSION_HEADER
from app.core.db import Database
from app.core.logging import get_logger
from app.core.routing import Router
from app.core.security import hash_token
from app.devices import dialled, queries, service
from app.devices.limits import count_try
from app.devices.models import AgentState
from app.errors import QingkaError, Unauthenticated

router = Router()
_log = get_logger(__name__)

_BROKEN_FRAME = 1007


class UnknownAgent(Unauthenticated):
    """No agent dials out with this token."""

    code = "agent.unauthorized"
    title = "设备代理的令牌无效"
    remedy = FAULTS["agent.unauthorized"].remedy


@router.websocket("/agents/dial")
async def dial(websocket: WebSocket) -> None:
    """Admit the agent, then keep its connection until either side hangs up."""
    try:
        agent_id = await run_in_threadpool(_admit, websocket)
    except QingkaError as error:
        await websocket.send_denial_response(_problem(error))
        return
    await websocket.accept()
    connection = dialled.Connection(_sender(websocket), websocket.close)
    dialled.attach(agent_id, connection)
    _log.info("agent_dialled_in", agent=str(agent_id))
    try:
        while True:
            connection.take(await websocket.receive_text())
    except WebSocketDisconnect as error:
        _log.info("agent_hung_up", agent=str(agent_id), code=error.code)
    except (ValueError, KeyError):
        _log.warning("agent_sent_nonsense", agent=str(agent_id))
        await websocket.close(_BROKEN_FRAME)
    finally:
        dialled.detach(agent_id, connection)


def _sender(websocket: WebSocket) -> dialled.SendText:
    """One message at a time; a connection that is gone is an OSError like any other."""
    turn = asyncio.Lock()

    async def send(text: str) -> None:
        async with turn:
            try:
                await websocket.send_text(text)
            except WebSocketDisconnect as error:
                raise ConnectionError("the agent has hung up") from error

    return send


def _admit(websocket: WebSocket) -> UUID:
    """Whose connection it is. Raises UnknownAgent, AgentIncompatible, TooManyRequests."""
    scheme, _, token = websocket.headers.get("authorization", "").partition(" ")
    ip = websocket.client.host if websocket.client else ""
    count_try(websocket, ip)
    if scheme.lower() != "bearer" or not token:
        raise UnknownAgent
    database: Database = websocket.app.state.database
    version = websocket.headers.get(VERSION_HEADER, "")[:40]
    contract = websocket.headers.get(CONTRACT_HEADER, "")
    return _admitted(database, hash_token(token), version, contract, websocket.app.state.clock())


def _admitted(
    database: Database, token_hash: str, version: str, contract: str, at: datetime
) -> UUID:
    try:
        service.require_compatible(version, int(contract) if contract.isdecimal() else 0)
        refusal = None
    except service.AgentIncompatible as error:
        refusal = error
    with database.transaction() as session:
        agent = queries.agent_by_token(session, token_hash)
        if agent is None:
            raise UnknownAgent
        agent.version = version
        agent.last_seen_at = at
        agent.state = AgentState.ONLINE if refusal is None else AgentState.INCOMPATIBLE
        found = agent.id
    if refusal is not None:
        raise refusal
    return found


def _problem(error: QingkaError) -> JSONResponse:
    body = {
        "type": f"urn:qingka:error:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "remedy": error.remedy,
    }
    return JSONResponse(
        body, error.status, headers=error.headers, media_type="application/problem+json"
    )
