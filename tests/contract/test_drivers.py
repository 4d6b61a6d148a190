"""What every driver family promises, shown against its simulator: every capability, every fault at every step.

For each fault, whatever the family and the step of the conversation:
the operation ends; a failure says what to do; the device takes one clearing (JKHC, serial 0x12) at most
for each type and period; and once the fault is gone, reporting and clearing again brings the device to
where it should be, still with one clearing for each type.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from app.agent.drivers.base import Capability, DeviceRefused, DriverError
from app.agent.drivers.registry import FAMILIES
from app.contracts.devices import BureauState, BureauView
from app.contracts.faults import FAULTS
from app.contracts.operations import FINAL_STATES, Operation, OperationKind, OperationState
from app.contracts.periods import Period, is_cleared
from app.simulator.faults import SCOPES, FaultName

if TYPE_CHECKING:
    from tests.contract.conftest import Bench

    NewBench = Callable[[str], Bench]

PERIOD = Period("2026-10")
TYPES = ("004", "007")
ONCE = Counter(TYPES)
READING = ("SKPXXCX", "JKSJCX")
ASKING = tuple(family for family in FAMILIES if family != "serial_converter")
"""Families that ask the bureau themselves."""
STEPS = {
    OperationKind.REPORT: (*READING, "SKSBQTYXXCX", "SJCB", "WLCB"),
    OperationKind.CLEAR: (*READING, "SKSBQTYXXCX", "QLJS", "JKHC", "QLJSJGQR"),
}
WIRE = (
    FaultName.LOST_BEFORE,
    FaultName.LOST_AFTER,
    FaultName.GARBAGE,
    FaultName.HALF,
    FaultName.SLOW,
    FaultName.BUSY,
)
"""Strike one message; what they leave open is found out, or trying again is all it takes."""

PASSING = frozenset(
    {
        "device.disconnected",
        "device.timeout",
        "device.busy",
        "device.answer_invalid",
        "bureau.unreachable",
        "bureau.answer_invalid",
        "bureau.pending",
    }
)
"""What an operation may fail with after a fault of the wire: another try may succeed without more ado."""

REFUSALS = {
    FaultName.UNPLUGGED: "device.disconnected",
    FaultName.LOCKED: "device.locked",
    FaultName.WRONG_PASSWORD: "device.password_wrong",
    FaultName.SEVERAL_PERIODS: "device.several_periods",
    FaultName.CLOCK_FACTOR: "bureau.clock_factor",
    FaultName.BUREAU_DOWN: "bureau.unreachable",
    FaultName.NOT_FILED: "bureau.not_filed",
    FaultName.MISMATCH: "bureau.mismatch",
    FaultName.PENDING: "bureau.pending",
    FaultName.DISK_FULL: "device.fault",
}
"""Last until somebody does something: the operation fails with exactly this."""

WITHOUT_A_WAY_BACK = frozenset({"JKHC", "QLJSJGQR"})
"""From here on a fault of the wire must not make the operation fail: the device decides."""


def _cases(faults: tuple[FaultName, ...]) -> list[tuple[OperationKind, FaultName, str]]:
    return [
        (kind, fault, message)
        for kind, messages in STEPS.items()
        for fault in faults
        for message in messages
        if message in SCOPES[fault]
    ]


def _reached(bench: Bench, kind: OperationKind) -> None:
    """Bring the device to where this kind of operation begins."""
    bench.start()
    if kind is OperationKind.CLEAR:
        assert bench.run(OperationKind.REPORT).state is OperationState.SUCCEEDED


def _says_what_to_do(operation: Operation) -> str:
    """The code of a failed operation, whose message and remedy a person can use."""
    fault = operation.fault
    assert operation.state is OperationState.FAILED
    assert fault is not None
    assert fault.code in FAULTS
    assert fault.message
    assert fault.remedy
    return fault.code


def _comes_right(bench: Bench) -> None:
    """With the fault gone: report and clear again, and every type is cleared once."""
    bench.heal()
    for kind in (OperationKind.REPORT, OperationKind.CLEAR):
        operation = bench.run(kind)
        assert operation.state is OperationState.SUCCEEDED, operation
    assert bench.cleared() == ONCE
    assert all(bench.has_moved().values())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_capability(new_bench: NewBench, family: str) -> None:
    bench = new_bench(family)
    driver = bench.driver()
    try:
        assert driver.family == family
        by_itself = {Capability.BUREAU_VIEW} if family == "serial_converter" else set()
        assert driver.capabilities == frozenset(Capability) - by_itself
        assert driver.probe() == bench.number
        info = driver.read_info()
        assert (info.number, info.version) == (bench.number, "V3.2")
        assert info.invoice_types == TYPES
        for kind in info.invoice_types:
            monitor = driver.read_monitor(info, kind)
            assert monitor.lock_date == date(2026, 11, 16)
            (month,) = driver.read_statistics(info, kind, PERIOD.first_day, PERIOD.last_day).periods
            assert (month.issued, str(month.issued_amount)) == (1, "100.00")
            (invoice,) = driver.read_invoices(info, kind, PERIOD)
            assert (invoice.number, str(invoice.total)) == ("00000001", "113.00")
        reachable = driver.bureau_reachable(info)
        assert reachable is (None if family == "serial_converter" else True)
        wanted = info.clock_at.replace(microsecond=0) + timedelta(minutes=3)
        driver.set_clock(info, wanted)
        assert abs(driver.read_info().clock_at - wanted) < timedelta(seconds=2)
        groups = driver.clear_groups(info.invoice_types)
        assert [kind for group in groups for kind in group] == list(TYPES)
    finally:
        driver.close()
    assert driver.probe() == bench.number, "the next call opens it again"
    driver.close()


@pytest.mark.parametrize("family", FAMILIES)
def test_report_clear_and_set_clock(new_bench: NewBench, family: str) -> None:
    bench = new_bench(family)
    bench.start()
    for kind in (OperationKind.SET_CLOCK, OperationKind.REPORT, OperationKind.CLEAR):
        operation = bench.run(kind)
        assert operation.state is OperationState.SUCCEEDED, operation
    assert [outcome.cleared for outcome in operation.outcomes] == [True, True]
    for outcome in operation.outcomes:
        assert outcome.lock_date_after is not None
        assert is_cleared(PERIOD, outcome.lock_date_after)
    assert bench.cleared() == ONCE
    again = bench.run(OperationKind.CLEAR)
    assert again.state is OperationState.SUCCEEDED
    assert all(outcome.already for outcome in again.outcomes)
    assert bench.cleared() == ONCE
    assert len(bench.log("JKHC")) == len(TYPES)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("kind", "fault", "message"), _cases(WIRE))
def test_a_fault_of_the_wire(
    new_bench: NewBench, family: str, kind: OperationKind, fault: FaultName, message: str
) -> None:
    bench = new_bench(family)
    _reached(bench, kind)
    bench.fault(fault, message, times=1, seconds=0.2)
    operation = bench.until(bench.submit(kind), FINAL_STATES)
    if fault is FaultName.SLOW or message in WITHOUT_A_WAY_BACK:
        assert operation.state is OperationState.SUCCEEDED, operation
    elif operation.state is not OperationState.SUCCEEDED:
        assert _says_what_to_do(operation) in PASSING
        assert operation.fault is not None
        assert operation.fault.retryable
    assert max(bench.cleared().values(), default=0) <= 1
    succeeded = operation.state is OperationState.SUCCEEDED
    if kind is OperationKind.CLEAR:
        assert set(bench.has_moved().values()) == {succeeded}
    _comes_right(bench)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("kind", "fault", "message"),
    [case for case in _cases(tuple(REFUSALS)) if case[2] != "QLJSJGQR"],
)
def test_a_refusal(
    new_bench: NewBench, family: str, kind: OperationKind, fault: FaultName, message: str
) -> None:
    bench = new_bench(family)
    _reached(bench, kind)
    bench.fault(fault, message)
    operation = bench.until(bench.submit(kind), FINAL_STATES)
    assert _says_what_to_do(operation) == REFUSALS[fault]
    assert not bench.cleared()
    assert not any(bench.has_moved().values())
    _comes_right(bench)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("fault", [FaultName.BUREAU_DOWN, FaultName.LOST_BEFORE])
def test_a_confirmation_that_fails_is_made_up_for(
    new_bench: NewBench, family: str, fault: FaultName
) -> None:
    """The device is cleared: the bureau is told later, the device never again."""
    bench = new_bench(family)
    _reached(bench, OperationKind.CLEAR)
    bench.fault(fault, "QLJSJGQR", times=2)
    operation = bench.until(bench.submit(OperationKind.CLEAR), FINAL_STATES)
    assert operation.state is OperationState.SUCCEEDED
    assert bench.cleared() == ONCE
    assert len(bench.log("JKHC")) == len(TYPES)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("fault", [FaultName.LOST_AFTER, FaultName.LOST_BEFORE])
def test_an_outcome_that_cannot_be_read_stays_open_until_it_can(
    new_bench: NewBench, family: str, fault: FaultName
) -> None:
    bench = new_bench(family)
    _reached(bench, OperationKind.CLEAR)
    bench.fault(FaultName.SLOW, "JKHC", times=1, seconds=0.3)
    bench.fault(fault, "JKHC", times=1)
    request = bench.submit(OperationKind.CLEAR)
    while not bench.log("QLJS"):
        assert bench.runtimes[-1].operation(request.id).state not in FINAL_STATES
    bench.fault(FaultName.LOST_BEFORE, "SKPXXCX")
    bench.fault(FaultName.LOST_BEFORE, "JKSJCX")
    operation = bench.until(request, FINAL_STATES | {OperationState.UNKNOWN})
    assert operation.state is OperationState.UNKNOWN
    assert operation.fault is not None
    assert operation.fault.code == "device.outcome_unknown"
    assert "不要在别处重复清卡" in operation.fault.remedy
    bench.heal()
    assert bench.until(request, FINAL_STATES).state is OperationState.SUCCEEDED
    assert bench.cleared() == ONCE


@pytest.mark.parametrize("family", FAMILIES)
def test_a_bureau_that_is_down_shows_in_a_reading(new_bench: NewBench, family: str) -> None:
    bench = new_bench(family)
    bench.fault(FaultName.BUREAU_DOWN)
    reading = bench.start().read(bench.number)
    assert reading.bureau_reachable is (None if family == "serial_converter" else False)
    assert isinstance(reading.info.clock_at, datetime)


VIEWS = {
    FaultName.NOT_FILED: (BureauState.NOT_FILED, "bureau.not_filed"),
    FaultName.MISMATCH: (BureauState.MISMATCH, "bureau.mismatch"),
    FaultName.PENDING: (BureauState.PENDING, "bureau.pending"),
    FaultName.CLOCK_FACTOR: (BureauState.UNKNOWN, "bureau.clock_factor"),
}
"""What the bureau's view of every type says while it refuses."""


