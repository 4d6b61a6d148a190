"""已锁死: what the device says decides, a past lock date alone is a warning; every remedy works."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from app.core.clock import local_date, utc_now

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld
    from tests.e2e.harness import Subject, World


@pytest.fixture(scope="module")
def world(new_shared_world: "NewWorld") -> "World":
    return new_shared_world(devices=2)


def _pass_the_lock_date(world: "World", subject: "Subject", **more: Any) -> None:
    yesterday = local_date(utc_now()) - timedelta(days=1)
    world.simulation.patch(subject.number, lock_date=yesterday.isoformat(), **more)


def _locked_check(world: "World", subject: "Subject") -> dict[str, Any]:
    found = world.get(f"/operators/{subject.operator_id}/pre-checks", period=subject.period)
    return next(one for one in found["checks"] if one["code"] == "device.locked")


def _clear(world: "World", subject: "Subject") -> str:
    order = subject.order | {"accepted_warnings": ["device.locked"]}
    request_id = str(world.post("/clearing-requests", order)["id"])
    world.post(f"/clearing-requests/{request_id}/execute")
    return request_id


def test_past_its_lock_date_a_device_is_cleared_once_the_warning_is_accepted(
    world: "World",
) -> None:
    subject = world.subject()
    _pass_the_lock_date(world, subject)
    found = _locked_check(world, subject)
    assert (found["severity"], "未报告锁死" in found["message"]) == ("warning", True)
    world.assert_cleared_once(subject, _clear(world, subject))
    world.post(f"/devices/{subject.device_id}/refresh")
    assert world.get(f"/devices/{subject.device_id}")["state"] == "connected"


def test_unlocked_by_the_tax_office_and_read_again_it_is_cleared_as_usual(world: "World") -> None:
    subject = world.subject()
    _pass_the_lock_date(world, subject, locked=True)
    found = _locked_check(world, subject)
    assert (found["severity"], "重新读取设备" in found["remedy"]) == ("blocking", True)
    world.post(f"/devices/{subject.device_id}/refresh")
    with world.signed_in("operator") as clerk:
        assert f"/help/locked?operator={subject.operator_id}" in clerk.get("/").text
        steps = clerk.get("/help/locked", params={"operator": subject.operator_id}).text
        assert f"/clearing/operators/{subject.operator_id}" in steps
        assert "/help/locked" in clerk.get(f"/devices/{subject.device_id}").text

    world.simulation.patch(subject.number, locked=False)
    world.post(f"/devices/{subject.device_id}/refresh")
    assert world.get(f"/devices/{subject.device_id}")["fault_code"] == ""
    assert _locked_check(world, subject)["severity"] == "warning"
    world.assert_cleared_once(subject, _clear(world, subject))
