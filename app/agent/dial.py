"""Dialling out: the agent keeps one connection to its server and is asked through it.

It needs no open port and works behind NAT. A connection that breaks is made again, with growing
pauses; what the server had asked for goes on meanwhile, and asking again for the same operation id
gives the same operation.
"""

import asyncio
import json
import random
import ssl
import threading
from urllib.parse import urlsplit

from starlette.types import ASGIApp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from app import __version__
from app.agent.enrollment import Enrollment, explain
from app.agent.tunnel import Tunnel
from app.contracts import CONTRACT_VERSION
from app.contracts.tunnel import CONTRACT_HEADER, LARGEST_FRAME, REPLACED, REVOKED, VERSION_HEADER
from app.core import tls
from app.core.logging import get_logger

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0
"""Seconds between two tries; doubled from one to the next."""
REFUSED_PAUSE = 30.0
"""Seconds after the server said no: somebody has to do something first."""
HEARTBEAT = 10.0
"""Seconds between two pings, and how long each may take to be answered."""

_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
_log = get_logger(__name__)


class Dialer:
    """Keeps the connection on a thread of its own, from `start` to `stop`."""

    def __init__(self, enrollment: Enrollment, app: ASGIApp) -> None:
        self._enrollment = enrollment
        self._app = app
        self._thread = threading.Thread(target=self._run, name="agent-dial", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._ready = threading.Event()
        self.connected = threading.Event()

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """Hang up."""
        if self._loop is not None and self._ending is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join(10)

    def _run(self) -> None:
        asyncio.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        calling = asyncio.ensure_future(self._call_for_ever())
        await self._ending.wait()
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)

    async def _call_for_ever(self) -> None:
        pause = FIRST_PAUSE
        while True:
            before = asyncio.get_running_loop().time()
            longest = await self._call()
            if asyncio.get_running_loop().time() - before > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            await asyncio.sleep(max(longest, pause) * random.uniform(0.8, 1.2))  # noqa: S311
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _call(self) -> float:
        """One connection, from its opening to its end; the least pause after it."""
        try:
            async with connect(
                self._address(),
                additional_headers=self._headers(),
                ssl=self._tls(),
                proxy=None if self._host() in _LOCAL else True,
                ping_interval=HEARTBEAT,
                ping_timeout=HEARTBEAT,
                max_size=LARGEST_FRAME * 2,
            ) as connection:
                return await self._serve(connection)
        except InvalidStatus as error:
            _log.error("dial_refused", server=self._enrollment.server, reason=_reason(error))
            return REFUSED_PAUSE if error.response.status_code < 500 else 0.0
        except (OSError, InvalidHandshake, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            _log.warning("dial_failed", server=self._enrollment.server, reason=reason)
            return 0.0

    async def _serve(self, connection: ClientConnection) -> float:
        _log.info("dial_connected", server=self._enrollment.server)
        tunnel = Tunnel(self._app, self._enrollment.token.get_secret_value(), connection.send)
        self.connected.set()
        try:
            async for text in connection:
                tunnel.take(text if isinstance(text, str) else text.decode())
        except ConnectionClosed as error:
            _log.warning("dial_lost", server=self._enrollment.server, reason=str(error))
        finally:
            self.connected.clear()
            await tunnel.close()
        return _pause_after(connection)

    def _address(self) -> str:
        return f"ws{self._enrollment.server.removeprefix('http')}/api/v1/agents/dial"

    def _host(self) -> str:
        return urlsplit(self._enrollment.server).hostname or ""

    def _headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self._enrollment.token.get_secret_value()}",
            CONTRACT_HEADER: str(CONTRACT_VERSION),
            VERSION_HEADER: __version__,
        }

    def _tls(self) -> ssl.SSLContext | None:
        if not self._enrollment.server.startswith("https"):
            return None
        pin, ca = self._enrollment.pin, self._enrollment.ca
        return tls.pinned_context(pin) if pin else tls.trusting(ca)


def _pause_after(connection: ClientConnection) -> float:
    code = connection.close_code
    if code == REPLACED:
        _log.error(
            "dial_replaced", advice="another agent uses the same token: enroll this one anew"
        )
    if code == REVOKED:
        _log.error("dial_revoked", advice="the server does not know this agent any more: enroll it")
    return REFUSED_PAUSE if code in (REPLACED, REVOKED) else 0.0


def _reason(error: InvalidStatus) -> str:
    try:
        return explain(json.loads(error.response.body or b""))
    except ValueError:
        return f"HTTP {error.response.status_code}"
