"""Puts the server together: middleware, error handlers, routers, static files, the mounted agent."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from app import __version__, error_handlers, features
from app.agent.assembly import build_agent
from app.agent.config import AgentConfig, load_config
from app.agent.runtime import Runtime
from app.background import Background
from app.batches.portion_thread import Portions
from app.core import migrate
from app.core.bodies import Bodies, ChangesGate
from app.core.clock import Clock, utc_now
from app.core.db import Database
from app.core.http import CrossSiteGuard, SecurityHeaders
from app.core.logging import get_logger
from app.core.metrics import Measured, RequestMetrics
from app.core.routing import Index
from app.core.threads import THREADS
from app.devices import service as devices_service
from app.devices.agents import register_mounted
from app.devices.connections import AgentClients
from app.devices.follow import AgentFollower
from app.devices.transports import InProcess
from app.layout import layout
from app.requests.run.context import Context
from app.requests.run.engine import Engine
from app.settings import ROOT, AgentMode, Settings
from app.system.idempotency import Idempotency
from app.system.rules import Rules

log = get_logger(__name__)

CHANGES_AT_ONCE = 32
"""State changes let in at once: well below THREADS, see ChangesGate."""
SIGN_INS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class MountedAgent:
    """The agent inside the server and the token of this start."""

    app: ASGIApp
    runtime: Runtime
    token: str
    simulated: bool


def create_app(
    settings: Settings,
    *,
    clock: Clock = utc_now,
    database: Database | None = None,
    executor_id: str = "local",
) -> FastAPI:
    """The application. Its lifespan migrates the database and starts the agent and the workflows."""
    features.compose()
    database = database or Database(
        settings.resolved_database_url, connections=settings.own_connections
    )
    agent = _mounted_agent(settings, clock)
    app = FastAPI(
        title="Qingka 清卡管理",
        version=__version__,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    app.state.settings = settings
    app.state.database = database
    app.state.clock = clock
    app.state.layout = layout
    app.state.agent = agent
    app.state.agents = AgentClients(database, settings)
    app.state.follower = None
    app.state.simulated = agent is not None and agent.simulated
    app.state.started_at = clock()
    app.state.after_start = None
    app.state.metrics = RequestMetrics()
    app.state.rules = Rules(settings)
    app.state.background = Background(database, settings, clock, app.state.metrics, app.state.rules)
    context = Context(database, settings, clock, AgentClients(database, settings, patient=True))
    app.state.engine = Engine(context, executor_id=executor_id, companions=(Portions(context),))
    error_handlers.install(app)
    routes = [*features.api_router().routes, *features.page_router().routes]
    app.router.routes += [Index(routes), *routes]
    app.mount("/static", _CachedStatic(directory=ROOT / "static"), name="static")
    _add_middleware(app, settings, database, clock, agent)
    return app


def _add_middleware(
    app: FastAPI,
    settings: Settings,
    database: Database,
    clock: Clock,
    agent: MountedAgent | None,
) -> None:
    """The last one added is the outermost."""
    app.add_middleware(
        Idempotency, database=database, clock=clock, root_secret=settings.root_secret
    )
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)
    if agent is not None:
        app.add_middleware(_AgentMount, agent=agent.app)
    app.add_middleware(ChangesGate, at_once=CHANGES_AT_ONCE, apart={"/login": SIGN_INS_AT_ONCE})
    app.add_middleware(Bodies, limit=settings.body_limit_mb << 20, refusal=error_handlers.respond)
    origins = (settings.public_url.rstrip("/"),) if settings.public_url else ()
    app.add_middleware(CrossSiteGuard, trusted_origins=origins)
    app.add_middleware(SecurityHeaders, tls=settings.secure_cookies)
    app.add_middleware(Measured, metrics=app.state.metrics)


def _mounted_agent(settings: Settings, clock: Clock) -> MountedAgent | None:
    if settings.agent is AgentMode.OFF:
        return None
    config = load_config(settings.agent_config) if settings.agent_config else AgentConfig()
    token = secrets.token_urlsafe(32)
    app, runtime = build_agent(config, settings.data_dir, token, clock=clock)
    simulated = any(config.is_simulated(device) for device in config.device)
    return MountedAgent(app, runtime, token, simulated)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = THREADS
    await run_in_threadpool(start, app)
    try:
        yield
    finally:
        await run_in_threadpool(stop, app)


def start(app: FastAPI) -> None:
    """Migrate, start the agent first, then the workflows that use it."""
    state = app.state
    migrate.upgrade(state.database)
    agent: MountedAgent | None = state.agent
    if agent is not None:
        register_mounted(lambda: InProcess(agent.app))
        with state.database.transaction() as session:
            devices_service.ensure_mounted(
                session,
                token=agent.token,
                settings=state.settings,
                at=state.clock(),
                simulated=agent.simulated,
            )
        agent.runtime.start()
    state.follower = AgentFollower(state.database, state.settings, state.clock)
    state.follower.start()
    state.engine.start()
    state.background.start()
    if state.after_start is not None:
        state.after_start()


def stop(app: FastAPI, *, patience: float = 0.0) -> None:
    """The other way round; what runs has `patience` seconds to come to its end."""
    app.state.background.stop()
    app.state.engine.stop(patience=patience)
    if app.state.follower is not None:
        app.state.follower.stop()
    if app.state.agent is not None:
        app.state.agent.runtime.stop()
    app.state.database.dispose()


class _AgentMount:
    """Hands /agent/… to the mounted agent; everything else goes on."""

    def __init__(self, app: ASGIApp, *, agent: ASGIApp) -> None:
        self.app = app
        self.agent = agent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        mine = scope["type"] == "http" and scope["path"].startswith("/agent/")
        await (self.agent if mine else self.app)(scope, receive, send)


class _CachedStatic(StaticFiles):
    """Addresses carry a hash of the content, so browsers may keep the files for ever."""

    def file_response(self, *args: Any, **kwargs: Any) -> Any:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response
