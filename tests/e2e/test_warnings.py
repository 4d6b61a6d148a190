"""A warning nobody accepted stops a run before the device is touched; a retry that accepts it goes on."""

import csv
import io
from collections import Counter
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sqlmodel import select

from app.devices.models import Device
from tests.e2e.harness import PASSWORD, TYPES, until

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld
    from tests.e2e.harness import Subject, World


@pytest.fixture(scope="module")
def world(new_shared_world: "NewWorld") -> "World":
    return new_shared_world(devices=6)


def _change_register(world: "World", subject: "Subject") -> None:
    """The register says another version than the device does: a warning only a look can find."""
    with world.database.transaction() as session:
        device = session.exec(select(Device).where(Device.number == subject.number)).one()
        device.version = "V0.0.1"


def _send(browser: httpx.Client, path: str, body: dict[str, Any], status: int) -> dict[str, Any]:
    answer = browser.post(f"/api/v1{path}", json=body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_persons_batch_stops_where_something_new_needs_care(world: "World") -> None:
    well, changed = world.subject(), world.subject()
    _change_register(world, changed)
    before = world.simulation.view(changed.number)
    order = {
        "operator_ids": [well.operator_id, changed.operator_id],
        "reason": "批量清卡",
        "password": PASSWORD,
    }
    with world.signed_in("admin") as admin:
        path = f"/clearing-batches/{_send(admin, '/clearing-batches', order, 202)['id']}"
        batch = _over(admin, path)
        assert batch["counts"] == {"succeeded": 1, "failed": 1}
        (stopped,) = [one for one in batch["requests"] if one["state"] == "failed"]
        assert (stopped["operator_id"], stopped["error_code"]) == (
            changed.operator_id,
            "clearing.warnings",
        )
        assert [one["code"] for one in stopped["open_warnings"]] == ["device.register"]
        assert world.simulation.view(changed.number)["lock_date"] == before["lock_date"]
        assert world.simulation.cleared(changed.number) == Counter()
        assert world.simulation.log(changed.number, "SJCB", "WLCB") == [], "nothing is reported"
        page = admin.get(path.replace("/clearing-batches", "/clearing/batches")).text
        assert 'name="accepted_warnings" value="device.register"' in page
        result = admin.get(f"/api/v1{path}/result", params={"format": "csv"}).text
        rows = csv.DictReader(io.StringIO(result.lstrip("\ufeff"), newline=""))
        assert {row["设备编号"]: (row["状态"], row["代码"]) for row in rows} == {
            well.number: ("清卡成功", ""),
            changed.number: ("清卡失败", "clearing.warnings"),
        }
        _send(admin, f"{path}/retry-failed", {"password": PASSWORD}, 202)
        assert _over(admin, path)["counts"] == {"succeeded": 1, "failed": 1}, "still not accepted"
        accepted = {"accepted_warnings": ["device.register"], "password": PASSWORD}
        _send(admin, f"{path}/retry-failed", accepted, 202)
        assert _over(admin, path)["counts"] == {"succeeded": 2}
    world.assert_cleared_once(changed, stopped["id"])


def _over(browser: httpx.Client, path: str) -> dict[str, Any]:
    def look() -> dict[str, Any]:
        found: dict[str, Any] = browser.get(f"/api/v1{path}").json()
        return found if found["phase"] == "ended" else {}

    return until(look, what="the batch has ended")


def test_a_persons_request_is_retried_from_its_page(world: "World") -> None:
    subject = world.subject()
    _change_register(world, subject)
    with world.signed_in("admin") as admin:
        made = _send(admin, "/clearing-requests", subject.order, 201)
        _send(admin, f"/clearing-requests/{made['id']}/execute", {"password": PASSWORD}, 202)
        failed = world.ended(made["id"])
        assert failed["error"]["code"] == "clearing.warnings"
        assert [one["code"] for one in failed["open_warnings"]] == ["device.register"]
        url = f"/clearing/requests/{made['id']}"
        assert 'value="device.register" required' in admin.get(url, params={"retry": 1}).text
        form = {"password": PASSWORD, "accepted_warnings": ["device.register"]}
        assert admin.post(f"{url}/retry", data=form).status_code == 200
    world.assert_cleared_once(subject, made["id"])
    assert world.request(made["id"])["accepted_warnings"] == ["device.register"]


def test_a_key_accepts_what_it_names_and_nothing_else(world: "World") -> None:
    """The log says which warnings were passed; who names none is stopped by the first."""
    easy, strict = world.subject(), world.subject()
    for subject in (easy, strict):
        _change_register(world, subject)
    made = world.post("/clearing-requests", {**easy.order, "accepted_warnings": ["*"]})
    world.post(f"/clearing-requests/{made['id']}/execute")
    world.assert_cleared_once(easy, made["id"])
    assert world.request(made["id"])["accepted_warnings"] == ["*"]
    made = world.post("/clearing-requests", strict.order)
    world.post(f"/clearing-requests/{made['id']}/execute")
    assert world.ended(made["id"])["error"]["code"] == "clearing.warnings"
    world.post(f"/clearing-requests/{made['id']}/retry", {"accepted_warnings": ["device.register"]})
    world.assert_cleared_once(strict, made["id"])
    assert world.simulation.cleared(strict.number) == Counter(TYPES)
