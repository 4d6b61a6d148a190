"""What stops a clearing: its own code and remedy, nothing changed on the device, a retry that works."""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import pytest

from app.contracts.faults import FAULTS

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld
    from tests.e2e.harness import Subject, World

Step = Callable[["World", "Subject"], object]


@dataclass(frozen=True)
class Case:
    """How something goes wrong, how it is put right, and what the request says meanwhile.

    `reported`: the totals have been sealed by then, which the device's view shows.
    """

    code: str
    cause: Step
    remedy: Step
    reported: bool = False
    tries_used: int = 0


def _patch(**changes: Any) -> Step:
    return lambda world, subject: world.simulation.patch(subject.number, **changes)


def _filing(state: str) -> Step:
    return lambda world, subject: world.file(subject, state)


CASES = {
    "not filed": Case("bureau.not_filed", _filing("not_filed"), _filing("filed"), reported=True),
    "mismatch": Case("bureau.mismatch", _filing("mismatch"), _filing("filed"), reported=True),
    "locked": Case("device.locked", _patch(locked=True), _patch(locked=None)),
    "wrong password": Case(
        "device.password_wrong",
        _patch(password="00000000"),
        _patch(password="88888888"),
        tries_used=1,
    ),
    "bureau down": Case(
        "bureau.unreachable",
        lambda world, subject: world.simulation.fault(subject.number, "bureau_down"),
        lambda world, subject: world.simulation.mend(subject.number),
        reported=True,
    ),
}


@pytest.fixture(scope="module")
def world(new_shared_world: "NewWorld") -> "World":
    return new_shared_world(devices=len(CASES) + 1)


@pytest.mark.parametrize("name", CASES)
def test_refused_with_a_reason_and_safe_to_retry(world: "World", name: str) -> None:
    case, subject = CASES[name], world.subject()
    case.cause(world, subject)
    before = world.simulation.view(subject.number)
    request_id = world.begin(subject)
    failed = world.ended(request_id)
    assert (failed["state"], failed["error"]["code"]) == ("failed", case.code)
    assert failed["error"]["remedy"] == FAULTS[case.code].remedy
    _assert_page_says_why(world, request_id, failed["error"])
    _assert_untouched(world, subject, case, before)

    case.remedy(world, subject)
    world.post(f"/clearing-requests/{request_id}/retry")
    world.assert_cleared_once(subject, request_id)
    results = [(one["result"], one["error_code"]) for one in reversed(world.records(subject))]
    assert results == [("failed", case.code), ("succeeded", None)]


def test_a_device_known_to_be_unplugged_is_refused_before_anything_is_kept(
    world: "World", until: Callable[..., Any]
) -> None:
    subject = world.subject()
    made = world.post("/clearing-requests", subject.order)
    world.simulation.patch(subject.number, plugged=False)
    path = f"/devices/{subject.device_id}"
    until(lambda: world.get(path)["state"] == "disconnected", what="the register knows")
    refused = world.api.post(f"/clearing-requests/{made['id']}/execute")
    assert (refused.status_code, refused.json()["code"]) == (409, "clearing.blocked")
    assert [one["error_code"] for one in refused.json()["checks"]] == ["device.disconnected"]
    assert world.request(made["id"])["state"] == "submitted"
    assert world.records(subject) == []
    world.simulation.patch(subject.number, plugged=True)
    until(lambda: world.get(path)["state"] == "connected", what="the register knows again")
    world.post(f"/clearing-requests/{made['id']}/execute")
    world.assert_cleared_once(subject, made["id"])


def _assert_page_says_why(world: "World", request_id: str, error: dict[str, str]) -> None:
    with world.signed_in() as browser:
        page = browser.get(f"/clearing/requests/{request_id}").text
    assert f"清卡失败：{escape(error['message'])}" in page
    assert escape(error["remedy"]) in page
    assert error["code"] in page


def _assert_untouched(
    world: "World", subject: "Subject", case: Case, before: dict[str, Any]
) -> None:
    after = world.simulation.view(subject.number)
    assert after["lock_dates"] == before["lock_dates"]
    assert after["cleared_counts"] == before["cleared_counts"] == {"004": 0, "007": 0}
    assert after["tries_left"] == before["tries_left"] - case.tries_used
    if not case.reported:
        assert after | {"tries_left": 0} == before | {"tries_left": 0}
    assert bool(world.simulation.log(subject.number, "SJCB")) is case.reported
    assert not world.simulation.log(subject.number, "JKHC", acted=False)
    invoices = world.get("/invoices", device_id=subject.device_id)["items"]
    assert {one["clearing_status"] for one in invoices} <= {"uncleared"}
