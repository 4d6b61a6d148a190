"""Connections that agents have opened: the server's end of the tunnel (contracts/tunnel.py).

A connection lives in the loop of the web server; requests come from any loop of this process. While it
stands, it is registered as the transport of the agent's address, so that an `AgentClient` need not know.
"""

import asyncio
import itertools
import threading
from collections.abc import Awaitable, Callable
from uuid import UUID

import httpx

from app.contracts.tunnel import REPLACED, BodyFrame, CancelFrame, RequestFrame, ToServer
from app.devices.agents import agent_transports
from app.devices.models import DIAL
from app.devices.transports import Incoming, read_timeout

SendText = Callable[[str], Awaitable[None]]
Close = Callable[[int], Awaitable[None]]

_SEND_SECONDS = 15.0
"""How long the connection may take to accept a request."""


def address_of(agent_id: UUID) -> str:
    """The base_url of an agent that dials out."""
    return f"{DIAL}{agent_id}"


class Connection:
    """One agent's connection. Made in the loop that serves it."""

    def __init__(self, send: SendText, close: Close) -> None:
        self._send = send
        self._close = close
        self._loop = asyncio.get_running_loop()
        self._ids = itertools.count(1)
        self._waiting: dict[int, Incoming] = {}
        self._lock = threading.Lock()
        self._lost = False

    def take(self, text: str) -> None:
        """One frame from the agent. Raises ValueError for what is none."""
        frame = ToServer.validate_json(text)
        last = isinstance(frame, BodyFrame) and not frame.more
        with self._lock:
            waiting = self._waiting.pop(frame.id, None) if last else self._waiting.get(frame.id)
        if waiting is not None:  # else its asker has gone
            waiting.put(frame)

    def lose(self) -> None:
        """It is gone: whoever waits for an answer is told."""
        with self._lock:
            self._lost = True
            waiting, self._waiting = list(self._waiting.values()), {}
        for incoming in waiting:
            incoming.put(None)

    def hang_up(self, code: int) -> None:
        """Close it, from any thread."""
        asyncio.run_coroutine_threadsafe(self._close_quietly(code), self._loop)

    async def ask(self, request: httpx.Request) -> httpx.Response:
        """Send a request and wait for the head of its answer, in the caller's loop."""
        number = next(self._ids)
        incoming = Incoming(lambda: self._cancel(number), read_timeout(request))
        with self._lock:
            if self._lost:
                raise httpx.ConnectError("the agent is not connected")
            self._waiting[number] = incoming
        path = request.url.raw_path.decode("ascii")
        body = await request.aread()
        frame = RequestFrame(id=number, method=request.method, path=path, body=body)
        try:
            await self._sent(frame.model_dump_json())
        except (OSError, RuntimeError, TimeoutError) as error:
            self._forget(number)
            raise httpx.WriteError(str(error) or type(error).__name__) from error
        return await incoming.response()

    async def _sent(self, text: str) -> None:
        sending = asyncio.run_coroutine_threadsafe(_await(self._send(text)), self._loop)
        async with asyncio.timeout(_SEND_SECONDS):
            await asyncio.wrap_future(sending)

    def _cancel(self, number: int) -> None:
        """The asker does not wait any more; a connection that is gone needs no telling."""
        self._forget(number)
        if not self._lost and not self._loop.is_closed():
            text = CancelFrame(id=number).model_dump_json()
            asyncio.run_coroutine_threadsafe(self._tell(text), self._loop)

    async def _tell(self, text: str) -> None:
        try:
            await self._send(text)
        except (OSError, RuntimeError):
            self.lose()

    async def _close_quietly(self, code: int) -> None:
        try:
            await self._close(code)
        except (OSError, RuntimeError):
            self.lose()

    def _forget(self, number: int) -> None:
        with self._lock:
            self._waiting.pop(number, None)


class _Through(httpx.AsyncBaseTransport):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._connection.ask(request)


_connections: dict[UUID, Connection] = {}
_lock = threading.Lock()


def attach(agent_id: UUID, connection: Connection) -> None:
    """From now on the agent is asked through this connection; an older one is closed."""
    with _lock:
        older = _connections.get(agent_id)
        _connections[agent_id] = connection
        agent_transports[address_of(agent_id)] = lambda: _Through(connection)
    if older is not None:
        older.hang_up(REPLACED)


def detach(agent_id: UUID, connection: Connection) -> None:
    """The connection has ended."""
    connection.lose()
    with _lock:
        if _connections.get(agent_id) is connection:
            del _connections[agent_id]
            agent_transports.pop(address_of(agent_id), None)


def transport_of(agent_id: UUID) -> httpx.AsyncBaseTransport | None:
    """The agent's connection to this process, if it has one."""
    factory = agent_transports.get(address_of(agent_id))
    return factory() if factory is not None else None


def is_connected(base_url: str) -> bool:
    """Whether the agent at this address has a connection to this process."""
    return base_url in agent_transports


def hang_up(agent_id: UUID, code: int) -> None:
    """Close the agent's connection, if it has one here."""
    with _lock:
        connection = _connections.get(agent_id)
    if connection is not None:
        connection.hang_up(code)


async def _await(awaitable: Awaitable[None]) -> None:
    await awaitable
