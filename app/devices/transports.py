"""Ways to an agent besides a plain connection: in this process, through a connection it has opened, patiently."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from time import monotonic
from typing import Any

import httpx
from starlette.types import ASGIApp, Message

from app.contracts.tunnel import BodyFrame, HeadFrame
from app.core.logging import get_logger

_log = get_logger(__name__)

Frame = HeadFrame | BodyFrame

_RETRY_SECONDS = 1.0


class Incoming(httpx.AsyncByteStream):
    """An answer that arrives in pieces. Made in the loop that waits for it; `put` from any thread."""

    def __init__(self, hang_up: Callable[[], None], timeout: float | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Frame | None] = asyncio.Queue()
        self._hang_up = hang_up
        self._timeout = timeout
        self._ended = False

    def put(self, frame: Frame | None) -> None:
        """The next piece; None: there will be no more. An asker that is gone misses nothing."""
        with contextlib.suppress(RuntimeError):  # its loop has ended
            self._loop.call_soon_threadsafe(self._queue.put_nowait, frame)

    async def response(self) -> httpx.Response:
        """The answer, once its head is there. Raises httpx.ReadError, httpx.ReadTimeout."""
        try:
            head = await self._next()
        except BaseException:
            await self.aclose()
            raise
        if not isinstance(head, HeadFrame):
            raise httpx.RemoteProtocolError("an answer begins with its head")
        return httpx.Response(head.status, headers=list(head.headers), stream=self)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while not self._ended:
            frame = await self._next()
            if isinstance(frame, BodyFrame):
                self._ended = not frame.more
                yield frame.data

    async def aclose(self) -> None:
        """Not interested in the rest."""
        if not self._ended:
            self._ended = True
            self._hang_up()

    async def _next(self) -> Frame:
        try:
            async with asyncio.timeout(self._timeout):
                frame = await self._queue.get()
        except TimeoutError as error:
            raise httpx.ReadTimeout("no answer") from error
        if frame is None:
            self._ended = True
            raise httpx.ReadError("the connection is gone")
        return frame


class InProcess(httpx.AsyncBaseTransport):
    """Calls an ASGI app in the caller's loop. Unlike httpx.ASGITransport it hands on a stream as it comes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Runs the app as a task; closing the answer ends it."""
        body = await request.aread()
        tasks: list[asyncio.Task[None]] = []
        incoming = Incoming(lambda: _cancel(tasks), read_timeout(request))
        task = asyncio.ensure_future(self._run(_scope(request), body, incoming))
        tasks.append(task)
        return await incoming.response()

    async def _run(self, scope: dict[str, Any], body: bytes, incoming: Incoming) -> None:
        given: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            never: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
            return given.pop() if given else await never

        async def send(message: Message) -> None:
            incoming.put(_frame(message))

        try:
            await self._app(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - the app's mistake; the asker gets what was sent
            _log.error("in_process_request_failed", path=scope["path"], exc_info=error)
        finally:
            incoming.put(None)


class Registered(httpx.AsyncBaseTransport):
    """The transport there is at the moment of the request; none is a connection that cannot be made."""

    def __init__(self, find: Callable[[], Callable[[], httpx.AsyncBaseTransport] | None]) -> None:
        self._find = find

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.ConnectError when there is none."""
        factory = self._find()
        if factory is None:
            raise httpx.ConnectError("the agent is not connected")
        return await factory().handle_async_request(request)


class Patient(httpx.AsyncBaseTransport):
    """Waits up to `seconds` for the other side to be there. What may have been sent is not sent again."""

    def __init__(self, inner: httpx.AsyncBaseTransport, seconds: float) -> None:
        self._inner = inner
        self._seconds = seconds

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises what the last try raised."""
        deadline = monotonic() + self._seconds
        while True:
            try:
                return await self._inner.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if monotonic() + _RETRY_SECONDS > deadline:
                    raise
            await asyncio.sleep(_RETRY_SECONDS)

    async def aclose(self) -> None:
        """Close the transport beneath."""
        await self._inner.aclose()


def read_timeout(request: httpx.Request) -> float | None:
    """Seconds this request waits for the next piece of its answer; None: for ever."""
    timeout: float | None = request.extensions.get("timeout", {}).get("read")
    return timeout


def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()


def _frame(message: Message) -> Frame:
    if message["type"] == "http.response.start":
        headers = tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in message["headers"])
        return HeadFrame(id=0, status=message["status"], headers=headers)
    more = message.get("more_body", False)
    return BodyFrame(id=0, data=message.get("body", b""), more=more)


def _scope(request: httpx.Request) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.split(b"?")[0],
        "query_string": request.url.query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("127.0.0.1", 0),
        "server": (request.url.host, request.url.port),
    }
