"""Scripted byte exchanges on a clock of their own, and a simulated converter on a pseudo-terminal."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pytest

from app.agent.config import DeviceConfig
from app.agent.drivers.base import Conversation
from app.agent.drivers.serial_converter.driver import SerialConverterDriver, build
from app.agent.drivers.serial_converter.link import Timing
from app.contracts.devices import DeviceKind, InvoiceStatus, InvoiceType
from app.contracts.operations import StepState
from app.contracts.periods import Period
from app.simulator.device import VirtualDevice
from app.simulator.faults import FaultRequest
from app.simulator.model import DeviceState, Invoice, Taxpayer, TypeState
from app.simulator.serial_commands import Commands
from app.simulator.serial_converter import ConverterTiming
from app.simulator.serial_port import SimulatedPort
from app.simulator.simulator import Simulator
from app.simulator.store import Store

T = TypeVar("T")


@dataclass
class ScriptedPort:
    """A port that plays a script on a clock that moves only while somebody waits for it.

    The script is a list of (hex the host must write next, what the port then gives). What it gives is a
    list of hex texts and of numbers, the seconds of silence between them.
    """

    script: list[tuple[str, list[str | float]]]
    timeout: float | None = None
    now: float = 1000.0
    written: bytes = b""
    arriving: list[tuple[float, bytes]] = field(default_factory=list)
    closed: bool = False
    lost: bool = False

    def clock(self) -> float:
        return self.now

    @property
    def in_waiting(self) -> int:
        return sum(len(data) for at, data in self.arriving if at <= self.now)

    def read(self, size: int = 1, /) -> bytes:
        if self.lost:
            raise OSError("unplugged")
        assert self.timeout is not None
        if not self.in_waiting and size:
            due = min((at for at, _ in self.arriving), default=self.now + self.timeout)
            self.now = min(due, self.now + self.timeout)
        taken = bytearray()
        while len(taken) < size and self.arriving and self.arriving[0][0] <= self.now:
            at, data = self.arriving.pop(0)
            room = size - len(taken)
            taken += data[:room]
            if data[room:]:
                self.arriving.insert(0, (at, data[room:]))
        return bytes(taken)

    def write(self, data: bytes, /) -> int:
        if self.lost:
            raise OSError("unplugged")
        self.written += data
        while self.script and (wanted := bytes.fromhex(self.script[0][0])):
            if not self.written.startswith(wanted):
                assert wanted.startswith(self.written), (
                    f"wrote {self.written.hex(' ')}, expected {wanted.hex(' ')}"
                )
                break
            self.written = self.written[len(wanted) :]
            self.give(self.script.pop(0)[1])
        else:
            assert not self.written, f"wrote {self.written.hex(' ')} after the end of the script"
        return len(data)

    def give(self, what: list[str | float]) -> None:
        """Lets bytes arrive, in order; numbers are seconds of silence between them."""
        at = max([self.now, *(at for at, _ in self.arriving)])
        for item in what:
            if isinstance(item, str):
                self.arriving.append((at, bytes.fromhex(item)))
            else:
                at += item

    def close(self) -> None:
        self.closed = True

    def finish(self) -> None:
        """Asserts that the whole script was played and everything given was read."""
        assert self.script == []
        assert self.arriving == []
        assert self.written == b""


@pytest.fixture(scope="session")
def scripted() -> Callable[[list[tuple[str, list[str | float]]]], ScriptedPort]:
    """Makes a port that plays the given script."""
    return ScriptedPort


class MemorySteps:
    """A `StepRecorder` in memory. A second run of the same conversation sees what the first recorded."""

    def __init__(self) -> None:
        self.states: dict[tuple[str, InvoiceType | None], StepState] = {}
        self.order: list[tuple[str, InvoiceType | None]] = []
        self.messages: dict[tuple[str, InvoiceType | None], str] = {}

    def of(self, name: str) -> set[StepState]:
        """The states of the steps of this name."""
        return {state for (known, _), state in self.states.items() if known == name}

    def begin(self, name: str, invoice_type: InvoiceType | None = None) -> None:
        self.states[name, invoice_type] = StepState.RUNNING
        self.order.append((name, invoice_type))

    def end(
        self,
        name: str,
        invoice_type: InvoiceType | None = None,
        *,
        state: StepState = StepState.SUCCEEDED,
        message: str = "",
        device_code: str = "",
        device_message: str = "",
        payload: dict[str, str] | None = None,
    ) -> None:
        self.states[name, invoice_type] = state
        self.messages[name, invoice_type] = message

    def done(self, name: str, invoice_type: InvoiceType | None = None) -> dict[str, str] | None:
        return {} if self.states.get((name, invoice_type)) is StepState.SUCCEEDED else None

    def interrupted(self, name: str, invoice_type: InvoiceType | None = None) -> bool:
        return self.states.get((name, invoice_type)) in (StepState.RUNNING, StepState.UNKNOWN)

    def recall(self, name: str, invoice_type: InvoiceType | None = None) -> dict[str, str] | None:
        return None


@pytest.fixture(scope="session")
def new_steps() -> Callable[[], MemorySteps]:
    """Makes the record of a new operation."""
    return MemorySteps


@pytest.fixture
def steps() -> MemorySteps:
    """The record of one operation."""
    return MemorySteps()


NUMBER = "661814461322"
PASSWORD = "66666666"
NOW = datetime(2026, 11, 3, 1, 0, tzinfo=UTC)
"""09:00 of 3 November 2026 in Shanghai: October is to be cleared, the lock date is the 16th."""

TYPES = ("004", "007", "026")


def device_state(kind: DeviceKind, types: tuple[str, ...]) -> DeviceState:
    """A device with nothing reported yet."""
    return DeviceState(
        number=NUMBER,
        kind=kind,
        taxpayer=Taxpayer(tax_no="91310000MA1FL3LQ9W", name="上海清卡科技有限公司"),
        password=PASSWORD,
        version="V3.2",
        enabled_at=datetime(2024, 1, 5),
        types=[
            TypeState(
                invoice_type=one,
                report_from=date(2026, 10, 1),
                lock_date=date(2026, 11, 16),
                code=f"0310020{one}04",
            )
            for one in types
        ],
    )


def invoice(number: int, amount: str) -> Invoice:
    return Invoice(
        invoice_type="007",
        code="031002000704",
        number=f"{number:08d}",
        status=InvoiceStatus.NORMAL,
        uploaded=True,
        issued_at=datetime(2026, 10, number, 10, 30),
        amount=Decimal(amount),
        tax=Decimal("13.00"),
        buyer_name="北京某某贸易有限公司",
    )


class Bench:
    """A simulated converter on a pseudo-terminal, in a thread of its own."""

    def __init__(self, folder: Path, kind: DeviceKind, types: tuple[str, ...]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._folder, self._kind, self._types = folder, kind, types
        self._drivers: list[SerialConverterDriver] = []
        self.kind = kind
        self.run(self._open())

    async def _open(self) -> None:
        self.store = Store(self._folder / "virtual.sqlite3")
        self.simulator = Simulator(self.store, lambda: NOW)
        invoices = [invoice(day, f"{day}00.00") for day in range(1, 9)]
        self.simulator.park.add(device_state(self._kind, self._types), invoices)
        self.port = SimulatedPort(
            Commands(self.simulator, NUMBER),
            link=self._folder / "ttyConverter",
            timing=ConverterTiming(half_frame=0.3, wait_every=0.05),
        )
        await self.port.__aenter__()

    async def _close(self) -> None:
        await self.port.__aexit__(None, None, None)
        self.store.close()

    def run(self, work: Coroutine[None, None, T]) -> T:
        """Runs something where the simulation runs."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def call(self, function: Callable[[], T]) -> T:
        """Calls something where the simulation runs."""

        async def work() -> T:
            return function()

        return self.run(work())

    def fault(self, name: str, message: str | None = None, **more: Any) -> None:
        request = FaultRequest.model_validate({"fault": name, "message": message, **more})
        self.call(lambda: self.simulator.add_fault(request))

    def heal(self) -> None:
        self.call(self.simulator.remove_faults)

    def change(self, change: Callable[[VirtualDevice], object]) -> None:
        """Changes the device."""
        self.call(lambda: change(self.simulator.park.device(NUMBER)))

    def log(self) -> list[dict[str, Any]]:
        """Every message that reached the device or the bureau."""
        return self.call(lambda: self.store.log(None, 0, 1000))

    def acted(self, message: str) -> list[str]:
        """The types, in order, for which this message was acted upon."""
        return [
            entry["invoice_type"]
            for entry in self.log()
            if entry["message"] == message and entry["acted"]
        ]

    def reached(self, message: str) -> int:
        """How often this message reached the device or the bureau."""
        return sum(entry["message"] == message for entry in self.log())

    def lock_dates(self) -> dict[str, date]:
        """The lock date of each type, as the device has it."""
        return self.call(
            lambda: {
                one.invoice_type: one.lock_date
                for one in self.simulator.park.device(NUMBER).state.types
            }
        )

    def driver(self, password: str = PASSWORD, timeout: float = 1.5) -> SerialConverterDriver:
        """The real driver on the pseudo-terminal."""
        config = DeviceConfig(
            driver="serial_converter",
            kind=self._kind,
            port=self.port.path,
            timeout_seconds=timeout,
        )
        made = build(config, password, timing=Timing(half_frame=0.3, quiet=0.02))
        self._drivers.append(made)
        return made

    def stop(self) -> None:
        for driver in self._drivers:
            driver.close()
        self.run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Starts simulated converters; ends them after the test."""
    benches: list[Bench] = []

    def make(kind: DeviceKind = DeviceKind.TAX_DISK, types: tuple[str, ...] = TYPES) -> Bench:
        folder = tmp_path / f"bench{len(benches)}"
        folder.mkdir()
        benches.append(Bench(folder, kind, types))
        return benches[-1]

    yield make
    for bench in benches:
        bench.stop()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    """A tax disk with three types, October still to be cleared."""
    return make_bench()


@pytest.fixture
def conversation(bench: Bench) -> Conversation:
    """The clearing of October for every type of `bench`."""
    driver = bench.driver()
    info = driver.read_info()
    driver.close()
    return Conversation(info, Period("2026-10"), info.invoice_types)
