"""Pre-checks against real devices: sub machines first, the bureau asked before, what was looked at kept."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from app.contracts.periods import due_period
from app.contracts.tax_numbers import check_character
from tests.e2e.harness import PASSWORD, TYPES, Subject, World

MACHINES = 3
"""Of each taxpayer: the main machine and two sub machines."""


class Branches(World):
    """Taxpayers with three machines each; an operator for every machine."""

    def _new_device(self, place: int) -> str:
        taxpayer, machine = divmod(place, MACHINES)
        seventeen = f"91310115{taxpayer:09d}"
        body = {
            "number": f"6618{place:08d}",
            "tax_no": seventeen + check_character(seventeen),
            "taxpayer_name": f"上海连锁{taxpayer}有限公司",
            "machine_no": machine,
            "invoice_types": TYPES,
        }
        self.simulation.send("POST", "/devices", body)
        return str(body["number"])

    def enrol(self) -> list[Subject]:
        """The next taxpayer: main machine, sub machine 1, sub machine 2."""
        numbers = self._numbers[self._taken : self._taken + MACHINES]
        device = self.simulation.view(numbers[0])
        body = {"tax_no": device["tax_no"], "name": device["taxpayer_name"]}
        enterprise = self.post("/enterprises", body)
        return [self._operator(number, enterprise["id"]) for number in numbers]

    def _operator(self, number: str, enterprise_id: str) -> Subject:
        self._taken += 1
        device, code = self.simulation.view(number), f"B{self._taken:03d}"
        for kind in TYPES:
            issued = {"invoice_type": kind, "count": 2}
            self.simulation.send("POST", f"/devices/{number}/invoices", issued)
        body = {"code": code, "name": f"门店{self._taken}", "enterprise_id": enterprise_id}
        operator = self.post("/operators", body)
        registered = self.post("/devices", self._device_body(device, operator["id"]))
        self.post(f"/devices/{registered['id']}/refresh")
        period = due_period(date.fromisoformat(device["lock_date"]))
        known = (operator["id"], registered["id"], number, device["tax_no"], period)
        return Subject(code, body["name"], *known)

    def checks(self, subject: Subject) -> dict[str, dict[str, Any]]:
        """The pre-checks of the operator by code, on the devices as they are now."""
        query = {"period": subject.period}
        found = self.get(f"/operators/{subject.operator_id}/pre-checks", **query)["checks"]
        return {check["code"]: check for check in found}


@pytest.fixture(scope="module")
def world(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Branches]:
    world = Branches(tmp_path_factory.mktemp("world"), sqlite_template, devices=6 * MACHINES)
    try:
        world.start()
        yield world
    finally:
        world.close()


def test_a_main_machine_is_refused_before_its_sub_machines(world: Branches) -> None:
    main, first, second = world.enrol()
    before = world.simulation.view(main.number)
    check = world.checks(main)["machines.order"]
    assert check["severity"] == "blocking"
    assert first.number in check["message"]
    assert second.number in check["message"]
    labels = [one["label"] for one in check["evidence"]]
    assert labels == ["开票机号", f"分机 1 {first.number}", f"分机 2 {second.number}"]
    assert world.checks(first)["machines.order"]["severity"] == "ok"
    refused = world.api.post("/clearing-requests", json=main.order)
    assert (refused.status_code, refused.json()["code"]) == (409, "clearing.blocked")
    (blocking,) = refused.json()["checks"]
    assert (blocking["error_code"], bool(blocking["remedy"])) == (
        "clearing.sub_machines_first",
        True,
    )
    assert not world.get("/clearing-requests", operator_id=main.operator_id)["items"]
    assert world.simulation.view(main.number) == before
    assert not world.simulation.log(main.number, "SJCB")


def test_the_checks_are_of_the_choice_that_is_asked_about(world: Branches) -> None:
    """税务清卡 reports nothing: a type that is not reported stops it, and only it (docs/domain.md, rule 5)."""
    _, first, _ = world.enrol()

    def reported(**choice: str) -> tuple[str, str]:
        path = f"/operators/{first.operator_id}/pre-checks"
        found = world.get(path, period=first.period, **choice)["checks"]
        (check,) = (one for one in found if one["code"] == "period.reported")
        return check["severity"], check["message"]

    assert reported()[0] == "ok"
    severity, message = reported(kind="tax")
    assert (severity, TYPES[0] in message, TYPES[1] in message) == ("blocking", True, True)
    part = {"kind": "tax", "scope": "partial", "invoice_types": TYPES[0]}
    assert reported(**part)[0] == "blocking"
    assert reported(mode="update", kind="device")[0] == "ok"


def test_it_waits_for_sub_machines_that_are_being_cleared(world: Branches) -> None:
    """All three started in the same moment, the main machine last: the subs' totals are there first."""
    main, first, second = world.enrol()
    ids = [world.post("/clearing-requests", one.order)["id"] for one in (first, second, main)]
    for request_id in ids:
        world.post(f"/clearing-requests/{request_id}/execute")
    for subject, request_id in zip((first, second, main), ids, strict=True):
        world.assert_cleared_once(subject, request_id)
    reported = [
        entry["device"]
        for entry in world.simulation.send("GET", "/log")
        if entry["message"] == "WLCB" and entry["acted"]
    ]
    ours = [number for number in reported if number in {main.number, first.number, second.number}]
    assert ours[-1] == main.number


