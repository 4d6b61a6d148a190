"""The real driver against a simulated converter on a pseudo-terminal; counts are taken at the device."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from app.agent.drivers.base import (
    COMMIT_STEP,
    DELIVER_STEP,
    REPORT_STEP,
    Conversation,
    DeviceRefused,
    DeviceUnavailable,
    Driver,
    DriverError,
    OutcomeUnknown,
)
from app.contracts.devices import DeviceKind, InvoiceStatus, InvoiceType
from app.contracts.operations import StepState
from app.contracts.periods import Period

if TYPE_CHECKING:
    from tests.agent.serial_converter.conftest import Bench, MemorySteps

    Make = Callable[..., Bench]

TYPE_007 = InvoiceType.ORDINARY_PAPER
BEFORE = date(2026, 11, 16)
AFTER = date(2026, 12, 15)


def refused(call: Callable[[], object], kind: type[DriverError], code: str) -> DriverError:
    with pytest.raises(DriverError) as caught:
        call()
    assert (type(caught.value), caught.value.fault.code) == (kind, code)
    return caught.value


def test_it_is_a_driver(bench: Bench) -> None:
    assert isinstance(bench.driver(), Driver)


def test_reading(bench: Bench) -> None:
    driver = bench.driver()
    assert driver.probe() == "661814461322"
    info = driver.read_info()
    assert info.taxpayer_name == "上海清卡科技有限公司"
    assert info.clock_at == datetime(2026, 11, 3, 9, 0)
    assert [str(one) for one in info.invoice_types] == ["004", "007", "026"]
    monitor = driver.read_monitor(info, TYPE_007)
    assert monitor.lock_date == BEFORE
    assert monitor.report_from == datetime(2026, 10, 1)
    assert monitor.last_reported_at is None


def test_statistics_and_invoices(bench: Bench) -> None:
    driver = bench.driver()
    info = driver.read_info()
    found = driver.read_statistics(info, TYPE_007, date(2026, 8, 1), date(2026, 10, 31))
    assert [period.issued for period in found.periods] == [0, 0, 8]
    assert found.periods[2].issued_amount == Decimal("3600.00")
    invoices = driver.read_invoices(info, TYPE_007, Period("2026-10"))
    assert len(invoices) == 8
    assert invoices[0].status is InvoiceStatus.NORMAL
    assert invoices[0].buyer_name == "北京某某贸易有限公司"


def test_setting_the_clock(bench: Bench) -> None:
    driver = bench.driver()
    driver.set_clock(driver.read_info(), datetime(2026, 11, 3, 9, 30))
    assert driver.read_info().clock_at == datetime(2026, 11, 3, 9, 30)


def test_report_then_clear(bench: Bench, conversation: Conversation, steps: MemorySteps) -> None:
    driver = bench.driver()
    driver.report(conversation, steps)
    driver.clear(conversation, steps)
    assert bench.acted("SJCB") == bench.acted("JKHC") == ["004", "007", "026"]
    assert bench.acted("WLCB") == bench.acted("QLJSJGQR") == ["004", "007", "026"]
    assert set(bench.lock_dates().values()) == {AFTER}
    assert steps.order == [
        *((REPORT_STEP, kind) for kind in conversation.invoice_types),
        (DELIVER_STEP, None),
        *((COMMIT_STEP, kind) for kind in conversation.invoice_types),
    ]
    assert set(steps.states.values()) == {StepState.SUCCEEDED}


def test_reporting_again_does_no_harm(
    bench: Bench, conversation: Conversation, new_steps: Callable[[], MemorySteps]
) -> None:
    driver = bench.driver()
    first, second, third = new_steps(), new_steps(), new_steps()
    driver.report(conversation, first)
    driver.report(conversation, second)
    assert second.of(REPORT_STEP) == {StepState.SKIPPED}
    driver.clear(conversation, first)
    driver.report(conversation, third)
    assert third.of(REPORT_STEP) == {StepState.SKIPPED}


def test_clearing_is_refused_before_every_type_is_reported(
    bench: Bench, conversation: Conversation, steps: MemorySteps
) -> None:
    driver = bench.driver()
    some = Conversation(conversation.info, conversation.period, (TYPE_007,))
    driver.report(some, steps)
    refused(lambda: driver.clear(some, steps), DeviceRefused, "device.not_reported")
    assert bench.acted("JKHC") == []
    assert steps.states[COMMIT_STEP, TYPE_007] is StepState.FAILED


def test_a_golden_disk_clears_group_by_group(make_bench: Make, steps: MemorySteps) -> None:
    bench = make_bench(DeviceKind.GOLDEN_TAX_DISK, ("025", "026", "004", "005", "007", "006"))
    driver = bench.driver()
    info = driver.read_info()
    whole = Conversation(info, Period("2026-10"), info.invoice_types)
    driver.report(whole, steps)
    driver.clear(whole, steps)
    groups = [[str(kind) for kind in group] for group in driver.clear_groups(info.invoice_types)]
    assert groups == [["025"], ["026", "005", "006"], ["004", "007"]]
    assert bench.acted("JKHC") == ["025", "026", "005", "006", "004", "007"]


def test_a_ukey_clears_all_types_at_once(make_bench: Make) -> None:
    driver = make_bench(DeviceKind.UKEY).driver()
    types = driver.read_info().invoice_types
    assert driver.clear_groups(types) == [types]
    assert driver.clear_groups(()) == []


@pytest.mark.parametrize("fault", ["lost_before", "lost_after", "garbage", "half"])
def test_an_interrupted_clearing_is_resumed_and_reaches_the_device_once(
    bench: Bench, conversation: Conversation, steps: MemorySteps, fault: str
) -> None:
    driver = bench.driver(timeout=0.3)
    driver.report(conversation, steps)
    bench.fault(fault, "JKHC", invoice_type="007", times=1)
    with pytest.raises(OutcomeUnknown):
        driver.clear(conversation, steps)
    assert steps.states[COMMIT_STEP, TYPE_007] is StepState.UNKNOWN
    driver.clear(conversation, steps)
    assert bench.acted("JKHC") == ["004", "007", "026"]
    assert set(bench.lock_dates().values()) == {AFTER}
    found = steps.messages[COMMIT_STEP, TYPE_007]
    assert found == ("" if fault == "lost_before" else "读取设备确认已清卡，锁死日期 2026-12-15")


def test_a_new_process_resumes_by_reading(
    bench: Bench, conversation: Conversation, steps: MemorySteps
) -> None:
    """The first agent dies while 0x12 runs: its step was begun and never ended."""
    driver = bench.driver()
    driver.report(conversation, steps)
    driver.clear(Conversation(conversation.info, conversation.period, (TYPE_007,)), steps)
    steps.states[COMMIT_STEP, TYPE_007] = StepState.RUNNING
    driver.close()
    bench.driver().clear(conversation, steps)
    assert sorted(bench.acted("JKHC")) == ["004", "007", "026"]


def test_an_interrupted_clearing_is_not_sent_again_while_the_device_cannot_be_read(
    bench: Bench, conversation: Conversation, steps: MemorySteps
) -> None:
    driver = bench.driver(timeout=0.3)
    driver.report(conversation, steps)
    bench.fault("lost_after", "JKHC", times=1)
    with pytest.raises(OutcomeUnknown):
        driver.clear(conversation, steps)
    bench.fault("lost_before", "JKSJCX")
    for _ in range(2):
        refused(lambda: driver.clear(conversation, steps), DeviceUnavailable, "device.timeout")
        assert bench.reached("JKHC") == 1
        assert steps.of(COMMIT_STEP) == {StepState.UNKNOWN}
    bench.heal()
    driver.clear(conversation, steps)
    assert bench.acted("JKHC") == ["004", "007", "026"]


def test_a_confirmation_that_fails_after_the_device_acted_is_a_success(
    bench: Bench, conversation: Conversation, steps: MemorySteps
) -> None:
    driver = bench.driver()
    driver.report(conversation, steps)
    bench.fault("bureau_down", "QLJSJGQR")
    driver.clear(conversation, steps)
    assert bench.acted("JKHC") == ["004", "007", "026"]
    assert set(steps.states.values()) == {StepState.SUCCEEDED}
    assert steps.messages[COMMIT_STEP, TYPE_007].startswith("读取设备确认已清卡")


def test_a_refusal_after_which_the_device_cannot_be_read_leaves_the_outcome_open(
    bench: Bench, conversation: Conversation, steps: MemorySteps
) -> None:
    driver = bench.driver(timeout=0.3)
    driver.report(conversation, steps)
    bench.fault("bureau_down", "QLJSJGQR")
    bench.fault("lost_before", "JKSJCX")
    refused(lambda: driver.clear(conversation, steps), OutcomeUnknown, "bureau.unreachable")
    bench.heal()
    driver.clear(conversation, steps)
    assert bench.acted("JKHC") == ["004", "007", "026"]


@pytest.mark.parametrize(
    ("fault", "code", "kind"),
    [
        ("not_filed", "bureau.not_filed", DeviceRefused),
        ("mismatch", "bureau.mismatch", DeviceRefused),
        ("clock_factor", "bureau.clock_factor", DeviceRefused),
        ("pending", "bureau.pending", DeviceUnavailable),
        ("locked", "device.locked", DeviceRefused),
        ("disk_full", "device.fault", DeviceRefused),
    ],
)
def test_a_refused_clearing_tells_why_and_changes_nothing(
    bench: Bench,
    conversation: Conversation,
    steps: MemorySteps,
    fault: str,
    code: str,
    kind: type[DriverError],
) -> None:
    driver = bench.driver()
    driver.report(conversation, steps)
    bench.fault(fault, None)
    refused(lambda: driver.clear(conversation, steps), kind, code)
    assert bench.acted("JKHC") == []
    assert set(bench.lock_dates().values()) == {BEFORE}
    bench.heal()
    driver.clear(conversation, steps)
    assert bench.acted("JKHC") == ["004", "007", "026"]


@pytest.mark.parametrize(
    ("fault", "code", "kind"),
    [
        ("several_periods", "device.several_periods", DeviceRefused),
        ("locked", "device.locked", DeviceRefused),
        ("bureau_down", "bureau.unreachable", DeviceUnavailable),
        ("unplugged", "device.disconnected", DeviceUnavailable),
    ],
)
def test_a_refused_report_tells_why(
    bench: Bench,
    conversation: Conversation,
    steps: MemorySteps,
    fault: str,
    code: str,
    kind: type[DriverError],
) -> None:
    bench.fault(fault)
    error = refused(lambda: bench.driver().report(conversation, steps), kind, code)
    assert error.fault.device_message


def test_a_lost_report_is_made_again(
    bench: Bench, conversation: Conversation, steps: MemorySteps
) -> None:
    driver = bench.driver(timeout=0.3)
    bench.fault("lost_after", "SJCB", times=1)
    refused(lambda: driver.report(conversation, steps), DeviceUnavailable, "device.timeout")
    driver.report(conversation, steps)
    driver.clear(conversation, steps)
    assert bench.acted("JKHC") == ["004", "007", "026"]


def test_a_wrong_password_is_tried_once(bench: Bench, conversation: Conversation) -> None:
    error = refused(bench.driver("00000000").read_info, DeviceRefused, "device.password_wrong")
    assert error.fault.tries_left == 7
    assert error.fault.device_code == "0963c7"


def test_a_clearing_with_a_wrong_password_does_not_read_with_it(
    bench: Bench, conversation: Conversation, steps: MemorySteps
) -> None:
    driver = bench.driver("00000000")
    refused(lambda: driver.clear(conversation, steps), DeviceRefused, "device.password_wrong")
    assert bench.reached("JKSJCX") == 0


def test_slow_and_busy_only_take_longer(
    bench: Bench, conversation: Conversation, steps: MemorySteps
) -> None:
    driver = bench.driver(timeout=1.0)
    bench.fault("slow", "SJCB", times=1, seconds=1.5)
    bench.fault("busy", "JKHC", times=3)
    driver.report(conversation, steps)
    driver.clear(conversation, steps)
    assert bench.acted("JKHC") == ["004", "007", "026"]


@pytest.mark.parametrize("fault", ["garbage", "half"])
def test_a_damaged_answer_to_a_query_is_asked_once_more(bench: Bench, fault: str) -> None:
    driver = bench.driver()
    bench.fault(fault, "SKSBBH", times=1)
    bench.fault(fault, "SKPXXCX", times=1)
    assert driver.read_info().number == "661814461322"
    bench.fault(fault, "SKPXXCX")
    refused(driver.read_info, DeviceUnavailable, "device.answer_invalid")


def test_silence_ends_in_time(bench: Bench) -> None:
    driver = bench.driver(timeout=0.5)
    driver.probe()
    bench.fault("lost_before")
    started = time.monotonic()
    refused(driver.probe, DeviceUnavailable, "device.timeout")
    assert time.monotonic() - started < 2
    bench.heal()
    assert driver.probe() == "661814461322"


def test_unplugging_is_noticed_and_plugging_in_again(bench: Bench) -> None:
    driver = bench.driver()
    driver.probe()
    bench.call(bench.port.unplug)
    refused(driver.probe, DeviceUnavailable, "device.disconnected")
    refused(driver.probe, DeviceUnavailable, "device.disconnected")
    bench.call(bench.port.plug)
    assert driver.probe() == "661814461322"


def test_unplugged_in_the_middle_of_a_clearing(
    bench: Bench, conversation: Conversation, steps: MemorySteps
) -> None:
    driver = bench.driver()
    driver.report(conversation, steps)
    bench.fault("slow", "JKHC", times=1, seconds=0.6)
    puller = threading.Timer(0.3, lambda: bench.call(bench.port.unplug))
    puller.start()
    refused(lambda: driver.clear(conversation, steps), OutcomeUnknown, "device.disconnected")
    puller.join()
    bench.call(bench.port.plug)
    driver.clear(conversation, steps)
    assert bench.acted("JKHC") == ["004", "007", "026"]


def test_two_processes_cannot_use_one_port(bench: Bench) -> None:
    first, second = bench.driver(), bench.driver()
    first.probe()
    refused(second.probe, DeviceUnavailable, "device.disconnected")
    first.close()
    assert second.probe() == "661814461322"


def test_text_the_converter_cannot_carry_is_refused_before_sending(bench: Bench) -> None:
    refused(bench.driver("𠮷").read_info, DeviceRefused, "device.text_not_encodable")
    refused(bench.driver("123456789").read_info, DeviceRefused, "device.text_not_encodable")
    assert bench.reached("SKPXXCX") == 0
