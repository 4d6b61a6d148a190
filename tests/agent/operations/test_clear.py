"""清卡 over the fake device: exactly once, and only what the device shows counts."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from app.contracts.operations import Operation, OperationState, StepState

if TYPE_CHECKING:
    from tests.agent.conftest import Lab

BOTH = ["004", "007"]


def test_order_of_messages(reported_lab: Lab) -> None:
    operation = reported_lab.run()
    assert operation.state is OperationState.SUCCEEDED
    assert operation.fault is None
    assert reported_lab.world.names() == [
        "SKSBQTYXXCX",
        "QLJS",
        "JKHC 004",
        "JKHC 007",
        "QLJSJGQR",
    ]
    for outcome in operation.outcomes:
        assert (outcome.lock_date_before, outcome.lock_date_after) == (
            date(2026, 11, 16),
            date(2026, 12, 15),
        )
        assert outcome.cleared
        assert not outcome.already


def test_cleared_types_are_left_alone(reported_lab: Lab) -> None:
    reported_lab.run()
    reported_lab.world.log.clear()
    again = reported_lab.run()
    assert again.state is OperationState.SUCCEEDED
    assert reported_lab.world.names() == []
    assert all(outcome.already and outcome.cleared for outcome in again.outcomes)


def test_partial_clear_touches_only_the_chosen_type(reported_lab: Lab) -> None:
    operation = reported_lab.run(invoice_types=["007"])
    assert operation.state is OperationState.SUCCEEDED
    assert reported_lab.world.sent("JKHC") == ["007"]
    assert [outcome.invoice_type for outcome in operation.outcomes] == ["007"]


@pytest.mark.parametrize("kind", ["golden_tax_disk", "tax_disk", "ukey"])
def test_all_types_are_cleared_on_every_kind(lab: Lab, kind: str) -> None:
    world = lab.world
    world.kind = kind
    world.types = {code: type(world.types["004"])() for code in ("004", "005", "007", "025", "026")}
    lab.start()
    lab.run("report")
    assert lab.run().state is OperationState.SUCCEEDED
    grouped = ["004", "007", "005", "026", "025"]
    order = grouped if kind == "golden_tax_disk" else sorted(world.types)
    assert world.sent("JKHC") == order


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("kind", BOTH)
def test_lost_before_acting_is_sent_again_once(reported_lab: Lab, kind: str, times: int) -> None:
    """Once: the same ciphertext again. Twice: it is known that the device did not act."""
    reported_lab.world.will("JKHC", "lost_before", kind=kind, times=times)
    operation = reported_lab.run()
    sent = reported_lab.world.sent("JKHC")
    if times == 1:
        assert operation.state is OperationState.SUCCEEDED
        assert sorted(sent) == sorted([*BOTH, kind])
        assert reported_lab.world.clears() == BOTH
    else:
        assert operation.state is OperationState.FAILED
        assert operation.fault is not None
        assert operation.fault.code == "device.timeout"
        assert sent.count(kind) == 2
        assert kind not in reported_lab.world.clears()
    ciphertexts = [c for c in reported_lab.world.ciphertexts if c.startswith(f"clear{kind}")]
    assert len(set(ciphertexts)) <= 1
    assert len(reported_lab.world.sent("QLJS")) == 1


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("effect", ["lost_after", "garbage"])
def test_lost_after_acting_is_found_by_reading(reported_lab: Lab, kind: str, effect: str) -> None:
    reported_lab.world.will("JKHC", effect, kind=kind)
    operation = reported_lab.run()
    assert operation.state is OperationState.SUCCEEDED
    assert reported_lab.world.sent("JKHC") == BOTH
    assert reported_lab.world.clears() == BOTH
    step = next(s for s in operation.steps if s.name == "JKHC" and s.invoice_type == kind)
    assert step.state is StepState.SUCCEEDED
    assert "读取确认" in step.message
    assert reported_lab.world.names()[-1] == "QLJSJGQR"


@pytest.mark.parametrize("acted", [True, False])
def test_unplugged_while_clearing_is_unknown_until_it_is_back(
    reported_lab: Lab, acted: bool
) -> None:
    lab = reported_lab
    lab.world.will("JKHC", "unplugged_after" if acted else "unplugged_before", kind="007")
    operation_id = lab.submit()
    unknown = lab.until(operation_id, OperationState.UNKNOWN)
    assert unknown.fault is not None
    assert unknown.fault.code == "device.outcome_unknown"
    assert unknown.fault.retryable
    lab.world.plugged = True
    operation = lab.done(operation_id)
    assert operation.state is OperationState.SUCCEEDED
    assert operation.fault is None
    assert lab.world.clears() == BOTH
    assert lab.world.sent("JKHC") == (BOTH if acted else [*BOTH, "007"])


def test_another_clearing_waits_for_an_unknown_outcome(reported_lab: Lab) -> None:
    lab = reported_lab
    lab.world.will("JKHC", "unplugged_after", kind="004")
    first = lab.submit()
    lab.until(first, OperationState.UNKNOWN)
    second = lab.run()
    assert second.fault is not None
    assert second.fault.code == "device.outcome_unknown"
    lab.world.plugged = True
    assert lab.done(first).state is OperationState.SUCCEEDED


def test_already_cleared_according_to_the_device(reported_lab: Lab) -> None:
    """09d118 已清卡，重复操作: the lock date decides, and the other type has its turn."""
    world = reported_lab.world
    original = world.exchange

    def exchange(side: str, message: bytes) -> bytes:
        if b"JKHC" in message and b"004" in message:
            world.types["004"].lock = date(2026, 12, 15)
        return original(side, message)

    world.exchange = exchange  # type: ignore[method-assign]
    world.will("JKHC", "refuse", kind="004", code="09d118", text="已清卡，重复操作")
    operation = reported_lab.run()
    assert operation.state is OperationState.SUCCEEDED
    assert world.sent("JKHC") == BOTH
    assert world.clears() == ["007"]


@pytest.mark.parametrize(
    ("code", "text", "ours"),
    [
        ("09d118", "已清卡，重复操作", "device.ciphertext_rejected"),
        ("158", "清卡随机数不匹配", "device.ciphertext_rejected"),
        ("09d109", "已到开票截止日期，禁止开票", "device.locked"),
    ],
)
def test_refused_ciphertext_fails_and_the_other_type_is_confirmed(
    reported_lab: Lab, code: str, text: str, ours: str
) -> None:
    world = reported_lab.world
    world.will("JKHC", "refuse", kind="007", code=code, text=text)
    operation = reported_lab.run()
    assert operation.state is OperationState.FAILED
    assert operation.fault is not None
    assert (operation.fault.code, operation.fault.device_code) == (ours, code)
    assert [outcome.cleared for outcome in operation.outcomes] == [True, False]
    assert world.types["004"].confirmed
    assert not world.types["007"].confirmed
    retried = reported_lab.run()
    assert retried.state is OperationState.SUCCEEDED
    assert [outcome.already for outcome in retried.outcomes] == [True, False]
    assert world.clears() == BOTH


@pytest.mark.parametrize(
    ("code", "text", "ours", "retryable"),
    [
        ("not_filed", "未申报", "bureau.not_filed", False),
        ("mismatch", "一窗式比对不符", "bureau.mismatch", False),
        ("clock_factor", "时钟校准因子失效，请重新报税", "bureau.clock_factor", False),
        ("pending", "税务端处理中", "bureau.pending", True),
        ("9999", "别的原因", "bureau.refused", False),
    ],
)
def test_the_bureau_refuses_before_anything_is_changed(
    reported_lab: Lab, code: str, text: str, ours: str, retryable: bool
) -> None:
    reported_lab.world.filing = (code, text)
    operation = reported_lab.run()
    assert operation.state is OperationState.FAILED
    assert operation.fault is not None
    assert (operation.fault.code, operation.fault.retryable) == (ours, retryable)
    assert operation.fault.device_message == text
    assert reported_lab.world.sent("JKHC") == []


def test_not_reported(lab: Lab) -> None:
    lab.start()
    operation = lab.run()
    assert operation.fault is not None
    assert operation.fault.code == "device.not_reported"
    assert lab.world.sent("SJCB") == []
    assert lab.world.sent("JKHC") == []


def test_an_older_period_comes_first(reported_lab: Lab) -> None:
    reported_lab.world.types["004"].lock = date(2026, 10, 15)
    operation = reported_lab.run()
    assert operation.fault is not None
    assert operation.fault.code == "device.several_periods"
    assert reported_lab.world.names() == []


def test_lock_date_that_does_not_move_is_no_success(reported_lab: Lab) -> None:
    """A day later in the same month is not a cleared device (docs/domain.md, rule 3)."""
    reported_lab.world.new_lock = date(2026, 11, 25)
    operation = reported_lab.run()
    assert operation.state is OperationState.FAILED
    assert operation.fault is not None
    assert operation.fault.code == "device.lock_date_not_moved"
    assert [outcome.cleared for outcome in operation.outcomes] == [False, False]


def test_wrong_device_in_the_port(reported_lab: Lab) -> None:
    reported_lab.world.number = "661814469999"
    operation = reported_lab.run()
    assert operation.fault is not None
    assert operation.fault.code == "device.number_mismatch"
    assert reported_lab.world.names() == []


def test_wrong_password_is_tried_once(reported_lab: Lab) -> None:
    reported_lab.world.tries_left = 8
    reported_lab.world.will("SKPXXCX", "refuse", code="0963c7", text="证书口令错误", times=99)
    operation = reported_lab.run()
    assert operation.fault is not None
    assert operation.fault.code == "device.password_wrong"
    assert operation.fault.tries_left == 7
    assert reported_lab.world.sent("SKPXXCX") == [""]


def test_confirmation_is_tried_until_the_bureau_is_back(reported_lab: Lab) -> None:
    reported_lab.world.will("QLJSJGQR", "not_sent", times=2)
    operation = reported_lab.run()
    assert operation.state is OperationState.SUCCEEDED
    assert [s.state for s in operation.steps if s.name == "QLJSJGQR"] == [
        StepState.FAILED,
        StepState.FAILED,
        StepState.SUCCEEDED,
    ]
    assert reported_lab.world.sent("JKHC") == BOTH
    assert all(state.confirmed for state in reported_lab.world.types.values())


def test_confirmation_goes_on_after_a_restart_without_the_device(reported_lab: Lab) -> None:
    lab = reported_lab
    lab.world.will("QLJSJGQR", "not_sent", times=1000)
    operation_id = lab.submit()

    def shown_cleared() -> Operation | None:
        operation = lab.running[-1].operation(operation_id)
        return operation if operation.outcomes else None

    waiting = lab.eventually(shown_cleared)
    assert waiting.state is OperationState.RUNNING
    assert all(outcome.cleared for outcome in waiting.outcomes)
    lab.world.plugged = False
    lab.world.misbehaviours.clear()
    lab.restart()
    assert lab.done(operation_id).state is OperationState.SUCCEEDED
    assert lab.world.sent("JKHC") == BOTH


def test_confirmation_is_given_up_after_a_while(lab: Lab) -> None:
    lab.settings["confirm_give_up_seconds"] = 0
    lab.start()
    lab.run("report")
    lab.world.will("QLJSJGQR", "refuse", code="-101", text="系统维护", times=99)
    operation = lab.run()
    assert operation.state is OperationState.SUCCEEDED
    last = operation.steps[-1]
    assert (last.name, last.state, last.device_message) == (
        "QLJSJGQR",
        StepState.FAILED,
        "系统维护",
    )
    assert "未能送达" in last.message


def test_a_busy_device_is_asked_again(reported_lab: Lab) -> None:
    reported_lab.world.will("JKHC", "refuse", kind="004", code="-101", text="设备忙，请稍后重试")
    operation = reported_lab.run()
    assert operation.state is OperationState.SUCCEEDED
    assert reported_lab.world.sent("JKHC") == ["004", "004", "007"]
    assert reported_lab.world.clears() == BOTH


def test_unplugged_before_the_ciphertext_is_a_plain_failure(reported_lab: Lab) -> None:
    reported_lab.world.will("JKHC", "not_sent", kind="004")
    operation = reported_lab.run()
    assert operation.state is OperationState.FAILED
    assert operation.fault is not None
    assert (operation.fault.code, operation.fault.retryable) == ("device.disconnected", True)
    assert reported_lab.run().state is OperationState.SUCCEEDED
    assert reported_lab.world.clears() == BOTH


def test_set_clock(lab: Lab) -> None:
    lab.world.clock = lab.world.clock.replace(hour=8)
    lab.start()
    operation = lab.run("set_clock", period=None)
    assert operation.state is OperationState.SUCCEEDED
    assert lab.world.clock.hour == 10


def test_set_clock_that_does_not_take(lab: Lab) -> None:
    lab.world.clock = lab.world.clock.replace(hour=8)
    lab.world.will("SKPBSP", "refuse", code="0", text="成功")
    lab.start()
    operation = lab.run("set_clock", period=None)
    assert operation.fault is not None
    assert operation.fault.code == "device.clock_wrong"
