"""After a clearing: books that agree, differences planted on the simulated device, papers that prove it."""

import csv
import io
import re
from typing import TYPE_CHECKING, Any

import pytest

from app.contracts.periods import Period
from tests.e2e.harness import TYPES

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld
    from tests.e2e.harness import Subject, World


@pytest.fixture(scope="module")
def world(new_shared_world: "NewWorld") -> "World":
    return new_shared_world(devices=4)


def _reconciled(world: "World", subject: "Subject") -> dict[str, Any]:
    path = "/reconciliations"
    found: dict[str, Any] = world.get(path, period=subject.period, operator_id=subject.operator_id)
    assert [device["read"] for device in found["devices"]] == [True]
    return found


def _kinds(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["kind"], one["invoice_type"]) for one in found["differences"]]


def test_a_clearing_leaves_books_that_agree_and_papers(world: "World") -> None:
    subject = world.subject()
    world.assert_cleared_once(subject, world.begin(subject))
    assert _kinds(_reconciled(world, subject)) == []
    (record,) = world.records(subject)
    exported = world.api.get("/clearing-records/export", params={"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(exported.content.decode("utf-8-sig"), newline="")))
    assert record["id"] in [row["记录编号"] for row in rows]
    printed = world.api.get(f"/clearing-records/{record['id']}/certificate")
    assert printed.content.startswith(b"%PDF-")
    with world.signed_in("auditor") as browser:
        page = browser.get(f"/clearing/records/{record['id']}").text
        assert "清卡凭证" in page
        refused = browser.get("/audit/certificate", params={"code": "0" * 48}).text
        assert "验证码无效" in refused


def test_what_happened_on_the_device_meanwhile_is_found_and_dealt_with(world: "World") -> None:
    subject = world.subject()
    world.assert_cleared_once(subject, world.begin(subject))
    body = {"invoice_type": "007", "count": 2, "issued_at": f"{subject.period}-28T09:00:00"}
    world.simulation.send("POST", f"/devices/{subject.number}/invoices", body)
    found = _reconciled(world, subject)
    assert _kinds(found) == [("amount_mismatch", "007")]
    sides = found["differences"][0]["details"]["normal"]
    assert (sides["ledger"]["count"], sides["device"]["count"]) == (3, 5)
    new = world.simulation.send("GET", f"/devices/{subject.number}/invoices")[-1]
    _import(world, subject, new)
    found = _reconciled(world, subject)
    assert _kinds(found) == [
        ("number_gap", "007"),
        ("amount_mismatch", "007"),
        ("status_not_updated", "007"),
    ]
    _handle_in_the_browser(world, subject)
    assert _kinds(_reconciled(world, subject)) == [
        ("number_gap", "007"),
        ("amount_mismatch", "007"),
    ]


def _bureau(world: "World", subject: "Subject") -> tuple[str, set[tuple[str, str]]]:
    """Whether the bureau agrees about the device, and (its state, the device's) of all types."""
    query = {"period": subject.period, "operator_id": subject.operator_id, "ask_bureau": True}
    (device,) = world.get("/reconciliations", **query)["devices"]
    told = device["bureau"]
    assert [one["invoice_type"] for one in told["types"]] == list(TYPES)
    return told["agreement"], {(one["bureau"], one["own"]) for one in told["types"]}


def test_the_bureaus_view_agrees_at_every_step_of_a_clearing(world: "World") -> None:
    """Before the report, refused for want of a return, filed, cleared; asking clears nothing."""
    subject = world.subject()
    assert _bureau(world, subject) == ("agrees", {("not_reported", "not_reported")})
    world.file(subject, "not_filed")
    request_id = world.begin(subject)
    assert world.ended(request_id)["error"]["code"] == "bureau.not_filed"
    assert _bureau(world, subject) == ("agrees", {("not_filed", "reported")})
    world.file(subject, "mismatch")
    assert _bureau(world, subject) == ("agrees", {("mismatch", "reported")})
    world.file(subject, "filed")
    assert _bureau(world, subject) == ("agrees", {("ready", "reported")})
    assert not world.simulation.log(subject.number, "JKHC")
    world.post(f"/clearing-requests/{request_id}/retry")
    world.assert_cleared_once(subject, request_id)
    assert _bureau(world, subject) == ("agrees", {("cleared", "cleared")})
    with world.signed_in("reviewer") as browser:
        form = {"period": subject.period, "operator_code": subject.code}
        answer = browser.post("/invoices/reconciliations", data=form)
        again = browser.post(f"{answer.url.path}/again", data={"sync": "true"})
        assert "1 台设备与税务端一致" in again.text
        assert again.text.count("一致</span>") == len(TYPES)
        assert "不一致" not in again.text


def _import(world: "World", subject: "Subject", invoice: dict[str, Any]) -> None:
    """The newest invoice of the device comes into the ledger by a file."""
    lines = [
        "设备编号,发票类型,发票代码,发票号码,开票日期,金额,税额,上传标志",
        f"{subject.number},007,{invoice['code']},{invoice['number']},"
        f"{subject.period}-28,100.00,13.00,是",
    ]
    answer = world.api.post("/invoices/import", files={"file": ("x.csv", "\n".join(lines))})
    assert answer.json() == {"accepted": 1, "refused": 0, "unchanged": 0, "rows": []}


def _handle_in_the_browser(world: "World", subject: "Subject") -> None:
    """An admin runs the comparison, corrects the status, and finds it said so."""
    with world.signed_in("admin") as browser:
        form = {"period": subject.period, "operator_code": subject.code}
        page = browser.post("/invoices/reconciliations", data=form)
        assert "核对完成，有 3 处差异" in page.text
        row = next(row for row in page.text.split("<tr>") if "清卡状态未更新</td>" in row)
        handle = re.search(r'href="([^"]+)\?handle=([0-9a-f-]+)"', row)
        assert handle is not None
        target = f"{handle[1]}/differences/{handle[2]}"
        done = browser.post(target, data={"action": "correct", "reason": "清卡后补录的发票"})
        assert "差异已处理" in done.text
        assert "已更正" in done.text


def test_a_clearing_in_other_software_is_found(world: "World") -> None:
    subject = world.subject()
    later = Period(subject.period).plus(2)
    world.simulation.patch(subject.number, lock_date=f"{later}-15")
    found = _reconciled(world, subject)
    assert ("unauthorised_clearing", "004") in _kinds(found)
    assert ("unauthorised_clearing", "007") in _kinds(found)
