"""Asking the bureau for its view: what it sends, and that it never comes between an operation's messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.agent.drivers.base import DeviceUnavailable
from app.contracts.devices import BureauState
from app.contracts.operations import OperationState

if TYPE_CHECKING:
    from tests.agent.conftest import Lab

NUMBER = "661814461322"


def _reported(lab: Lab) -> None:
    lab.start()
    assert lab.run("report").state is OperationState.SUCCEEDED


def test_it_asks_what_a_clearing_asks_and_writes_nothing(lab: Lab) -> None:
    _reported(lab)
    lab.world.log.clear()
    view = lab.running[-1].bureau_view(NUMBER)
    assert lab.world.names() == ["SKSBQTYXXCX", "QLJS"]
    assert [(one.invoice_type, one.state, one.period) for one in view.types] == [
        ("004", BureauState.READY, "2026-10"),
        ("007", BureauState.READY, "2026-10"),
    ]
    assert view.asked_at == lab.now
    assert "clear004" not in view.model_dump_json()


@pytest.mark.parametrize(
    ("code", "text", "state", "ours"),
    [
        ("-101", "该纳税人未申报", BureauState.NOT_FILED, "bureau.not_filed"),
        ("-101", "申报比对不通过", BureauState.MISMATCH, "bureau.mismatch"),
        ("-101", "数据处理中，请稍后", BureauState.PENDING, "bureau.pending"),
        ("-101", "票种未抄报", BureauState.NOT_REPORTED, "device.not_reported"),
        ("-101", "本属期已清卡", BureauState.CLEARED, ""),
        ("already_cleared", "", BureauState.CLEARED, ""),
        ("E42", "系统维护", BureauState.UNKNOWN, "bureau.refused"),
    ],
)
def test_its_words_are_understood_for_all_types_and_for_each(
    lab: Lab, code: str, text: str, state: BureauState, ours: str
) -> None:
    """Said once for the whole message, or in the group of every type."""
    _reported(lab)
    lab.world.filing = (code, text)
    by_type = lab.running[-1].bureau_view(NUMBER)
    lab.world.will("QLJS", "refuse", code=code, text=text)
    at_once = lab.running[-1].bureau_view(NUMBER)
    assert by_type.types == at_once.types
    assert {(one.state, one.code, one.bureau_code) for one in by_type.types} == {
        (state, ours, code)
    }
    assert all(one.message for one in by_type.types if ours)


def test_it_is_refused_while_an_operation_is_open(lab: Lab) -> None:
    """The outcome of a clearing is being found out: the bureau is asked nothing about this device."""
    _reported(lab)
    lab.world.will("JKHC", "unplugged_before", kind="004")
    operation_id = lab.submit()
    lab.until(operation_id, OperationState.UNKNOWN)
    lab.world.plugged = True
    asked = lab.world.names().count("QLJS")
    with pytest.raises(DeviceUnavailable, match=r"device\.busy"):
        lab.running[-1].bureau_view(NUMBER)
    assert lab.world.names().count("QLJS") == asked
