"""Mode, kind and scope of a clearing against the simulated devices: what they do is what was said before."""

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from app.contracts.tax_numbers import check_character

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld
    from tests.e2e.harness import Subject, World

REPORTS = ("SJCB", "WLCB")


@pytest.fixture(scope="module")
def world(new_shared_world: "NewWorld") -> "World":
    return new_shared_world(devices=9)


def _begin(world: "World", subject: "Subject", **choice: Any) -> dict[str, Any]:
    """Submit with every warning accepted, execute and wait for the end."""
    order = subject.order | {"accepted_warnings": ["*"]} | choice
    made = world.post("/clearing-requests", order)
    world.post(f"/clearing-requests/{made['id']}/execute")
    return world.ended(made["id"])


def _reported(world: "World", subject: "Subject") -> None:
    """As after a report elsewhere: the totals are at the bureau, the ledger knows the invoices."""
    world.file(subject, "not_filed")
    assert _begin(world, subject)["error"]["code"] == "bureau.not_filed"
    assert world.simulation.log(subject.number, *REPORTS)
    world.file(subject, "filed")
    world.post(f"/devices/{subject.device_id}/refresh")


def _preview(world: "World", subject: "Subject", **choice: Any) -> dict[str, Any]:
    path = f"/operators/{subject.operator_id}/clearing-preview"
    found: dict[str, Any] = world.get(path, period=subject.period, **choice)
    return found


def _device(world: "World", subject: "Subject") -> dict[str, Any]:
    found: dict[str, Any] = world.get(f"/devices/{subject.device_id}")
    return found


def _readings(world: "World", request: dict[str, Any]) -> list[dict[str, Any]]:
    """What the trail says was taken into the register for this request."""
    found = world.get("/audit-records", action="device.read", limit=200)["items"]
    return [one["details"] for one in found if one["details"].get("request") == request["number"]]


# -- kind ------------------------------------------------------------------------------------------


def test_a_tax_clearing_reports_nothing_and_clears_what_was_reported(world: "World") -> None:
    subject = world.subject()
    _reported(world, subject)
    before = world.simulation.log(subject.number, *REPORTS, acted=False)
    [told] = _preview(world, subject, kind="tax")["devices"]
    assert (told["report"], told["not_reported"]) == ([], [])
    request = _begin(world, subject, kind="tax")
    world.assert_cleared_once(subject, request["id"])
    assert world.simulation.log(subject.number, *REPORTS, acted=False) == before
    assert world.records(subject)[0]["kind"] == "tax"


def test_a_tax_clearing_of_what_is_not_reported_touches_nothing(world: "World") -> None:
    subject = world.subject()
    [told] = _preview(world, subject, kind="tax", scope="partial", invoice_types="007")["devices"]
    assert told["not_reported"] == ["004", "007"]
    before = world.simulation.view(subject.number)
    choice = {"kind": "tax", "scope": "partial", "invoice_types": ["007"]}
    refused = world.api.post("/clearing-requests", json=subject.order | choice)
    assert (refused.status_code, refused.json()["code"]) == (409, "clearing.blocked")
    (check,) = refused.json()["checks"]
    assert check["error_code"] == "clearing.not_reported"
    assert "004、007" in check["message"]
    assert not world.get("/clearing-requests", operator_id=subject.operator_id)["items"]
    assert world.simulation.view(subject.number) == before
    assert not world.simulation.log(subject.number, *REPORTS, "QLJS", "JKHC", acted=False)


def test_a_quarterly_filer_without_an_invoice_clears_the_month_too(world: "World") -> None:
    subject = world.subject(invoices=0)
    enterprise = world.get(f"/operators/{subject.operator_id}")["enterprise_id"]
    changed = world.api.patch(f"/enterprises/{enterprise}", json={"filing_cycle": "quarterly"})
    assert changed.is_success, changed.text
    assert _preview(world, subject)["invoices"] == 0
    request = _begin(world, subject)
    assert request["state"] == "succeeded", request["error"]
    assert world.simulation.cleared(subject.number) == Counter(["004", "007"])
    [record] = world.records(subject)
    assert (record["invoices_cleared"], record["amount"]) == (0, "0.00")


