"""An accountant's test: voids, reds and rows the device never had are planted; record and certificate hold."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld
    from tests.e2e.harness import Subject, World

TYPES = ("004", "007")


@pytest.fixture(scope="module")
def world(new_shared_world: "NewWorld") -> "World":
    return new_shared_world(devices=3)


def _plant(world: "World", subject: "Subject", status: str, count: int, amount: str) -> None:
    body = {"invoice_type": "004", "status": status, "count": count, "amount": amount}
    world.simulation.send("POST", f"/devices/{subject.number}/invoices", body)


def _foreign(world: "World", subject: "Subject") -> None:
    """Three rows of another software, of a number range the device never had."""
    for place in range(3):
        world.post(
            "/invoices",
            {
                "device_id": subject.device_id,
                "invoice_type": "007",
                "code": "9999999999",
                "number": f"9900000{place}",
                "issued_at": f"{subject.period}-08T10:00:00+08:00",
                "amount": "1000000.00",
                "tax": "130000.00",
                "uploaded": True,
            },
        )


def _net_on_device(world: "World", subject: "Subject") -> tuple[int, Decimal]:
    """How many invoices of the period count on the device itself, and their amount."""
    found = world.simulation.send("GET", f"/devices/{subject.number}/invoices")
    counting = [
        Decimal(one["amount"])
        for one in found
        if one["status"] in ("normal", "red") and one["issued_at"].startswith(subject.period)
    ]
    return len(counting), sum(counting, Decimal(0))


def _end(world: "World", order: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The request at its end, and its newest record."""
    request_id = str(world.post("/clearing-requests", order)["id"])
    accepted = {"accepted_warnings": order.get("accepted_warnings", [])}
    world.post(f"/clearing-requests/{request_id}/execute", accepted)
    ended = world.ended(request_id)
    return ended, world.get(f"/clearing-records/{ended['record_ids'][-1]}")


def test_the_certificate_ties_to_the_device_to_the_cent(world: "World") -> None:
    subject = world.subject()
    _plant(world, subject, "red", 2, "33.33")
    _plant(world, subject, "void", 3, "77777.77")
    _plant(world, subject, "void_red", 1, "55.55")
    _foreign(world, subject)
    count, amount = _net_on_device(world, subject)

    stopped, _ = _end(world, subject.order | {"accepted_warnings": []})
    assert stopped["error"]["code"] == "clearing.warnings"
    (warning,) = stopped["open_warnings"]
    assert warning["code"] == "ledger.statistics"
    assert "007 正数 台账 6 张" in warning["message"]
    assert "设备 3 张" in warning["message"]
    assert world.simulation.cleared(subject.number) == {}

    ended, record = _end(world, subject.order | {"accepted_warnings": ["ledger.statistics"]})
    assert (ended["state"], ended["outcome"]) == ("succeeded", "cleared")
    device, ledger = record["device_totals"], record["ledger_totals"]
    assert (device["net"]["count"], Decimal(device["net"]["amount"])) == (count, amount)
    assert device["void"]["count"] == 4
    assert device["red"] == {"count": 2, "amount": "-66.66", "tax": "-26.00"}
    assert Decimal(ledger["net"]["amount"]) == amount + 3_000_000
    assert Decimal(record["amount"]) == amount + 3_000_000
    pdf = world.api.get(f"/clearing-records/{record['id']}/certificate")
    assert (pdf.status_code, pdf.content[:5]) == (200, b"%PDF-")


def test_a_part_is_a_part_and_the_rest_a_clearing_of_its_own(world: "World") -> None:
    subject = world.subject()
    before = world.simulation.view(subject.number)["lock_dates"]
    part = {"scope": "partial", "invoice_types": ["004"]}
    ended, record = _end(world, subject.order | part)
    shown = world.simulation.view(subject.number)["lock_dates"]
    assert ended["outcome"] == record["outcome"] == "partial"
    assert {one["invoice_type"]: one["lock_date"] for one in ended["remaining"]} == {
        kind: day for kind, day in shown.items() if kind != "004"
    }
    assert shown["004"] > before["004"]
    assert (record["lock_date_after"], record["next_lock_date"]) == (
        shown["004"],
        min(shown.values()),
    )
    assert "004 已清卡；" in ended["message"]

    rest, record = _end(world, subject.order | {"accepted_warnings": []})
    assert (rest["state"], rest["outcome"], rest["remaining"]) == ("succeeded", "cleared", [])
    assert record["lock_date_before"] == before["007"]


def test_what_was_cleared_elsewhere_is_noted_and_not_executed(world: "World") -> None:
    subject = world.subject()
    later = world.simulation.view(subject.number)["lock_date"]
    year, month, _ = (int(part) for part in later.split("-"))
    moved = f"{year + month // 12}-{month % 12 + 1:02d}-15"
    world.simulation.patch(subject.number, lock_date=moved)
    ended, record = _end(world, subject.order | {"accepted_warnings": ["period.duplicate"]})
    assert (ended["state"], ended["outcome"]) == ("succeeded", "already"), ended["error"]
    assert record["outcome"] == "already"
    assert world.simulation.cleared(subject.number) == {}
    assert world.get(f"/devices/{subject.device_id}")["last_cleared_at"] is None
    refused: httpx.Response = world.api.get(f"/clearing-records/{record['id']}/certificate")
    assert (refused.status_code, refused.json()["code"]) == (409, "certificate.not_executed")
