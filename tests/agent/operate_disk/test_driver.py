"""Whole conversations through the simulated library; what reached the device is asked of the server."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from app.agent.config import ConfigError, DeviceConfig
from app.agent.drivers.base import (
    COMMIT_STEP,
    Conversation,
    DeviceUnavailable,
    Driver,
    OutcomeUnknown,
)
from app.agent.drivers.operate_disk.driver import build
from app.agent.drivers.xml.driver import XmlDriver
from app.contracts.operations import StepState
from app.contracts.periods import Period

if TYPE_CHECKING:
    from pathlib import Path

    from tests.agent.operate_disk.conftest import Bench, MemorySteps


def conversation_of(driver: XmlDriver) -> Conversation:
    info = driver.read_info()
    return Conversation(info, Period("2026-10"), info.invoice_types)


def test_it_is_a_driver(bench: Bench) -> None:
    driver = bench.driver()
    assert isinstance(driver, Driver)
    assert driver.probe() == bench.number


@pytest.mark.parametrize("dialect", ["component", "middleware"])
def test_report_then_clear(bench: Bench, steps: MemorySteps, dialect: str) -> None:
    driver = bench.driver(dialect=dialect)
    conversation = conversation_of(driver)
    driver.report(conversation, steps)
    driver.clear(conversation, steps)
    groups = driver.clear_groups(conversation.invoice_types)
    assert bench.acted("SJCB") == [str(kind) for kind in conversation.invoice_types]
    assert bench.acted("JKHC") == [str(kind) for group in groups for kind in group]
    assert set(bench.lock_dates().values()) == {"2026-12-15"}
    assert set(steps.states.values()) == {StepState.SUCCEEDED}


@pytest.mark.parametrize("fault", ["hang", "crash"])
def test_a_clearing_that_never_reached_the_device(
    bench: Bench, steps: MemorySteps, fault: str
) -> None:
    driver = bench.driver(timeout=1.0)
    conversation = conversation_of(driver)
    driver.report(conversation, steps)
    bench.fail(fault, "JKHC")
    with pytest.raises(OutcomeUnknown):
        driver.clear(conversation, steps)
    first = driver.clear_groups(conversation.invoice_types)[0][0]
    assert steps.states[COMMIT_STEP, first] is StepState.UNKNOWN
    assert driver.read_monitor(conversation.info, first).lock_date.month == 11
    assert bench.acted("JKHC") == []
    driver.clear(conversation, steps)
    assert sorted(bench.acted("JKHC")) == sorted(str(kind) for kind in conversation.invoice_types)


@pytest.mark.parametrize("fault", ["hang-after", "crash-after", "scribble", "overrun"])
def test_a_clearing_whose_answer_is_lost(bench: Bench, steps: MemorySteps, fault: str) -> None:
    driver = bench.driver(timeout=1.0)
    conversation = conversation_of(driver)
    driver.report(conversation, steps)
    bench.fail(fault, "JKHC")
    with pytest.raises(OutcomeUnknown):
        driver.clear(conversation, steps)
    first = driver.clear_groups(conversation.invoice_types)[0][0]
    assert driver.read_monitor(conversation.info, first).lock_date.month == 12
    steps.end(COMMIT_STEP, first, message="读取设备确认已清卡")
    driver.clear(conversation, steps)
    assert sorted(bench.acted("JKHC")) == sorted(str(kind) for kind in conversation.invoice_types)
    assert set(bench.lock_dates().values()) == {"2026-12-15"}


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("hang", "device.timeout"),
        ("crash", "device.disconnected"),
        ("scribble", "device.answer_invalid"),
    ],
)
def test_a_query_that_goes_wrong_may_be_tried_again(bench: Bench, fault: str, code: str) -> None:
    driver = bench.driver(timeout=1.0)
    bench.fail(fault, "SKPXXCX")
    with pytest.raises(DeviceUnavailable) as caught:
        driver.read_info()
    assert caught.value.fault.code == code
    assert driver.read_info().number == bench.number


def test_the_library_is_loaded_by_the_interpreter_that_is_named(
    bench: Bench, tmp_path: Path
) -> None:
    interpreter = tmp_path / "python-32"
    interpreter.write_text(f'#!/bin/sh\n: >"$0.used"\nexec {sys.executable} "$@"\n')
    interpreter.chmod(0o700)
    assert bench.driver(interpreter=interpreter).read_info().number == bench.number
    assert (tmp_path / "python-32.used").exists()


def test_a_configuration_without_library_is_refused() -> None:
    config = DeviceConfig.model_construct(driver="operate_disk", library=None, bureau_url=None)
    with pytest.raises(ConfigError):
        build(config, "")
