"""HTTP answers that go wrong on purpose: a connection closed without an answer, or in the middle of one."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from app.simulator.replies import Ending, Reply

CONTENT_TYPE = "text/xml; charset=gbk"
_transports: dict[tuple[str, int], asyncio.Transport] = {}


class ClosableProtocol(H11Protocol):
    """uvicorn's HTTP protocol, with its connection within reach of an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.client is not None:
            _transports[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.client is not None:
            _transports.pop(self.client, None)
        super().connection_lost(exc)


class Dropped(Response):
    """Closes the connection without a byte of an answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with _closing(scope):
            pass
        await _gone(receive)


class Half(Response):
    """Announces the whole answer, sends the first half, closes the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: dict[str, Any] = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        half = bytes(self.body)[: len(self.body) // 2]
        with _closing(scope):
            await send(start)
            await send({"type": "http.response.body", "body": half, "more_body": True})
        await _gone(receive)


def http_response(reply: Reply) -> Response:
    """The reply as HTTP."""
    if reply.ending is Ending.DOWN:
        return PlainTextResponse("service unavailable", status_code=503)
    kinds: dict[Ending, type[Response]] = {Ending.DROPPED: Dropped, Ending.HALF: Half}
    return kinds.get(reply.ending, Response)(reply.body, media_type=CONTENT_TYPE)


@contextmanager
def _closing(scope: Scope) -> Iterator[None]:
    transport = _transports[tuple(scope["client"])]
    try:
        yield
    finally:
        transport.close()


async def _gone(receive: Receive) -> None:
    """Wait until the server has noticed, else it would answer 500 by itself."""
    while (await receive())["type"] != "http.disconnect":
        pass
