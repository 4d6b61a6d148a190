"""Answers that do not come: what the device shows decides, and it takes every clearing once."""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld
    from tests.e2e.harness import World

CONVERSATION = ("SJCB", "WLCB", "QLJS", "JKHC", "QLJSJGQR")


@pytest.fixture(scope="module")
def world(new_shared_world: "NewWorld") -> "World":
    return new_shared_world(devices=6)


@pytest.mark.parametrize("fault", ["lost_after", "half", "garbage"])
def test_an_answer_lost_after_the_device_acted_is_read_from_the_device(
    world: "World", fault: str
) -> None:
    subject = world.subject()
    world.simulation.fault(subject.number, fault, message="JKHC", invoice_type="004", times=1)
    world.assert_cleared_once(subject, world.begin(subject))
    assert _sent(world, subject.number, "JKHC") == Counter({"004": 1, "007": 1})


def test_a_message_lost_before_the_device_acted_is_sent_once_more(world: "World") -> None:
    subject = world.subject()
    world.simulation.fault(
        subject.number, "lost_before", message="JKHC", invoice_type="004", times=1
    )
    world.assert_cleared_once(subject, world.begin(subject))
    assert _sent(world, subject.number, "JKHC") == Counter({"004": 2, "007": 1})


def test_a_confirmation_that_fails_is_resumed_at_the_confirmation(world: "World") -> None:
    subject = world.subject()
    world.simulation.fault(subject.number, "lost_before", message="QLJSJGQR", times=1)
    world.assert_cleared_once(subject, world.begin(subject))
    names = [name for name, _ in world.simulation.log(subject.number, *CONVERSATION, acted=False)]
    assert names[-5:] == ["QLJS", "JKHC", "JKHC", "QLJSJGQR", "QLJSJGQR"]


def test_unplugged_after_a_lost_answer_needs_attention_until_it_is_back(
    world: "World", until: Callable[..., Any]
) -> None:
    subject = world.subject()
    world.simulation.lose_the_clearing(subject.number, "004")
    request_id = world.begin(subject)
    until(lambda: world.simulation.is_busy(subject.number), what="the device works")
    world.simulation.patch(subject.number, plugged=False)
    waiting = world.ended(request_id)
    assert waiting["state"] == "needs_attention"
    assert waiting["error"]["code"] == "device.outcome_unknown"
    with world.signed_in() as browser:
        assert "结果待查" in browser.get(f"/clearing/requests/{request_id}").text
    assert not world.records(subject)
    refused = world.api.post("/clearing-requests", json=subject.order)
    assert (refused.status_code, refused.json()["code"]) == (409, "clearing.in_progress")

    world.post(f"/clearing-requests/{request_id}/retry")
    again = world.ended(request_id)
    assert (again["state"], again["attempt"]) == ("needs_attention", 2)
    assert not world.records(subject)

    world.simulation.patch(subject.number, plugged=True)
    world.assert_cleared_once(subject, request_id)
    assert world.request(request_id)["error"] is None
    assert _sent(world, subject.number, "JKHC") == Counter({"004": 1, "007": 1})


def _sent(world: "World", number: str, message: str) -> Counter[str]:
    return Counter(kind for _, kind in world.simulation.log(number, message, acted=False))
