"""The HTTP side: POST /SKServer/SKDo, POST /bureau, and the control address under /control."""

from collections.abc import Callable
from socket import socket

import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from app.simulator.control import control_router
from app.simulator.simulator import Simulator
from app.simulator.wire import ClosableProtocol, http_response

MAX_MESSAGE_BYTES = 1_000_000
KEEP_ALIVE_SECONDS = 75


def create_virtual_app(simulator: Simulator) -> FastAPI:
    """The ASGI app over one simulation. It has to be served by `run`: faults close connections."""
    app = FastAPI(title="清卡管理 模拟税控服务器", docs_url=None, redoc_url=None)
    app.include_router(control_router(simulator), prefix="/control")

    async def device(request: Request) -> Response:
        return http_response(await simulator.device_message(await _body(request)))

    async def bureau(request: Request) -> Response:
        return http_response(await simulator.bureau_message(await _body(request)))

    app.add_route("/SKServer/SKDo", device, methods=["POST"])
    app.add_route("/bureau", bureau, methods=["POST"])
    return app


async def _body(request: Request) -> bytes:
    """The message; one that is too large is cut, and so answered as unparsable."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size <= MAX_MESSAGE_BYTES:
            parts.append(part)
    return b"".join(parts) if size <= MAX_MESSAGE_BYTES else b""


class _AnnouncingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def run(app: FastAPI, listener: socket, ready: Callable[[], None]) -> None:
    """Serve until interrupted; `ready` is called once connections are accepted."""
    config = uvicorn.Config(
        app,
        http=ClosableProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=2,
    )
    _AnnouncingServer(config, ready).run(sockets=[listener])
