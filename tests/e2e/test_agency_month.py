"""A month of an accounting agency, from the ledgers to the inspection report; every count is asserted."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.contracts.periods import Period
from app.core.clock import utc_now
from app.jobs.scheduler import Scheduler
from tests.e2e import agency_batch as clearing
from tests.e2e import agency_papers as papers
from tests.e2e.agency import (
    ADMIN_MAIL,
    ADMINS_OWN,
    APPROVED,
    CHANGED_AMOUNT,
    DUE,
    ENTERPRISES,
    FINANCE_MAIL,
    IMPORTED,
    INVOICES,
    LOCKS_SOON,
    MACHINES,
    MISSING_NUMBER,
    PLACES,
    REJECTED,
    STAFF_MAIL,
    STATUS_BY_HAND,
    Agency,
    AgencyWorld,
    inbox,
    mail_of,
    post_office,
    send,
    wait_for_a_day_long_enough,
)
from tests.e2e.harness import PASSWORD, TYPES, until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1500)]

HEADER = "设备编号,发票类型,发票代码,发票号码,开票日期,金额,税额,上传标志"


@pytest.fixture
def agency(sqlite_template: Path, tmp_path: Path) -> Iterator[Agency]:
    """Forty enterprises on record, each with its devices read, and a mail server."""
    today = wait_for_a_day_long_enough()
    settings = {"QINGKA_AGENT_CONCURRENCY": "20", "QINGKA_WEBHOOK_ALLOW_PRIVATE": "true"}
    world = AgencyWorld(tmp_path, sqlite_template, today, settle=0.05, settings=settings)
    try:
        world.start()
        # None before the mail server is there, whatever day it is.
        world.set_reminder_days("")
        with post_office() as post:
            yield Agency(world, world.enrol(), post)
    finally:
        world.close()


def test_a_month_of_an_agency(agency: Agency) -> None:
    registers_hold_the_clients(agency)
    ledgers_are_imported(agency)
    notifications_are_set_up(agency)
    reminders_arrive_before_the_lock_date(agency)
    requests_are_reviewed_and_run(agency)
    clearing.trouble_is_made(agency)
    batch = clearing.a_batch_clears_all_others(agency)
    clearing.causes_are_removed_and_the_failed_tried_again(agency, batch)
    clearing.every_device_was_cleared_once_or_not_at_all(agency)
    three_planted_differences_are_found(agency)
    papers.records_are_exported_and_certified(agency)
    papers.backups_verify(agency)
    papers.inspection_tells_what_is_left(agency)
    papers.notifications_were_delivered(agency)
    papers.the_audit_chain_verifies(agency)


def registers_hold_the_clients(agency: Agency) -> None:
    world = agency.world
    cycles = Counter(one["filing_cycle"] for one in world.pages("/enterprises"))
    assert cycles == {"monthly": ENTERPRISES // 2, "quarterly": ENTERPRISES // 2}
    devices = world.pages("/devices")
    shapes = Counter((one["kind"], one["machine_no"], one["state"]) for one in devices)
    expected = Counter(
        (MACHINES[place % len(MACHINES)], place % len(MACHINES), _link_state(place))
        for place in PLACES
    )
    assert shapes == expected
    states = Counter(one["clearing_state"] for one in world.pages("/operators"))
    assert states == {"due": len(DUE), "locked": len(PLACES - DUE)}


def _link_state(place: int) -> str:
    return "connected" if place in DUE else "locked"


def ledgers_are_imported(agency: Agency) -> None:
    """A file of other software; a row of a device nobody registered is refused, the rest taken."""
    world = agency.world
    lines = [HEADER]
    for number in sorted(agency.numbers(IMPORTED)):
        for one in world.simulation.send("GET", f"/devices/{number}/invoices"):
            shown = (one["invoice_type"], one["code"], one["number"], one["issued_at"][:10])
            lines.append(",".join((number, *shown, one["amount"], one["tax"], "是")))
    lines.append(lines[-1].replace(number, "990000000001"))
    rows = len(IMPORTED) * len(TYPES) * INVOICES
    for accepted, unchanged in ((rows, 0), (0, rows)):
        files = {"file": ("台账.csv", "\n".join(lines))}
        report = world.api.post("/invoices/import", files=files).json()
        (refused,) = report.pop("rows")
        assert report == {"accepted": accepted, "refused": 1, "unchanged": unchanged}
        assert (refused["line"], "没有登记" in refused["message"]) == (rows + 2, True)


def notifications_are_set_up(agency: Agency) -> None:
    """Staff and operators hear of lock dates and failures by mail, the finance office of successes."""
    world = agency.world
    common = {"kind": "email", "url": agency.post.address}
    kinds = ["device.lock_approaching", "clearing.rejected", "clearing.failed"]
    world.post(
        "/notification-channels", common | {"name": "员工", "kinds": kinds, "to_operator": True}
    )
    finance = {"kinds": ["clearing.succeeded"], "finance": [FINANCE_MAIL], "to_accounts": False}
    world.post("/notification-channels", common | {"name": "财务"} | finance)
    for name, address in (("admin", ADMIN_MAIL), ("operator", STAFF_MAIL)):
        with world.signed_in(name) as browser:
            send(browser, "PATCH", "/notifications/preferences", 200, {"email": address})


def reminders_arrive_before_the_lock_date(agency: Agency) -> None:
    """One mail a person: the operator's device, all of them for the admin; none of the locked ones."""
    world = agency.world
    left = (Period.of(world.today).last_day - world.today).days
    world.set_reminder_days(str(left))
    # The job's time of day is nine o'clock; its row is put forward instead of waiting for it.
    Scheduler(world.database, utc_now, []).hurry("lock-reminders")
    expected = Counter({mail_of(place): 1 for place in DUE}) + Counter({ADMIN_MAIL: 1})
    until(
        lambda: agency.post.about(LOCKS_SOON).total() >= expected.total(),
        seconds=300,
        what="every reminder is delivered",
    )
    assert agency.post.about(LOCKS_SOON) == expected
    with world.signed_in("admin") as browser:
        (notice,) = inbox(browser, "device.lock_digest")
        assert inbox(browser, "device.lock_approaching") == []
    assert notice["title"] == f"{len(DUE)} {LOCKS_SOON}，最近的还有 {left} 天"


