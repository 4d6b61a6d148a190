"""The agent's end of a connection it has opened: requests in, answers out (contracts/tunnel.py).

Each request runs through the same app that answers over HTTP, as a task of its own: a slow answer
or an endless stream holds up no other.
"""

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Receive, Scope

from app.agent.auth import API
from app.contracts.tunnel import CHUNK, BodyFrame, CancelFrame, HeadFrame, RequestFrame, ToAgent
from app.core.logging import get_logger

SendText = Callable[[str], Awaitable[None]]

_log = get_logger(__name__)


class Tunnel:
    """Answers the frames of one connection. `token` is the one the app asks for."""

    def __init__(self, app: ASGIApp, token: str, send: SendText) -> None:
        self._app = app
        self._token = token
        self._send = send
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def take(self, text: str) -> None:
        """One frame from the server. Raises `ValueError` for what is none."""
        frame = ToAgent.validate_json(text)
        if isinstance(frame, CancelFrame):
            if (task := self._tasks.get(frame.id)) is not None:
                task.cancel()
            return
        task = asyncio.get_running_loop().create_task(self._answer(frame))
        self._tasks[frame.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(frame.id, None))

    async def close(self) -> None:
        """End what is being answered; operations go on, they belong to the runtime."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, frame: RequestFrame) -> None:
        answer = _Answer(frame.id, self._send)
        try:
            await self._app(self._scope(frame), _body(frame), answer.send)
        except Exception as error:  # noqa: BLE001 - the app's mistake is this request's answer
            _log.error("tunnelled_request_failed", path=frame.path, exc_info=error)
            await answer.fail()

    def _scope(self, frame: RequestFrame) -> Scope:
        path, _, query = frame.path.partition("?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": frame.method,
            "scheme": "https",
            "path": unquote(path) if path.startswith(API) else API,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [
                (b"host", b"agent"),
                (b"authorization", f"Bearer {self._token}".encode()),
                (b"content-type", b"application/json"),
                (b"content-length", str(len(frame.body)).encode()),
            ],
            "client": None,
            "server": None,
        }


class _Answer:
    """Turns the app's messages into frames."""

    def __init__(self, request_id: int, send: SendText) -> None:
        self._id = request_id
        self._send = send
        self._begun = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begun = True
            headers = tuple(
                (n.decode("latin-1"), v.decode("latin-1")) for n, v in message["headers"]
            )
            head = HeadFrame(id=self._id, status=message["status"], headers=headers)
            await self._send(head.model_dump_json())
        elif message["type"] == "http.response.body":
            await self._body(message.get("body", b""), message.get("more_body", False))

    async def fail(self) -> None:
        """An answer that could not be finished: 500, or the end of what there is."""
        if not self._begun:
            await self._send(HeadFrame(id=self._id, status=500).model_dump_json())
        await self._body(b"", more=False)

    async def _body(self, data: bytes, more: bool) -> None:
        for start in range(0, max(len(data), 1), CHUNK):
            part = data[start : start + CHUNK]
            rest = more or start + CHUNK < len(data)
            await self._send(BodyFrame(id=self._id, data=part, more=rest).model_dump_json())


def _body(frame: RequestFrame) -> Receive:
    given: list[Message] = [{"type": "http.request", "body": frame.body, "more_body": False}]

    async def receive() -> Message:
        """The body; then nothing: a server that does not wait any more cancels the task."""
        if given:
            return given.pop()
        never: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        return await never

    return receive
