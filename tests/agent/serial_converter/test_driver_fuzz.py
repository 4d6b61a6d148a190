"""Whatever the other end sends, the driver ends in time with a result or a DriverError."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from app.agent.drivers.base import Conversation, DriverError
from app.agent.drivers.serial_converter.commands import greeting
from app.agent.drivers.serial_converter.driver import SerialConverterDriver
from app.agent.drivers.serial_converter.frames import Answer, FrameType, Status, encode
from app.agent.drivers.serial_converter.link import Link, Timing
from app.contracts.devices import DeviceInfo, DeviceKind, InvoiceType
from app.contracts.periods import Period

if TYPE_CHECKING:
    from app.agent.drivers.base import StepRecorder
    from tests.agent.serial_converter.conftest import MemorySteps, ScriptedPort

    Scripted = Callable[[list[tuple[str, list[str | float]]]], ScriptedPort]

KIND = InvoiceType.ORDINARY_PAPER
INFO = DeviceInfo(
    number="661814461322",
    tax_no="91310000MA1FL3LQ9W",
    taxpayer_name="上海清卡科技有限公司",
    invoice_types=(KIND,),
    clock_at=datetime(2026, 11, 3, 9, 0),
    machine_no=0,
)
CONVERSATION = Conversation(INFO, Period("2026-10"), (KIND,))
DAY = date(2026, 10, 1)

Call = Callable[[SerialConverterDriver, "StepRecorder"], object]
CALLS: dict[str, Call] = {
    "probe": lambda driver, steps: driver.probe(),
    "info": lambda driver, steps: driver.read_info(),
    "monitor": lambda driver, steps: driver.read_monitor(INFO, KIND),
    "statistics": lambda driver, steps: driver.read_statistics(INFO, KIND, DAY, DAY),
    "invoices": lambda driver, steps: driver.read_invoices(INFO, KIND, Period("2026-10")),
    "report": lambda driver, steps: driver.report(CONVERSATION, steps),
    "clear": lambda driver, steps: driver.clear(CONVERSATION, steps),
}
TIMEOUT = 2.0
LONGEST = {"clear": 6 * TIMEOUT, "report": 6 * TIMEOUT}
"""A refused conversation (four messages' time) is followed by one query."""

frames = st.builds(
    lambda status, data, pack, kind: encode(Answer(status, data, pack, kind)),
    st.sampled_from(list(Status)),
    st.one_of(st.sampled_from([b"", b"661814461322", bytes(356), bytes(375)]), st.binary()).map(
        lambda data: data[:240]
    ),
    st.integers(0, 3),
    st.sampled_from(list(FrameType)),
)
arrivals = st.lists(
    st.one_of(st.binary(max_size=30).map(bytes.hex), frames.map(bytes.hex), st.floats(0, 4)),
    max_size=15,
)


@given(call=st.sampled_from(sorted(CALLS)), given_bytes=arrivals, greeted=st.booleans())
def test_only_driver_errors_and_in_time(
    scripted: Scripted,
    new_steps: Callable[[], MemorySteps],
    call: str,
    given_bytes: list[str | float],
    greeted: bool,
) -> None:
    port = scripted([])
    port.write = len  # type: ignore[method-assign]
    if greeted:
        port.give([0.2, encode(Answer(Status.OK)).hex()])
        port.give([0.2, encode(Answer(Status.OK, b"661814461322")).hex()])
    port.give(given_bytes)
    timing = Timing()
    link = Link(lambda: port, greeting("", timing), timing, port.clock)
    driver = SerialConverterDriver(
        link, DeviceKind.TAX_DISK, transport="scripted", password="66666666", timeout=TIMEOUT
    )
    started = port.now
    with contextlib.suppress(DriverError):
        CALLS[call](driver, new_steps())
    assert port.now - started <= LONGEST.get(call, TIMEOUT) + timing.quiet