def requests_are_reviewed_and_run(agency: Agency) -> None:
    """Staff asks, the reviewer decides, what was approved runs by itself and is confirmed by staff."""
    world, subjects = agency.world, agency.subjects
    plant_a_missing_number(agency)
    with world.signed_in("operator") as staff, world.signed_in("reviewer") as reviewer:
        path = {
            place: f"/clearing-requests/{_submitted(staff, subjects[place].order)}"
            for place in (*APPROVED, REJECTED)
        }
        refused = send(staff, "POST", f"{path[REJECTED]}/approve", 403, {"password": PASSWORD})
        assert refused["code"] == "forbidden"
        no_password = send(
            reviewer, "POST", f"{path[APPROVED[0]]}/approve", 422, {"comment": "同意"}
        )
        assert no_password["code"] == "step_up.failed"
        for place in APPROVED:
            body = {"comment": "同意", "password": PASSWORD}
            send(reviewer, "POST", f"{path[place]}/approve", 200, body)
        rejected = send(
            reviewer, "POST", f"{path[REJECTED]}/reject", 200, {"comment": "申报表待更正"}
        )
        assert (rejected["state"], rejected["review_comment"]) == ("rejected", "申报表待更正")
        for place in APPROVED:
            world.ended(path[place].rpartition("/")[2], "succeeded", seconds=120)
            done = send(staff, "POST", f"{path[place]}/confirm", 200)
            assert (done["state"], done["progress"]) == ("confirmed", 100)
            (record,) = world.records(subjects[place])
            names = (record["executed_by_name"], record["approved_by_name"], record["result"])
            assert names == ("王晓梅", "顾主管", "succeeded")
    nobody_reviews_an_own_request(agency)