def test_what_another_software_reported_is_seen_at_once(world: Branches) -> None:
    """The registers know the sub machines as they were last read; the check reads those again."""
    main, first, second = world.enrol()
    for sub in (first, second):
        world.simulation.patch(sub.number, lock_date=f"{sub.period.plus(2)}-15")
    check = world.checks(main)["machines.order"]
    assert check["severity"] == "ok"
    values = {one["label"]: one["value"] for one in check["evidence"]}
    assert values[f"分机 1 {first.number}"] == "已抄报"


def test_a_batch_takes_them_in_order(world: Branches) -> None:
    subjects = world.enrol()
    order = {"operator_ids": [one.operator_id for one in subjects], "reason": "批量"}
    made = world.prepared(world.post("/clearing-batches", order)["id"])
    ids = {one["operator_id"]: one["id"] for one in made["requests"]}
    for subject in subjects:
        world.assert_cleared_once(subject, ids[subject.operator_id])


def test_what_a_person_saw_and_accepted_is_kept_with_the_request(world: Branches) -> None:
    """The clock is off: the page asks, and keeps what was looked at when it was accepted."""
    _, first, _ = world.enrol()
    world.simulation.patch(first.number, clock_offset_seconds=-9 * 60)
    form = {"period": first.period, "reason": "按期清卡", "key": "k" * 36}
    with world.signed_in("operator") as browser:
        path = f"/clearing/operators/{first.operator_id}"
        asked = browser.post(path, data=form)
        assert asked.status_code == 409, asked.text
        answer = browser.post(path, data=form | {"accepted_warnings": "device.clock"})
        request_id = answer.url.path.rpartition("/")[2]
        assert answer.url.path == f"/clearing/requests/{request_id}", answer.text
        assert "已确认" in answer.text
    kept = world.get(f"/clearing-requests/{request_id}/pre-checks")
    (clock,) = (one for one in kept if one["code"] == "device.clock")
    assert (clock["attempt"], clock["accepted"]) == (0, True)
    seen = {one["label"]: one["value"] for one in clock["evidence"]}
    assert seen["相差"] in ("8 分钟", "9 分钟")
    assert seen["设备时钟"] < seen["系统时间"]


def test_a_return_that_is_missing_shows_before_the_next_try(
    new_world: Any,
) -> None:
    """Once reported the bureau can say it: the second try ends in the first stage, without a backup."""
    world = new_world(devices=1)
    subject = world.subject()
    path = f"/operators/{subject.operator_id}/pre-checks"

    def filed() -> dict[str, Any]:
        checks = world.get(path, period=subject.period)["checks"]
        (found,) = (one for one in checks if one["code"] == "bureau.filed")
        return dict(found)

    assert (filed()["severity"], filed()["message"]) == ("unknown", "抄报后由税务端核对申报与比对")
    world.file(subject, "not_filed")
    request_id = world.begin(subject)
    failed = world.ended(request_id)
    assert [one["state"] for one in failed["stages"]] == ["done", "done", "failed", "waiting"]
    check = filed()
    assert (check["severity"], check["remedy"]) == ("blocking", failed["error"]["remedy"])
    assert {"label": "票种 004", "value": "未申报"} in check["evidence"]
    backups = len(world.get("/backups")["items"])
    world.post(f"/clearing-requests/{request_id}/retry")
    failed = world.ended(request_id)
    assert (failed["error"]["code"], failed["attempt"]) == ("bureau.not_filed", 2)
    assert failed["error"]["device_code"] == "not_filed"
    assert failed["stages"][0]["state"] == "failed"
    assert len(world.get("/backups")["items"]) == backups
    world.file(subject, "filed")
    assert filed()["message"] == "已申报，比对相符"
    world.post(f"/clearing-requests/{request_id}/retry")
    world.assert_cleared_once(subject, request_id)
    assert filed()["message"] == "本期已清卡，不再核对申报"
    _assert_kept(world, subject, request_id)


def _assert_kept(world: World, subject: Subject, request_id: str) -> None:
    """The checks of the newest attempt, with what they looked at, in REST and on the page."""
    kept = world.get(f"/clearing-requests/{request_id}/pre-checks")
    assert {one["attempt"] for one in kept} == {3}
    by_code = {one["code"]: one for one in kept}
    seen = {one["label"]: one["value"] for one in by_code["device.identity"]["evidence"]}
    assert seen["读到的设备编号"] == seen["登记的设备编号"] == subject.number
    assert by_code["bureau.filed"]["message"] == "已申报，比对相符"
    assert PASSWORD not in str(kept)
    with world.signed_in() as browser:
        page = browser.get(f"/clearing/requests/{request_id}").text
        assert "读到的设备编号" in page
        checked = browser.get(f"/clearing/operators/{subject.operator_id}?check=1").text
        assert "登记的设备编号" in checked


def test_what_is_not_uploaded_is_read_from_the_device_and_told_by_kind(new_world: Any) -> None:
    """Rule 9, before anything is asked for: the ledger knows none of these invoices yet."""
    world = new_world(devices=1)
    subject = world.subject()
    for status, count in (("normal", 3), ("red", 2), ("void", 1)):
        body = {"invoice_type": "004", "status": status, "count": count, "uploaded": False}
        world.simulation.send("POST", f"/devices/{subject.number}/invoices", body)
    path = f"/operators/{subject.operator_id}/pre-checks"
    checks = world.get(path, period=subject.period)["checks"]
    found = [one for one in checks if one["code"] == "invoices.uploaded"]
    assert [(one["severity"], one["message"]) for one in found] == [
        ("blocking", "有 3 张离线开具的发票尚未上传"),
        ("blocking", "有 2 张红字发票尚未上传"),
        ("blocking", "有 1 张作废发票尚未上传"),
    ]
    assert len({one["remedy"] for one in found}) == 3
    assert not world.get("/invoices")["items"], "looking changes nothing"