def _states(view: BureauView) -> set[tuple[BureauState, str, Period | None]]:
    assert [one.invoice_type for one in view.types] == list(TYPES)
    return {(one.state, one.code, one.period) for one in view.types}


@pytest.mark.parametrize("family", ASKING)
def test_the_bureau_is_asked_before_and_after_and_nothing_is_changed_by_it(
    new_bench: NewBench, family: str
) -> None:
    """The view, then a clearing: one JKHC a type, with the ciphertexts the question had issued."""
    bench = new_bench(family)
    runtime = bench.start()
    before = PERIOD.plus(-1)
    expected = {(BureauState.NOT_REPORTED, "device.not_reported", before)}
    assert _states(runtime.bureau_view(bench.number)) == expected
    assert bench.run(OperationKind.REPORT).state is OperationState.SUCCEEDED
    for _ in range(2):
        assert _states(runtime.bureau_view(bench.number)) == {(BureauState.READY, "", PERIOD)}
    assert not bench.cleared()
    assert not any(bench.has_moved().values())
    assert bench.run(OperationKind.CLEAR).state is OperationState.SUCCEEDED
    assert bench.cleared() == ONCE
    assert len(bench.log("JKHC")) == len(TYPES)
    assert all(bench.has_moved().values())
    assert _states(runtime.bureau_view(bench.number)) == {(BureauState.CLEARED, "", PERIOD)}
    assert bench.cleared() == ONCE