def nobody_reviews_an_own_request(agency: Agency) -> None:
    """Not even an admin, who may do both; given up, the operator is free for the batch."""
    with agency.world.signed_in("admin") as admin:
        path = f"/clearing-requests/{_submitted(admin, agency.subjects[ADMINS_OWN].order)}"
        refused = send(admin, "POST", f"{path}/approve", 403, {"password": PASSWORD})
        assert refused["code"] == "review.own_request"
        assert send(admin, "POST", f"{path}/cancel", 200)["state"] == "cancelled"


def _submitted(browser: httpx.Client, order: dict[str, Any]) -> str:
    return str(send(browser, "POST", "/clearing-requests", 201, order)["id"])


def plant_a_missing_number(agency: Agency) -> None:
    """The device's third invoice is of another month and never reaches the ledger, the fourth does."""
    number = agency.subjects[MISSING_NUMBER].number
    for month in (agency.period.plus(1), agency.period):
        body = {"invoice_type": "004", "issued_at": f"{month}-01T00:00:00"}
        agency.world.simulation.send("POST", f"/devices/{number}/invoices", body)


def three_planted_differences_are_found(agency: Agency) -> None:
    """A missing number, a status changed by hand, an amount changed by a file: these, and only these."""
    world = agency.world
    _change_a_status(agency)
    _change_an_amount(agency)
    answer = world.post("/reconciliations", {"period": agency.period})
    assert [one["read"] for one in answer["devices"]] == [True] * len(PLACES)
    found = {
        (one["kind"], one["device_number"], one["invoice_type"]) for one in answer["differences"]
    }
    numbers = [
        agency.subjects[place].number for place in (MISSING_NUMBER, CHANGED_AMOUNT, STATUS_BY_HAND)
    ]
    assert found == {
        ("number_gap", numbers[0], "004"),
        ("amount_mismatch", numbers[1], "007"),
        ("status_not_updated", numbers[2], "007"),
    }
    assert sum(answer["counts"].values()) == len(answer["differences"]) == 3
    by_kind = {one["kind"]: one["details"] for one in answer["differences"]}
    assert by_kind["number_gap"]["ranges"] == [["00000003", "00000003"]]
    sides = by_kind["amount_mismatch"]["normal"]
    assert (sides["ledger"]["amount"], sides["device"]["amount"]) == ("288.88", "200.00")
    assert by_kind["status_not_updated"] == {"issued": INVOICES, "cleared": INVOICES - 1}


def _change_a_status(agency: Agency) -> None:
    world, device_id = agency.world, agency.subjects[STATUS_BY_HAND].device_id
    query = {"device_id": device_id, "invoice_type": "007", "period": agency.period}
    invoice = world.get("/invoices", **query)["items"][0]
    body = {"clearing_status": "uncleared", "reason": "误操作演示"}
    answer = world.api.patch(f"/invoices/{invoice['id']}", json=body)
    assert answer.json()["clearing_status"] == "uncleared"


def _change_an_amount(agency: Agency) -> None:
    """Where nothing is cleared yet a file may; where it is, the same change is refused."""
    for place, verdict in ((CHANGED_AMOUNT, (1, 0)), (APPROVED[0], (0, 1))):
        number = agency.subjects[place].number
        invoices = agency.world.simulation.send("GET", f"/devices/{number}/invoices")
        one = next(one for one in invoices if one["invoice_type"] == "007")
        shown = (
            f"{number},007,{one['code']},{one['number']},{one['issued_at'][:10]},188.88,13.00,是"
        )
        files = {"file": ("x.csv", f"{HEADER}\n{shown}")}
        report = agency.world.api.post("/invoices/import", files=files).json()
        assert (report["accepted"], report["refused"]) == verdict, json.dumps(report)
