"""抄报 over the fake device: what is sent, what is skipped, what is refused."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

import pytest

from app.contracts.operations import OperationState, StepState

if TYPE_CHECKING:
    from tests.agent.conftest import Lab


def test_order_of_messages(lab: Lab) -> None:
    lab.start()
    operation = lab.run("report")
    assert operation.state is OperationState.SUCCEEDED
    assert lab.world.names() == ["SKSBQTYXXCX", "SJCB 004", "SJCB 007", "WLCB"]
    assert [(s.name, s.invoice_type) for s in operation.steps] == [
        ("SKSBQTYXXCX", None),
        ("SJCB", "004"),
        ("SJCB", "007"),
        ("WLCB", None),
    ]
    assert all(o.reported and not o.already and not o.cleared for o in operation.outcomes)


def test_reported_types_are_left_alone(reported_lab: Lab) -> None:
    operation = reported_lab.run("report")
    assert operation.state is OperationState.SUCCEEDED
    assert reported_lab.world.names() == []
    assert all(o.already and o.reported for o in operation.outcomes)


def test_reported_elsewhere_is_left_alone(lab: Lab) -> None:
    """The device says so itself; this agent's journal knows of nothing."""
    lab.world.types["004"].reported_at = datetime(2026, 11, 2, 9, 0)
    lab.start()
    operation = lab.run("report")
    assert lab.world.sent("SJCB") == ["007"]
    assert [o.already for o in operation.outcomes] == [True, False]


def test_sealed_totals_that_did_not_reach_the_bureau_are_brought_there(lab: Lab) -> None:
    lab.start()
    lab.world.will("WLCB", "not_sent")
    failed = lab.run("report")
    assert failed.fault is not None
    assert failed.fault.code == "bureau.unreachable"
    assert failed.fault.retryable
    assert lab.run("report").state is OperationState.SUCCEEDED
    assert all(state.delivered for state in lab.world.types.values())


def test_lost_answer_of_the_delivery_is_found_to_be_delivered(lab: Lab) -> None:
    """The bureau took it; sealing again is refused with 当天不能再次抄报, and is delivered again."""
    lab.start()
    lab.world.will("WLCB", "lost_after")
    assert lab.run("report").state is OperationState.FAILED
    second = lab.run("report")
    assert second.state is OperationState.SUCCEEDED
    skipped = [s for s in second.steps if s.state is StepState.SKIPPED]
    assert [s.device_message for s in skipped] == ["当天不能再次抄报"] * 2
    assert len(lab.world.sent("WLCB")) == 2


@pytest.mark.parametrize(
    ("code", "text", "ours"),
    [
        ("245", "有票种多期未抄税", "device.several_periods"),
        ("-101", "有离线未上传发票，不允许远程抄报", "device.offline_not_uploaded"),
        ("-101", "有作废发票未上传，不允许抄报", "device.void_not_uploaded"),
        ("-101", "有红字发票未上传，不允许抄报", "device.red_not_uploaded"),
        ("09d109", "已到开票截止日期，禁止开票", "device.locked"),
        ("09d11b", "设备内无汇总资料", "device.no_report_data"),
        ("09c000", "设备未开启", "device.disconnected"),
        ("7777", "从未见过的错误", "device.refused"),
    ],
)
def test_refusals_keep_the_devices_own_words(lab: Lab, code: str, text: str, ours: str) -> None:
    lab.start()
    lab.world.will("SJCB", "refuse", kind="007", code=code, text=text)
    operation = lab.run("report")
    assert operation.state is OperationState.FAILED
    assert operation.fault is not None
    assert operation.fault.code == ours
    assert (operation.fault.device_code, operation.fault.device_message) == (code, text)
    assert operation.fault.invoice_type == "007"
    assert lab.world.sent("WLCB") == []
    last = operation.steps[-1]
    assert (last.state, last.device_code) == (StepState.FAILED, code)


def test_no_report_data_of_a_type_cleared_meanwhile_is_a_success(lab: Lab) -> None:
    lab.start()
    lab.world.will("SJCB", "refuse", kind="007", code="09d11b", text="设备内无汇总资料")
    original = lab.world.exchange

    def exchange(side: str, message: bytes) -> bytes:
        if b"SJCB" in message and b"007" in message:
            lab.world.types["007"].lock = date(2026, 12, 15)
        return original(side, message)

    lab.world.exchange = exchange  # type: ignore[method-assign]
    operation = lab.run("report")
    assert operation.state is OperationState.SUCCEEDED
    assert "本期已清卡" in operation.steps[2].message


def test_an_older_period_comes_first(lab: Lab) -> None:
    lab.world.types["007"].report_from = date(2026, 9, 1)
    lab.start()
    operation = lab.run("report")
    assert operation.fault is not None
    assert operation.fault.code == "device.several_periods"
    assert "2026-09" in operation.fault.message
    assert lab.world.names() == []


def test_the_month_of_the_devices_clock_is_not_due(lab: Lab) -> None:
    lab.start()
    operation = lab.run("report", period="2026-11")
    assert operation.fault is not None
    assert operation.fault.code == "device.not_due"
    assert lab.world.names() == []


def test_wrong_taxpayer(lab: Lab) -> None:
    lab.start()
    operation = lab.run("report", tax_no="91420111AAAAAAAAA1")
    assert operation.fault is not None
    assert operation.fault.code == "device.taxpayer_mismatch"
    assert lab.world.names() == []


def test_type_without_authorisation(lab: Lab) -> None:
    lab.start()
    operation = lab.run("report", invoice_types=["025"])
    assert operation.fault is not None
    assert operation.fault.code == "device.type_not_authorized"


def test_report_goes_on_after_a_crash(lab: Lab) -> None:
    lab.start()
    lab.world.will("SJCB", "crash_after", kind="007")
    lab.world.will("WLCB", "crash_after")
    operation_id = lab.submit("report")
    lab.eventually(lambda: lab.world.sent("SJCB")[1:] or None)
    lab.restart()
    lab.eventually(lambda: lab.world.sent("WLCB") or None)
    lab.restart()
    assert lab.done(operation_id).state is OperationState.SUCCEEDED
    assert lab.world.sent("SJCB") == ["004", "007", "007"]
