"""What is left of the agency's month on paper: records, certificates, backups, report, mails, the trail."""

import base64
import csv
import io
import json
import re
import zlib
from collections import Counter
from decimal import Decimal
from typing import Any

import python_calamine

from tests.e2e.agency import (
    ADMIN_MAIL,
    APPROVED,
    CLEARED,
    DUE,
    FAILING,
    FAILING_AGAIN,
    FINANCE_MAIL,
    INVOICES,
    LOCKS_SOON,
    MISSING_NUMBER,
    NEVER_CLEARED,
    NO_INVOICES,
    PLACES,
    REJECTED,
    STAFF_MAIL,
    STATUS_BY_HAND,
    UNPLUGGED,
    Agency,
    inbox,
    lock_date_of,
    mail_of,
)
from tests.e2e.harness import TYPES, until

FAILURES = [
    (code, place)
    for run in (FAILING, FAILING_AGAIN)
    for code, places in run.items()
    for place in places
]
"""Every failed execution with its code; a place that failed twice is there twice."""
STOPPED_EARLY = (
    len(UNPLUGGED) + 2 * len(FAILING["device.locked"]) + len(FAILING_AGAIN["bureau.mismatch"])
)
"""Executions that the pre-checks ended before there was anything to back up.

A return that does not match shows in the third stage the first time, when the device has just been
reported; the second time the bureau is asked before.
"""
EXECUTIONS = len(CLEARED) + len(FAILURES)


def records_are_exported_and_certified(agency: Agency) -> None:
    """As many rows in every format as executions; invoices and amounts add up; codes find their record."""
    world = agency.world
    records = world.pages("/clearing-records")
    assert Counter(one["result"] for one in records) == {
        "succeeded": len(CLEARED),
        "failed": len(FAILURES),
    }
    failed = [one["error_code"] for one in records if one["result"] == "failed"]
    assert Counter(failed) == Counter(code for code, _ in FAILURES)
    succeeded = [one for one in records if one["result"] == "succeeded"]
    assert {one["device_number"] for one in succeeded} == agency.numbers(CLEARED)
    # One more where the number was skipped: its fourth invoice is of the period again.
    invoices = len(CLEARED - NO_INVOICES) * INVOICES * len(TYPES) + len({MISSING_NUMBER})
    assert sum(one["invoices_cleared"] for one in succeeded) == invoices
    assert sum(Decimal(one["amount"]) for one in succeeded) == Decimal("100.00") * invoices
    assert sum(Decimal(one["tax"]) for one in succeeded) == Decimal("13.00") * invoices
    assert _exported(agency) == {"csv": EXECUTIONS, "xlsx": EXECUTIONS, "jsonl": EXECUTIONS}
    assert _exported(agency, result="failed") == dict.fromkeys(_FORMATS, len(FAILURES))
    _certificates_are_genuine(agency, succeeded)
    refused = world.api.get(f"/clearing-records/{_first_failed(records)}/certificate")
    assert (refused.status_code, refused.json()["code"]) == (409, "certificate.unavailable")


def _first_failed(records: list[dict[str, Any]]) -> str:
    return str(next(one["id"] for one in records if one["result"] == "failed"))


def _csv_rows(content: bytes) -> int:
    return len(list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))))


def _xlsx_rows(content: bytes) -> int:
    workbook = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
    return len(workbook.get_sheet_by_index(0).to_python()) - 1


def _jsonl_rows(content: bytes) -> int:
    return len([json.loads(line) for line in content.splitlines()])


_FORMATS = {"csv": _csv_rows, "xlsx": _xlsx_rows, "jsonl": _jsonl_rows}


def _exported(agency: Agency, **query: str) -> dict[str, int]:
    """Rows of the export in each format."""
    found = {}
    for name, count in _FORMATS.items():
        answer = agency.world.api.get("/clearing-records/export", params={"format": name} | query)
        assert answer.status_code == 200, answer.text
        found[name] = count(answer.content)
    return found


def _certificates_are_genuine(agency: Agency, succeeded: list[dict[str, Any]]) -> None:
    world = agency.world
    codes = {}
    for record in succeeded:
        printed = world.api.get(f"/clearing-records/{record['id']}/certificate").content
        assert printed.startswith(b"%PDF-")
        codes[_code_printed(printed)] = record["id"]
    assert len(codes) == len(CLEARED)
    with world.signed_in("auditor") as auditor:
        for code, record_id in codes.items():
            page = auditor.get("/audit/certificate", params={"code": code}).text
            assert "凭证真实，记录未被改动" in page
            assert f"/clearing/records/{record_id}" in page
        other = code[:-1] + ("1" if code[-1] == "0" else "0")
        assert "验证码无效" in auditor.get("/audit/certificate", params={"code": other}).text


def _code_printed(pdf: bytes) -> str:
    """The verification code as it stands on the page: two lines of four groups, text in UTF-16."""
    pages = re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    content = b"".join(
        zlib.decompress(base64.a85decode(page.strip().removesuffix(b"~>"))) for page in pages
    )
    plain = content.replace(rb"\000", b"")
    lines = re.findall(rb"\(((?:[0-9A-Z]{6}-){3}[0-9A-Z]{6})\) Tj", plain)
    assert len(lines) == 2, plain
    return b"-".join(lines).decode()