@pytest.mark.parametrize("family", ASKING)
@pytest.mark.parametrize("fault", VIEWS)
def test_the_bureaus_view_says_why_it_would_refuse(
    new_bench: NewBench, family: str, fault: FaultName
) -> None:
    bench = new_bench(family)
    _reached(bench, OperationKind.CLEAR)
    bench.fault(fault, "QLJS")
    view = bench.runtimes[-1].bureau_view(bench.number)
    assert _states(view) == {(*VIEWS[fault], PERIOD)}
    assert all(one.message and one.bureau_code for one in view.types)
    _comes_right(bench)


@pytest.mark.parametrize("family", ASKING)
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (FaultName.BUREAU_DOWN, "bureau.unreachable"),
        (FaultName.LOST_AFTER, "bureau.unreachable"),
        (FaultName.GARBAGE, "bureau.answer_invalid"),
    ],
)
def test_a_bureau_that_cannot_be_asked_is_said_so(
    new_bench: NewBench, family: str, fault: FaultName, code: str
) -> None:
    bench = new_bench(family)
    _reached(bench, OperationKind.CLEAR)
    bench.fault(fault, "QLJS")
    with pytest.raises(DriverError) as caught:
        bench.runtimes[-1].bureau_view(bench.number)
    assert caught.value.fault.code == code
    _comes_right(bench)


def test_a_converter_asks_the_bureau_by_itself(new_bench: NewBench) -> None:
    bench = new_bench("serial_converter")
    runtime, driver = bench.start(), bench.driver()
    with pytest.raises(DeviceRefused, match=r"device\.operation_unsupported"):
        runtime.bureau_view(bench.number)
    info = runtime.read(bench.number).info
    with pytest.raises(DeviceRefused, match=r"device\.operation_unsupported"):
        driver.bureau_view(info)


def test_the_table_covers_every_fault_there_is() -> None:
    assert {*WIRE, *REFUSALS, FaultName.REFUSE} == set(FaultName)