# -- mode ------------------------------------------------------------------------------------------


def test_a_first_clearing_takes_the_baseline_and_is_refused_the_second_time(
    world: "World",
) -> None:
    subject = world.subject()
    world.simulation.patch(subject.number, version="V2.0.9")
    request = _begin(world, subject, mode="first")
    world.assert_cleared_once(subject, request["id"])
    [taken] = _readings(world, request)
    assert (taken["mode"], taken["changes"]) == ("first", {"version": ["V2.0.1", "V2.0.9"]})
    answer = world.api.post("/clearing-requests", json=subject.order | {"mode": "first"})
    assert (answer.status_code, answer.json()["code"]) == (409, "clearing.duplicate")
    later = subject.order | {"mode": "first", "period": subject.period.plus(-1)}
    answer = world.api.post("/clearing-requests", json=later)
    assert (answer.status_code, answer.json()["code"]) == (422, "clearing.past_period")


def test_an_update_saves_the_differences_before_it_clears(world: "World") -> None:
    subject = world.subject()
    world.file(subject, "not_filed")
    world.simulation.patch(subject.number, version="V3.1.0", taxpayer_name="上海更名有限公司")
    [told] = _preview(world, subject, mode="update", read=True)["devices"]
    assert {change["field"] for change in told["changes"]} == {"version", "taxpayer_name"}
    request = _begin(world, subject, mode="update")
    assert request["error"]["code"] == "bureau.not_filed"
    assert _device(world, subject)["version"] == "V3.1.0"
    [saved] = _readings(world, request)
    assert saved["changes"] == {
        change["field"]: [change["before"], change["after"]] for change in told["changes"]
    }
    assert saved["changes"]["version"] == ["V2.0.1", "V3.1.0"]
    world.file(subject, "filed")
    world.post(f"/clearing-requests/{request['id']}/retry")
    world.assert_cleared_once(subject, request["id"])


def test_an_update_without_a_difference_says_so_and_goes_on(world: "World") -> None:
    subject = world.subject()
    request = _begin(world, subject, mode="update")
    world.assert_cleared_once(subject, request["id"])
    [saved] = _readings(world, request)
    assert saved["changes"] == {}


def test_a_regular_one_leaves_the_register_until_the_device_is_cleared(world: "World") -> None:
    subject = world.subject()
    world.file(subject, "not_filed")
    world.simulation.patch(subject.number, version="V3.1.0")
    request = _begin(world, subject)
    assert request["error"]["code"] == "bureau.not_filed"
    assert _device(world, subject)["version"] == "V2.0.1"
    checks = world.get(f"/operators/{subject.operator_id}/pre-checks")["checks"]
    [told] = [check for check in checks if check["code"] == "device.register"]
    assert told["severity"] == "warning"
    assert "设备版本 V2.0.1 → V3.1.0" in told["message"]
    assert not _readings(world, request)
    world.file(subject, "filed")
    world.post(f"/clearing-requests/{request['id']}/retry")
    world.assert_cleared_once(subject, request["id"])
    assert _device(world, subject)["version"] == "V3.1.0"
    [after] = _readings(world, request)
    assert after["changes"]["version"] == ["V2.0.1", "V3.1.0"]


# -- the command line ------------------------------------------------------------------------------


def test_the_command_line_previews_and_keeps_the_same_rules(world: "World") -> None:
    subject = world.subject("命令行")
    order = ("clear", "--operator", subject.code, "--period", subject.period, "--kind", "tax")
    told = world.qingka(*order, "--scope", "partial", "--type", "007", "--preview")
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert lines[0] == f"常规清卡 · 税务清卡 · 部分清卡 · {subject.period}"
    assert any("007 增值税普通发票：尚未抄报" in line for line in lines)
    assert not world.get("/clearing-requests", operator_id=subject.operator_id)["items"]
    done = world.qingka(*order)
    assert (done.returncode, "clearing.blocked" in done.stderr) == (1, True)
    assert "尚未抄报" in done.stderr
    assert not world.simulation.log(subject.number, *REPORTS, "JKHC", acted=False)


