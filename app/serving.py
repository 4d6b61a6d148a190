"""Runs the server: one process a data directory, says when it is ready, stops in order."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
import uvicorn
from fastapi import FastAPI

from app import demo
from app.accounts.service import ensure_first_admin
from app.core import migrate
from app.core.clock import utc_now
from app.core.db import Database
from app.core.installation import require_secret
from app.files import ADDRESS, tighten
from app.main import create_app, start, stop
from app.requests.run.processes import NoSlot, take_slot
from app.settings import Settings, load_settings
from app.startup import putting_together

HEARTBEAT_SECONDS = 10.0
"""Between two pings to an agent that has dialled in, and how long each may take to be answered."""

PATIENCE = 2.0
"""Seconds a command waits for the clearing it has seen the end of to be put away."""

STOP_SECONDS = 5
"""How long open answers (a followed progress, say) may take to end at a stop."""


class AlreadyRunning(Exception):
    """Another process serves this data directory."""


@contextmanager
def engine_place(settings: Settings) -> Iterator[str]:
    """Be the one process that runs the mounted agent here; gives the name its executions go under."""
    try:
        slot = take_slot(settings, "engine")
    except NoSlot as error:
        raise AlreadyRunning(str(error)) from error
    try:
        yield slot.executor_id
    finally:
        slot.release()


def _prepared(settings: Settings) -> Database:
    """The database of this start: migrated, private, with the secret its data was made with."""
    tighten(settings.data_dir)
    database = Database(settings.resolved_database_url, connections=settings.own_connections)
    migrate.upgrade(database)
    require_secret(database, settings)
    return database


def serve(settings: Settings, host: str, port: int) -> None:
    """Serve until interrupted. Raises AlreadyRunning, ConfigError, StartRefused."""
    with engine_place(settings) as executor_id:
        database = _prepared(settings)
        with putting_together():
            app = create_app(settings, database=database, executor_id=executor_id)
        password = ensure_first_admin(app.state.database, utc_now, settings=settings)
        if password is not None:
            typer.echo(f"首个管理员：admin，一次性密码：{password}（只显示这一次，登录后须修改）")
        _run(app, host, port, lambda address: _tell(settings, address))


def serve_demo(host: str, port: int) -> None:
    """Serve the demo: simulated devices beside the server, in a data directory of their own."""
    directory = load_settings().data_dir / "demo"
    tighten(directory.parent)
    settings = load_settings(
        data_dir=directory, agent_config=directory / demo.CONFIG_NAME, database_url=""
    )
    with engine_place(settings) as executor_id:
        virtual = demo.start_virtual(directory / "virtual")
        try:
            demo.write_config(directory / demo.CONFIG_NAME, virtual.address)
            database = _prepared(settings)
            with putting_together():
                app = create_app(settings, database=database, executor_id=executor_id)
            accounts = demo.seed_accounts(app.state.database, settings, utc_now)
            app.state.after_start = lambda: demo.seed_world(app, virtual.address)
            _run(app, host, port, lambda address: _welcome(settings, address, accounts))
        finally:
            virtual.stop()


@contextmanager
def engine_unless_served(settings: Settings, database: Database) -> Iterator[None]:
    """Run agent and workflows here, for a command, unless a server does it already."""
    try:
        with engine_place(settings) as executor_id:
            app = create_app(settings, database=database, executor_id=executor_id)
            start(app)
            try:
                yield
            finally:
                stop(app, patience=PATIENCE)
    except AlreadyRunning:
        yield


class _Server(uvicorn.Server):
    """Says the line people and scripts wait for."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[str], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self.servers:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._on_ready(f"http://{host}:{port}")


def _run(app: FastAPI, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        ws_ping_interval=HEARTBEAT_SECONDS,
        ws_ping_timeout=HEARTBEAT_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    _Server(config, on_ready).run()


def _tell(settings: Settings, address: str) -> None:
    """Say that it is ready, and where, also to commands that need the agent inside this process."""
    (settings.data_dir / ADDRESS).write_text(
        address.replace("//0.0.0.0", "//127.0.0.1"), encoding="utf-8"
    )
    typer.echo(f"ready on {address}")


def _welcome(settings: Settings, address: str, accounts: list[tuple[str, str, str]]) -> None:
    if accounts:
        typer.echo("演示账号（密码只显示这一次）：")
        for name, role, password in accounts:
            typer.echo(f"  {name:<10} {role:<10} {password}")
    else:
        typer.echo("演示账号沿用首次启动时显示的密码；删除数据目录中的 demo 可重新开始")
    _tell(settings, address)
