"""The agent's runtime with a serial converter: operations end right whatever the line does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.agent.assembly import build_runtime
from app.agent.config import AgentConfig, DeviceConfig
from app.agent.runtime import Runtime
from app.contracts.devices import LinkState
from app.contracts.operations import (
    FINAL_STATES,
    Operation,
    OperationKind,
    OperationRequest,
    OperationState,
)
from app.contracts.periods import Period
from app.core.ids import new_id

if TYPE_CHECKING:
    from tests.agent.serial_converter.conftest import Bench

    Start = Callable[[], Runtime]

NUMBER = "661814461322"


@pytest.fixture
def start(bench: Bench, tmp_path: Path) -> Iterator[Start]:
    """Starts a runtime on the bench's port, always with the same journal."""
    running: list[Runtime] = []

    def run() -> Runtime:
        device = DeviceConfig(
            driver="serial_converter",
            number=NUMBER,
            port=bench.port.path,
            password="66666666",
            timeout_seconds=0.5,
            simulated=True,
        )
        config = AgentConfig(device=(device,), probe_seconds=0.2, settle_seconds=0.1)
        running.append(build_runtime(config, tmp_path / "agent"))
        running[-1].start()
        return running[-1]

    yield run
    for runtime in running:
        runtime.stop()


def eventually(question: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def run_to_end(runtime: Runtime, kind: OperationKind) -> Operation:
    request = OperationRequest(id=new_id(), kind=kind, period=Period("2026-10"))
    runtime.submit(NUMBER, request)
    eventually(lambda: runtime.operation(request.id).state in FINAL_STATES)
    return runtime.operation(request.id)


def test_report_and_clear_through_the_runtime(bench: Bench, start: Start) -> None:
    runtime = start()
    assert run_to_end(runtime, OperationKind.REPORT).state is OperationState.SUCCEEDED
    cleared = run_to_end(runtime, OperationKind.CLEAR)
    assert cleared.state is OperationState.SUCCEEDED
    assert {str(outcome.lock_date_after) for outcome in cleared.outcomes} == {"2026-12-15"}
    assert bench.acted("JKHC") == ["004", "007", "026"]
    again = run_to_end(runtime, OperationKind.CLEAR)
    assert all(outcome.already for outcome in again.outcomes)
    assert bench.reached("JKHC") == 3


@pytest.mark.parametrize("fault", ["lost_before", "lost_after", "garbage", "half"])
def test_a_lost_answer_is_resolved_by_reading(bench: Bench, start: Start, fault: str) -> None:
    runtime = start()
    run_to_end(runtime, OperationKind.REPORT)
    bench.fault(fault, "JKHC", invoice_type="007", times=1)
    assert run_to_end(runtime, OperationKind.CLEAR).state is OperationState.SUCCEEDED
    assert bench.acted("JKHC") == ["004", "007", "026"]


def test_a_report_the_bureau_did_not_get_is_made_again(bench: Bench, start: Start) -> None:
    runtime = start()
    bench.fault("bureau_down", "WLCB", times=1)
    failed = run_to_end(runtime, OperationKind.REPORT)
    assert failed.fault is not None
    assert failed.fault.code == "bureau.unreachable"
    assert run_to_end(runtime, OperationKind.REPORT).state is OperationState.SUCCEEDED
    assert run_to_end(runtime, OperationKind.CLEAR).state is OperationState.SUCCEEDED
    assert bench.acted("JKHC") == ["004", "007", "026"]


def test_unplugged_while_clearing_then_plugged_in_again(bench: Bench, start: Start) -> None:
    runtime = start()
    run_to_end(runtime, OperationKind.REPORT)
    bench.fault("slow", "JKHC", times=1, seconds=0.3)
    request = OperationRequest(id=new_id(), kind=OperationKind.CLEAR, period=Period("2026-10"))
    runtime.submit(NUMBER, request)
    eventually(lambda: bench.reached("QLJS") == 1)
    bench.call(bench.port.unplug)
    eventually(lambda: runtime.operation(request.id).state is OperationState.UNKNOWN)
    bench.call(bench.port.plug)
    eventually(lambda: runtime.operation(request.id).state in FINAL_STATES)
    assert runtime.operation(request.id).state is OperationState.SUCCEEDED
    assert bench.acted("JKHC") == ["004", "007", "026"]


def test_connecting_and_disconnecting_show_within_three_seconds(bench: Bench, start: Start) -> None:
    runtime = start()

    def state() -> LinkState:
        return runtime.devices()[0].state

    eventually(lambda: state() is LinkState.CONNECTED)
    bench.call(bench.port.unplug)
    started = time.monotonic()
    eventually(lambda: state() is LinkState.DISCONNECTED)
    assert time.monotonic() - started < 3
    bench.call(bench.port.plug)
    eventually(lambda: state() is LinkState.CONNECTED)
