"""`virtual serve`: the simulated tax server and bureau as a process of its own."""

import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from app.core.clock import SHANGHAI, Clock, utc_now
from app.core.logging import configure, get_logger
from app.simulator.messages import Dialect
from app.simulator.park import DevicePark
from app.simulator.server import create_virtual_app, run
from app.simulator.simulator import Simulator
from app.simulator.store import Store
from app.simulator.world import seed_world

STATE_FILE = "virtual.sqlite3"
_OFFSET = "clock_offset_seconds"

app = typer.Typer(help="模拟税控服务器与税务端（仅供演示和测试）", no_args_is_help=True)
log = get_logger(__name__)


class AcceptedDialect(StrEnum):
    """Which dialect is understood."""

    BOTH = "both"
    COMPONENT = "component"
    MIDDLEWARE = "middleware"


@app.callback()
def _group() -> None:
    """Keeps `serve` a subcommand: others (a serial converter) join it."""


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="监听地址")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="监听端口，0 为任意空闲端口", min=0, max=65535)] = 8712,
    devices: Annotated[int, typer.Option(help="初始设备数", min=0, max=100_000)] = 12,
    seconds: Annotated[float, typer.Option(help="每台设备清卡所需秒数", min=0)] = 0,
    clock: Annotated[str, typer.Option(help="起始时间，ISO 8601，缺省为当前时间")] = "",
    data_dir: Annotated[Path | None, typer.Option(help="数据目录，缺省为临时目录")] = None,
    dialect: Annotated[AcceptedDialect, typer.Option(help="接受的方言")] = AcceptedDialect.BOTH,
    until_stdin_closes: Annotated[
        bool, typer.Option("--until-stdin-closes", help="标准输入关闭时退出", hidden=True)
    ] = False,
) -> None:
    """启动模拟税控服务器与税务端。"""
    configure()
    if until_stdin_closes:
        threading.Thread(target=_leave_with_parent, daemon=True).start()
    with _directory(data_dir) as directory, _opened(directory) as store:
        ticking = _clock(store, _start_time(clock))
        _seed_once(store, ticking, devices)
        simulator = Simulator(store, ticking, work_seconds=seconds, dialects=_dialects(dialect))
        log.warning("SIMULATION: no real device and no real tax bureau", simulated=True)
        _serve(simulator, host, port)


def _serve(simulator: Simulator, host: str, port: int) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    with _listener(host, port) as listener:
        actual = listener.getsockname()[1]

        def ready() -> None:
            typer.echo(f"virtual ready on http://{host}:{actual}")

        run(create_virtual_app(simulator), listener, ready)


def _leave_with_parent() -> None:
    """Whoever started this process holds our standard input; when they die, however, it closes.

    Read below `sys.stdin`: a thread that waits in its buffer breaks the end of the interpreter.
    """
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _leave(number: int, frame: FrameType | None) -> None:
    """uvicorn raises the signal that stopped it again: leave by way of the clean-up."""
    raise SystemExit(0)


def _listener(host: str, port: int) -> socket.socket:
    """A listening socket. It names TCP: asyncio sets TCP_NODELAY only on sockets that do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(2048)
    return listener


@contextmanager
def _directory(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="qingka-virtual-") as temporary:
        yield Path(temporary)


@contextmanager
def _opened(directory: Path) -> Iterator[Store]:
    store = Store(directory / STATE_FILE)
    try:
        yield store
    finally:
        store.close()


def _start_time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        start = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"不是 ISO 8601 时间: {text}", param_hint="--clock") from error
    return start if start.tzinfo else start.replace(tzinfo=SHANGHAI)


def _clock(store: Store, start: datetime | None) -> Clock:
    """A clock that goes on from `start`; without it, as the data directory remembers."""
    offset = timedelta(seconds=float(store.get_meta(_OFFSET) or 0))
    if start is not None:
        offset = start - utc_now()
        store.set_meta(_OFFSET, str(offset.total_seconds()))
    return lambda: utc_now() + offset


def _seed_once(store: Store, clock: Clock, devices: int) -> None:
    """Fill an empty store in one transaction: a killed seeding leaves it empty."""
    if store.get_meta("seeded"):
        return
    today = DevicePark(store, clock).today()
    with store.transaction():
        for state, invoices in seed_world(devices, today):
            store.keep_state(state)
            store.add_invoices(state.number, invoices)
        store.set_meta("seeded", today.isoformat())


def _dialects(dialect: AcceptedDialect) -> tuple[Dialect, ...]:
    return tuple(Dialect) if dialect is AcceptedDialect.BOTH else (Dialect(dialect.value),)
