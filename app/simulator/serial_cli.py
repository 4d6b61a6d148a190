"""`virtual serial`: a simulated converter on a pseudo-terminal, as a process of its own. POSIX only."""

import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from fastapi import FastAPI

from app.core.clock import SHANGHAI, Clock, utc_now
from app.core.logging import configure, get_logger
from app.simulator.serial_commands import Commands
from app.simulator.serial_port import SimulatedPort
from app.simulator.server import create_virtual_app, run
from app.simulator.simulator import Simulator
from app.simulator.store import Store
from app.simulator.world import seed_world

STATE_FILE = "virtual-serial.sqlite3"

app = typer.Typer(help="模拟税控盘转换器（仅供演示和测试）")
log = get_logger(__name__)


@app.command()
def serial(
    link: Annotated[Path, typer.Option(help="串口的路径：指向伪终端的符号链接")],
    number: Annotated[str, typer.Option(help="设备编号，缺省为第一台")] = "",
    devices: Annotated[int, typer.Option(help="初始设备数", min=1, max=1000)] = 1,
    seconds: Annotated[float, typer.Option(help="清卡所需秒数", min=0)] = 0,
    clock: Annotated[str, typer.Option(help="起始时间，ISO 8601，缺省为当前时间")] = "",
    data_dir: Annotated[Path | None, typer.Option(help="数据目录，缺省为临时目录")] = None,
    port: Annotated[int, typer.Option(help="控制端口，0 为任意空闲端口", min=0, max=65535)] = 0,
) -> None:
    """启动模拟转换器，控制地址为 /control。"""
    configure()
    with _directory(data_dir) as directory, _opened(directory) as store:
        ticking = _clock(clock)
        _seed(store, ticking, devices)
        simulator = Simulator(store, ticking, work_seconds=seconds)
        log.warning("SIMULATION: no real device and no real tax bureau", simulated=True)
        _serve(simulator, _chosen(simulator, number), link, port)


def create_serial_app(simulator: Simulator, terminal: SimulatedPort) -> FastAPI:
    """The simulation's HTTP app, which keeps the terminal open while it runs.

    POST /control/serial/unplug and /control/serial/plug make the port disappear and come back.
    """

    @asynccontextmanager
    async def with_terminal(app: FastAPI) -> AsyncIterator[None]:
        async with terminal:
            yield

    api = create_virtual_app(simulator)
    api.router.lifespan_context = with_terminal

    @api.post("/control/serial/unplug")
    async def unplug() -> dict[str, bool]:
        terminal.unplug()
        return {"plugged": terminal.plugged}

    @api.post("/control/serial/plug")
    async def plug() -> dict[str, bool]:
        terminal.plug()
        return {"plugged": terminal.plugged}

    return api


def _serve(simulator: Simulator, number: str, link: Path, port: int) -> None:
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, _leave)
    terminal = SimulatedPort(Commands(simulator, number), link=link)
    with socket.create_server(("127.0.0.1", port)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def ready() -> None:
            typer.echo(f"virtual serial ready on {link} device {number} control {address}")

        run(create_serial_app(simulator, terminal), listener, ready)


def _leave(number: int, frame: FrameType | None) -> None:
    """uvicorn raises the signal that stopped it again: leave by way of the clean-up."""
    raise SystemExit(0)


def _chosen(simulator: Simulator, number: str) -> str:
    numbers = simulator.park.numbers()
    if number and number not in numbers:
        raise typer.BadParameter(f"没有这台设备: {number}", param_hint="--number")
    return number or numbers[0]


@contextmanager
def _directory(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="qingka-virtual-serial-") as temporary:
        yield Path(temporary)


@contextmanager
def _opened(directory: Path) -> Iterator[Store]:
    store = Store(directory / STATE_FILE)
    try:
        yield store
    finally:
        store.close()


def _clock(text: str) -> Clock:
    """The system's clock, or one that goes on from the given time."""
    if not text:
        return utc_now
    try:
        start = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"不是 ISO 8601 时间: {text}", param_hint="--clock") from error
    offset = (start if start.tzinfo else start.replace(tzinfo=SHANGHAI)) - utc_now()
    return lambda: utc_now() + offset


def _seed(store: Store, clock: Clock, devices: int) -> None:
    """Fills an empty store in one transaction."""
    if store.registered():
        return
    with store.transaction():
        for state, invoices in seed_world(devices, clock().astimezone(SHANGHAI).date()):
            store.keep_state(state)
            store.add_invoices(state.number, invoices)


if __name__ == "__main__":
    app()
