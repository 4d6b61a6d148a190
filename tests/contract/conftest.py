"""One simulated park of devices, reached by every driver family: over HTTP, a terminal, and a library."""

import asyncio
import itertools
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvicorn

from app.agent import assembly
from app.agent.config import AgentConfig, DeviceConfig, parse_config
from app.agent.drivers.base import Driver
from app.agent.drivers.registry import build_driver
from app.agent.drivers.serial_converter.driver import build as build_serial
from app.agent.drivers.serial_converter.link import Timing
from app.agent.drivers.xml import driver as xml_driver
from app.agent.runtime import Runtime
from app.contracts.devices import DeviceKind, InvoiceStatus
from app.contracts.operations import (
    FINAL_STATES,
    Operation,
    OperationKind,
    OperationRequest,
    OperationState,
)
from app.contracts.periods import Period
from app.core.ids import new_id
from app.simulator.faults import FaultRequest
from app.simulator.model import DeviceState, Invoice, Taxpayer, TypeState
from app.simulator.operate_disk import ADDRESS_VARIABLE, CONTROL_VARIABLE, build_library
from app.simulator.serial_commands import Commands
from app.simulator.serial_converter import ConverterTiming
from app.simulator.serial_port import SimulatedPort
from app.simulator.server import create_virtual_app
from app.simulator.simulator import Simulator
from app.simulator.store import Store
from app.simulator.wire import ClosableProtocol

T = TypeVar("T")

NOW = datetime(2026, 11, 10, 2, 0, tzinfo=UTC)
"""10:00 of 10 November 2026 in Shanghai: October is to be cleared, the lock date is the 16th."""
PASSWORD = "66666666"
TYPES = ("004", "007")
PERIOD = Period("2026-10")
LOCK = date(2026, 11, 16)
ANSWER_SECONDS = {"tax_server": 2.0, "operate_disk": 2.0, "serial_converter": 0.5}
"""How long the drivers wait for one answer. Only behind a converter does a lost one cost this time."""


class Park:
    """The simulation, in a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.run(self._open())

    async def _open(self) -> None:
        self.store = Store(self.folder / "virtual.sqlite3")
        self.simulator = Simulator(self.store, lambda: NOW)
        config = uvicorn.Config(
            create_virtual_app(self.simulator),
            http=ClosableProtocol,
            ws="none",
            log_config=None,
            access_log=False,
        )
        self._server = uvicorn.Server(config)
        self._serving = asyncio.ensure_future(self._server.serve([self._listener]))

    async def _close(self) -> None:
        self._server.should_exit = True
        await self._serving
        self.store.close()

    def run(self, work: Coroutine[None, None, T]) -> T:
        """Run something where the simulation runs."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def call(self, function: Callable[[], T]) -> T:
        """Call something where the simulation runs."""

        async def work() -> T:
            return function()

        return self.run(work())

    def new_device(self) -> str:
        """A tax disk with two types and an invoice of each, October not yet reported."""
        number = f"66180000{next(self._numbers):04d}"
        self.call(lambda: self.simulator.park.add(_state(number), [_invoice(t) for t in TYPES]))
        return number

    def stop(self) -> None:
        self.run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._listener.close()


def _state(number: str) -> DeviceState:
    return DeviceState(
        number=number,
        kind=DeviceKind.TAX_DISK,
        taxpayer=Taxpayer(tax_no="91310000MA1FL3LQ9W", name="上海清卡科技有限公司"),
        password=PASSWORD,
        version="V3.2",
        enabled_at=datetime(2024, 1, 5),
        types=[
            TypeState(
                invoice_type=one,
                report_from=PERIOD.first_day,
                lock_date=LOCK,
                code=f"0310020{one}04",
            )
            for one in TYPES
        ],
    )


def _invoice(kind: str) -> Invoice:
    return Invoice(
        invoice_type=kind,
        code=f"0310020{kind}04",
        number="00000001",
        status=InvoiceStatus.NORMAL,
        uploaded=True,
        issued_at=datetime(2026, 10, 8, 10, 30),
        amount="100.00",  # type: ignore[arg-type]
        tax="13.00",  # type: ignore[arg-type]
        buyer_name="北京某某贸易有限公司",
    )