def backups_verify(agency: Agency) -> None:
    """One before every execution that got that far, one after every success; all match when read back."""
    kept = agency.world.pages("/backups")
    assert Counter((one["kind"], one["state"]) for one in kept) == {
        ("pre_clearing", "verified"): EXECUTIONS - STOPPED_EARLY,
        ("post_clearing", "verified"): len(CLEARED),
    }
    done = agency.world.qingka("backup", "verify")
    assert done.returncode == 0, done.stdout + done.stderr
    verified = [line.split("  ")[:2] for line in done.stdout.splitlines()]
    assert sorted(verified) == sorted([one["id"], "verified"] for one in kept)


def inspection_tells_what_is_left(agency: Agency) -> None:
    """Six devices to clear, who failed how often and why; backups, database and trail in order."""
    world = agency.world
    path = f"/inspections/{world.post('/inspections')['id']}"

    def report() -> dict[str, Any]:
        found = world.get(path)
        return found if found["state"] == "done" else {}

    made = until(report, seconds=120, what="the inspection is made")
    sections = {one["title"]: one for one in made["sections"]}
    today = world.today
    overdue = sum(lock_date_of(place, today) <= today for place in NEVER_CLEARED)
    left = sections["未清卡设备"]
    assert left["summary"] == (
        f"{len(NEVER_CLEARED)} 台设备尚未清卡（共 {len(PLACES)} 台），其中 {overdue} 台已到锁死日期"
    )
    assert {row[0] for row in left["rows"]} == agency.numbers(NEVER_CLEARED)
    _assert_causes(agency, sections["失败原因"])
    fine = ("时钟偏差", "备份", "审计链", "通知投递")
    assert {title: sections[title]["severity"] for title in fine} == dict.fromkeys(fine, "ok")
    assert made["severity"] == "blocking"
    assert world.api.get(f"{path}/report").content.startswith(b"%PDF-")


def _assert_causes(agency: Agency, section: dict[str, Any]) -> None:
    repeated = len(FAILING_AGAIN["bureau.mismatch"] | FAILING_AGAIN["device.locked"])
    begin = f"近三个月失败 {len(FAILURES)} 次，{repeated} 台设备反复失败："
    assert section["summary"].startswith(begin)
    times = Counter((agency.subjects[place].period, code) for code, place in FAILURES)
    expected = {
        (period, code, str(count), str(len(FAILING[code])))
        for (period, code), count in times.items()
    }
    assert {(row[0], row[1], row[3], row[4]) for row in section["rows"]} == expected


def notifications_were_delivered(agency: Agency) -> None:
    """Every mail arrived once, at whom it concerns; the inboxes hold what each account has to know."""
    world, post = agency.world, agency.post
    until(
        lambda: not world.pages("/notification-deliveries", state="pending"),
        seconds=240,
        what="nothing waits to be delivered",
    )
    expected = {
        LOCKS_SOON: Counter(mail_of(place) for place in DUE) + Counter({ADMIN_MAIL: 1}),
        "清卡失败：": Counter(mail_of(place) for _, place in FAILURES)
        + Counter({ADMIN_MAIL: len(FAILURES)}),
        "清卡申请已驳回：": Counter({STAFF_MAIL: 1, mail_of(REJECTED): 1}),
        "清卡成功：": Counter({FINANCE_MAIL: len(CLEARED)}),
    }
    assert {words: post.about(words) for words in expected} == expected
    total = sum(found.total() for found in expected.values())
    assert len(post.letters) == len({one.message_id for one in post.letters}) == total
    states = Counter(one["state"] for one in world.pages("/notification-deliveries"))
    assert states == {"delivered": total}
    _inboxes_hold(agency)


def _inboxes_hold(agency: Agency) -> None:
    expected = {
        "operator": {
            "clearing.approved": len(APPROVED),
            "clearing.rejected": 1,
            "clearing.succeeded": len(APPROVED),
            "clearing.failed": 0,
        },
        # Those of staff and the admin's own; the batch was executed directly, nobody reviews it.
        "reviewer": {"clearing.submitted": len(APPROVED) + 1 + 1},
        "admin": {
            "clearing.failed": len(FAILURES),
            "clearing.succeeded": len(CLEARED) - len(APPROVED),
            "device.disconnected": len(UNPLUGGED),
            "device.lock_digest": 1,
            "inspection.finished": 1,
        },
    }
    found: dict[str, dict[str, int]] = {}
    for name, kinds in expected.items():
        with agency.world.signed_in(name) as browser:
            found[name] = {kind: len(inbox(browser, kind)) for kind in kinds}
    assert found == expected


def the_audit_chain_verifies(agency: Agency) -> None:
    """From the shell and by the API; what was done is on record as often as it was done."""
    world = agency.world
    done = world.qingka("audit", "verify")
    assert done.returncode == 0, done.stdout + done.stderr
    verified = world.get("/audit-records/verify")
    assert (verified["ok"], verified["first_bad_seq"]) == (True, None)
    expected = {
        "clearing.approved": len(APPROVED),
        "clearing.rejected": 1,
        "clearing.cancelled": 1,
        "clearing.confirmed": len(APPROVED),
        "clearing.succeeded": len(CLEARED),
        "clearing.failed": len(FAILURES),
        "batch.created": 1,
        "batch.prepared": 1,
        "batch.paused": 1,
        "batch.resumed": 1,
        "batch.retried": 1,
        "reconciliation.run": 1,
        "invoice.changed": len({STATUS_BY_HAND}),
        "inspection.run": 2,
    }
    found = {action: len(world.pages("/audit-records", action=action)) for action in expected}
    assert found == expected
