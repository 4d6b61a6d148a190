"""A request's body is here, whole and bounded, before the request takes a place or a thread.

The server software (uvicorn, h11) bounds neither the size nor the time of a body and has no setting for it,
so this is ours: a stranger who announces a body and never sends it holds a socket and nothing else.
"""

import asyncio
from collections.abc import Callable, Mapping
from tempfile import SpooledTemporaryFile
from typing import IO

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.http import SAFE_METHODS
from app.core.threads import on_thread
from app.errors import BodyAmbiguous, BodyTooSlow, PayloadTooLarge, QingkaError

SECONDS = 20.0
"""Every body has this long, and a second more for each `RATE` bytes that have come."""
RATE = 20_000
IN_MEMORY = 64 << 10
"""Bytes kept in memory; what is longer goes to a temporary file."""

Refusal = Callable[[Request, QingkaError], Response]


class Bodies:
    """Reads the body before the application runs: 413 for a large, 408 for a slow, 400 for an ambiguous one."""

    def __init__(
        self, app: ASGIApp, *, limit: int, refusal: Refusal, seconds: float = SECONDS
    ) -> None:
        self.app = app
        self.limit = limit
        self.refusal = refusal
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" else {}
        if "content-length" not in headers and "transfer-encoding" not in headers:
            await self.app(scope, receive, send)  # HTTP/1.1 has no body then
            return
        with SpooledTemporaryFile(IN_MEMORY) as file:
            try:
                self._look_at(headers)
                size = await self._fill(file, receive)
            except (PayloadTooLarge, BodyTooSlow, BodyAmbiguous) as error:
                response = await on_thread(self.refusal, Request(scope), error)
                # What is still to come of the body must not be taken for the next request.
                response.headers["connection"] = "close"
                await response(scope, receive, send)
            except ClientDisconnect:
                return  # nobody is there to be answered
            else:
                file.seek(0)
                await self.app(scope, _replay(file, size, receive), send)

    def _look_at(self, headers: Mapping[str, str]) -> None:
        announced = headers.get("content-length", "0")
        if "transfer-encoding" in headers and "content-length" in headers:
            raise BodyAmbiguous
        if not announced.isdigit() or int(announced) > self.limit:
            raise PayloadTooLarge

    async def _fill(self, file: IO[bytes], receive: Receive) -> int:
        loop = asyncio.get_running_loop()
        began, size, more = loop.time(), 0, True
        while more:
            try:
                async with asyncio.timeout_at(began + self.seconds + size / RATE):
                    message = await receive()
            except TimeoutError as error:
                raise BodyTooSlow from error
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            part = message.get("body", b"")
            more = message.get("more_body", False)
            size += len(part)
            if size > self.limit:
                raise PayloadTooLarge
            file.write(part)
        return size


def _replay(file: IO[bytes], size: int, receive: Receive) -> Receive:
    """Give the body as the application would have received it, then what the server tells after it."""
    left = size
    over = False

    async def whole() -> Message:
        nonlocal left, over
        if over:
            return await receive()
        part = file.read(IN_MEMORY)
        left -= len(part)
        over = left <= 0
        return {"type": "http.request", "body": part, "more_body": not over}

    return whole


class ChangesGate:
    """Lets a bounded number of state changes in at once; the others wait without holding a thread.

    A change may wait in its thread for a lock that another change holds, and that one needs a thread
    to go on. With fewer changes than threads there always is one. A path in `apart` has places of its
    own: whoever holds all the others cannot keep people from signing in.
    """

    def __init__(self, app: ASGIApp, *, at_once: int, apart: Mapping[str, int]) -> None:
        self.app = app
        self._gate = asyncio.Semaphore(at_once)
        self._apart = {path: asyncio.Semaphore(places) for path, places in apart.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS:
            await self.app(scope, receive, send)
            return
        async with self._apart.get(scope["path"], self._gate):
            await self.app(scope, receive, send)