# -- what was said is what happens -----------------------------------------------------------------


def _golden(world: "World", name: str) -> "Subject":
    """A golden-tax disk of three types behind an agent of its own."""
    number = f"5399{len(name):04d}{ord(name[0]) % 10000:04d}"
    seventeen = f"91310115{number[-9:]}"
    world.simulation.send(
        "POST",
        "/devices",
        {
            "number": number,
            "kind": "golden_tax_disk",
            "tax_no": seventeen + check_character(seventeen),
            "taxpayer_name": f"上海{name}有限公司",
            "invoice_types": ["004", "007", "026"],
        },
    )
    config = world.tax_server_device(number) | {"kind": "golden_tax_disk"}
    agent = world.remote_agent(name, [config])
    subject = world.subject(number=number, agent_id=agent.id, code=name)
    world.simulation.send(
        "POST", f"/devices/{number}/invoices", {"invoice_type": "026", "count": 2}
    )
    draft = {"device_id": subject.device_id, "invoice_type": "007", "draft": True}
    world.post("/invoices", draft | {"issued_at": f"{subject.period.plus(1)}-01T04:00:00Z"})
    world.api.patch(f"/operators/{subject.operator_id}", json={"preferences": {"默认税率": "13%"}})
    return subject


@pytest.mark.parametrize(
    ("name", "choice", "cleared"),
    [
        ("full", {"kind": "tax", "mode": "update"}, ["004", "007", "026"]),
        (
            "partial",
            {"kind": "tax", "scope": "partial", "invoice_types": ["004"]},
            ["004", "007"],
        ),
        ("device", {"scope": "partial", "invoice_types": ["026"]}, ["026"]),
    ],
)
def test_what_is_previewed_is_what_happens(
    world: "World", name: str, choice: dict[str, Any], cleared: list[str]
) -> None:
    subject = _golden(world, name)
    _reported(world, subject)
    told = _preview(world, subject, **choice)
    [device] = told["devices"]
    assert [one["invoice_type"] for one in device["clear"]] == cleared
    invoices = world.get("/invoices", device_id=subject.device_id, limit=100)["items"]
    request = _begin(world, subject, **choice)
    assert request["state"] == "succeeded", request["error"]
    assert world.simulation.cleared(subject.number) == Counter(cleared)
    [record] = [one for one in world.records(subject) if one["result"] == "succeeded"]
    assert record["invoice_types"] == cleared
    assert (record["invoices_cleared"], record["amount"], record["tax"]) == (
        told["invoices"],
        told["amount"],
        told["tax"],
    )
    _assert_ledger(world, subject, told, invoices)
    again = _preview(world, subject)
    assert again["invoices"] == sum(not one["draft"] for one in invoices) - told["invoices"]


def _assert_ledger(
    world: "World", subject: "Subject", told: dict[str, Any], before: list[dict[str, Any]]
) -> None:
    """Exactly the invoices that were named became 已清卡; drafts and settings as said; nothing else changed."""
    [device] = told["devices"]
    types = {one["invoice_type"] for one in device["clear"]}
    after = {
        one["id"]: one
        for one in world.get("/invoices", device_id=subject.device_id, limit=100)["items"]
    }
    gone = [one for one in before if one["id"] not in after]
    assert len(gone) == told["drafts"]
    assert all(one["draft"] for one in gone)
    for one in (one for one in before if one["id"] in after):
        cleared = one["invoice_type"] in types and not one["draft"]
        now = after[one["id"]]
        assert (now["clearing_status"] == "cleared") is cleared
        assert (now["amount"], now["number"]) == (one["amount"], one["number"])
    kept = world.get(f"/operators/{subject.operator_id}")["preferences"]
    assert kept == ({} if told["settings"] else {"默认税率": "13%"})