@dataclass
class Bench:
    """One device behind one family, and a runtime with it alone."""

    park: Park
    family: str
    number: str
    folder: Path
    library: Path
    port: SimulatedPort | None = None
    runtimes: list[Runtime] = field(default_factory=list)

    # -- the simulation --------------------------------------------------------------------------

    def fault(self, name: str, message: str | None = None, **more: Any) -> None:
        request = {"device": self.number, "fault": name, "message": message, **more}
        self.park.call(lambda: self.park.simulator.add_fault(FaultRequest.model_validate(request)))

    def heal(self) -> None:
        def remove() -> None:
            for fault in self.park.simulator.faults.all():
                if fault.device == self.number:
                    self.park.simulator.remove_faults(fault.id)

        self.park.call(remove)

    def log(self, message: str) -> list[dict[str, Any]]:
        entries = self.park.call(lambda: self.park.store.log(self.number, 0, 10_000))
        return [entry for entry in entries if entry["message"] == message]

    def cleared(self) -> Counter[str]:
        """How often the device took a clearing (JKHC, serial 0x12), by type."""
        return Counter(e["invoice_type"] for e in self.log("JKHC") if e["acted"])

    def has_moved(self) -> dict[str, bool]:
        """By type, whether the device's lock date lies in a later month."""
        types = self.park.call(lambda: self.park.simulator.park.device(self.number).state.types)
        return {one.invoice_type: Period.of(one.lock_date) > Period.of(LOCK) for one in types}

    # -- the agent -------------------------------------------------------------------------------

    def config(self) -> AgentConfig:
        url = f"http://{self.park.address}"
        ways: dict[str, dict[str, Any]] = {
            "tax_server": {"url": url, "bureau_url": f"{url}/bureau"},
            "serial_converter": {"port": self.port.path if self.port else ""},
            "operate_disk": {
                "library": self.library,
                "bureau_url": f"{url}/bureau",
                "environment": {
                    ADDRESS_VARIABLE: self.park.address,
                    CONTROL_VARIABLE: str(self.folder / "control"),
                },
            },
        }
        device = {"driver": self.family, "number": self.number, "password": PASSWORD}
        return parse_config(
            {
                "simulated": True,
                "settle_seconds": 0.1,
                "probe_seconds": 600,
                "timeout_seconds": ANSWER_SECONDS[self.family],
                "device": [device | ways[self.family]],
            }
        )

    def driver(self) -> Driver:
        """The driver alone, as the runtime would have it."""
        (config,) = self.config().device
        complete = config.model_copy(update={"timeout_seconds": ANSWER_SECONDS[self.family]})
        return _quick_driver(complete, PASSWORD)

    def start(self) -> Runtime:
        runtime = assembly.build_runtime(self.config(), self.folder / "agent", clock=lambda: NOW)
        runtime.start()
        self.runtimes.append(runtime)
        return runtime

    def submit(self, kind: OperationKind) -> OperationRequest:
        period = None if kind is OperationKind.SET_CLOCK else PERIOD
        request = OperationRequest(id=new_id(), kind=kind, period=period)
        self.runtimes[-1].submit(self.number, request)
        return request

    def run(self, kind: OperationKind) -> Operation:
        """Submit, and wait until it has ended or its outcome is open and the agent waits."""
        request = self.submit(kind)
        return self.until(request, FINAL_STATES | {OperationState.UNKNOWN})

    def until(self, request: OperationRequest, states: frozenset[OperationState]) -> Operation:
        """The operation once it is in one of these states."""
        runtime, deadline = self.runtimes[-1], time.monotonic() + 40
        while (found := runtime.operation(request.id)).state not in states:
            assert time.monotonic() < deadline, found
            time.sleep(0.01)
        return found

    def stop(self) -> None:
        for runtime in self.runtimes:
            runtime.stop()
        if self.port is not None:
            self.park.run(self.port.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def park(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Park]:
    park = Park(tmp_path_factory.mktemp("park"))
    yield park
    park.stop()


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The simulated vendor library, compiled."""
    return build_library(tmp_path_factory.mktemp("library"))


@pytest.fixture
def new_bench(
    park: Park, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Bench]]:
    """Makes a bench of a family with a fresh device; it ends with the test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(assembly, "build_driver", _quick_driver)
    monkeypatch.setattr(xml_driver, "_BUSY_PAUSE", 0.05)
    benches: list[Bench] = []

    def make(family: str) -> Bench:
        bench = Bench(park, family, park.new_device(), tmp_path, library)
        if family == "serial_converter":
            timing = ConverterTiming(half_frame=0.3, wait_every=0.1)
            bench.port = SimulatedPort(Commands(park.simulator, bench.number), timing=timing)
            park.run(_entered(bench.port))
        benches.append(bench)
        return bench

    yield make
    for bench in benches:
        bench.stop()


async def _entered(port: SimulatedPort) -> None:
    await port.__aenter__()


def _quick_driver(config: DeviceConfig, password: str) -> Driver:
    """The family's driver; a converter's half frames are given up sooner than on a real line."""
    if config.driver != "serial_converter":
        return build_driver(config, password)
    return build_serial(config, password, timing=Timing(half_frame=0.3, quiet=0.02))
