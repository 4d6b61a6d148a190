"""Amounts an accountant can tie to the return: by the device's own statistics beside the ledger's."""

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from app import prechecks
from app.clearing import queries
from app.clearing.models import ClearingRecord, ClearingRequest
from app.contracts.devices import DeviceReading, InvoiceStatus, InvoiceType
from app.core.db import Session
from app.devices.models import Device
from app.invoices.figures import ByType, Figures, Sum, as_json
from app.invoices.models import Invoice
from app.prechecks import Check, DeviceFault, Facts, Severity
from app.requests.run import stage_done
from app.requests.service import outcome

if TYPE_CHECKING:
    from tests.office import Office

DUE = "2026-10"
SPECIAL, ORDINARY = InvoiceType.SPECIAL_PAPER, InvoiceType.ORDINARY_PAPER

LEDGER = [
    (SPECIAL, InvoiceStatus.NORMAL, "1000.00", "130.00"),
    (SPECIAL, InvoiceStatus.NORMAL, "234.56", "30.49"),
    (SPECIAL, InvoiceStatus.RED, "-100.00", "-13.00"),
    (SPECIAL, InvoiceStatus.VOID, "500.00", "65.00"),
    (ORDINARY, InvoiceStatus.NORMAL, "10.00", "1.30"),
    (ORDINARY, InvoiceStatus.VOID_BLANK, "0.00", "0.00"),
]
FOREIGN = (SPECIAL, InvoiceStatus.NORMAL, "1000000.00", "130000.00")
"""A row of the ledger that the device never had."""

DEVICE: ByType = {
    SPECIAL: Figures(
        Sum(2, Decimal("1234.56"), Decimal("160.49")),
        Sum(1, Decimal("-100.00"), Decimal("-13.00")),
        Sum(1, Decimal("500.00"), Decimal("65.00")),
    ),
    ORDINARY: Figures(Sum(1, Decimal("10.00"), Decimal("1.30")), void=Sum(1)),
}


def _cleared(
    office: "Office", rows: list[Any], totals: ByType | None = DEVICE
) -> tuple[UUID, UUID]:
    """Request and record of a device that was cleared with this ledger."""
    subject = office.operator()
    with office.database.transaction() as session:
        device = session.get_one(Device, subject.device_ids[0])
        for place, (kind, status, amount, tax) in enumerate(rows):
            session.add(
                Invoice(
                    device_id=device.id,
                    operator_id=device.operator_id,
                    invoice_type=kind,
                    code="4200000000",
                    number=f"{place:08d}",
                    issued_at=office.clock() - timedelta(days=20),
                    period=DUE,
                    amount=Decimal(amount),
                    tax=Decimal(tax),
                    status=status,
                    uploaded=True,
                    created_at=office.clock(),
                    updated_at=office.clock(),
                )
            )
    request_id = office.submit(subject)
    office.execute(request_id)
    office.clear_on_device(request_id)

    def end(session: Session, request: ClearingRequest) -> None:
        (target,) = queries.targets(session, request.id)
        target.device_totals = None if totals is None else as_json(totals)
        evidence = stage_done.evidence_of(session, request)
        outcome.succeed(session, request, evidence, clock=office.clock)

    office.change(request_id, end)
    with office.database.reading() as session:
        return request_id, queries.records_of(session, [request_id])[request_id][0].id


def _api(client: TestClient, record_id: UUID) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/api/v1/clearing-records/{record_id}").json()
    return found


@pytest.fixture(autouse=True)
def _all_is_in_the_backup(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no backup here; what leaves the working set is not the point."""
    monkeypatch.setattr("app.clearing.ledger.is_backed_up", lambda *_: True)


def test_the_record_has_both_sides_and_never_sums_what_is_void(
    office: "Office", client: TestClient
) -> None:
    _, record_id = _cleared(office, LEDGER)
    found = _api(client, record_id)
    assert (found["invoices_cleared"], found["amount"], found["tax"]) == (6, "1144.56", "148.79")
    for side in ("device_totals", "ledger_totals"):
        assert found[side]["net"] == {"count": 4, "amount": "1144.56", "tax": "148.79"}
        assert found[side]["positive"] == {"count": 3, "amount": "1244.56", "tax": "161.79"}
        assert found[side]["red"] == {"count": 1, "amount": "-100.00", "tax": "-13.00"}
        assert found[side]["void"] == {"count": 2, "amount": "500.00", "tax": "65.00"}
        assert [one["invoice_type"] for one in found[side]["types"]] == ["004", "007"]


def test_a_foreign_row_of_the_ledger_never_becomes_the_devices_word(
    office: "Office", client: TestClient
) -> None:
    _, record_id = _cleared(office, [*LEDGER, FOREIGN])
    found = _api(client, record_id)
    assert found["device_totals"]["net"]["amount"] == "1144.56"
    assert found["ledger_totals"]["net"]["amount"] == "1001144.56"
    page = client.get(f"/clearing/records/{record_id}").text
    assert "1,001,144.56" in page
    assert "1,144.56" in page
    assert "不符" in page
    listed = client.get("/clearing/records").text
    assert "1,144.56" in listed
    assert "1,001,144.56" not in listed


def test_where_the_device_gave_no_statistics_nothing_is_invented(
    office: "Office", client: TestClient
) -> None:
    request_id, record_id = _cleared(office, LEDGER, None)
    found = _api(client, record_id)
    assert found["device_totals"] is None
    assert found["ledger_totals"]["net"]["amount"] == "1144.56"
    for path in (f"/clearing/records/{record_id}", f"/clearing/requests/{request_id}"):
        page = client.get(path).text
        assert "设备没有给出统计" in page
        assert "不符的" not in page


def test_the_result_page_shows_both_sides(office: "Office", client: TestClient) -> None:
    request_id, _ = _cleared(office, [*LEDGER, FOREIGN])
    page = client.get(f"/clearing/requests/{request_id}").text
    for words in ("设备统计", "台账", "1,001,144.56", "1,144.56", "作废（不计入）"):
        assert words in page, words


def test_the_exports_have_columns_of_both_sides(office: "Office", client: TestClient) -> None:
    _cleared(office, [*LEDGER, FOREIGN])
    text = client.get("/api/v1/clearing-records/export?format=csv").content.decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["设备净额金额"], row["设备作废张数"], row["设备红字税额"]) == (
        "1144.56",
        "2",
        "-13.00",
    )
    assert (row["台账净额金额"], row["台账正数张数"]) == ("1001144.56", "4")
    lines = client.get("/api/v1/clearing-records/export?format=jsonl").text.splitlines()
    assert json.loads(lines[0])["device_totals"]["net"]["amount"] == "1144.56"


Well = Callable[..., Facts]


@pytest.fixture
def well(
    reading: Callable[..., DeviceReading], well_facts: Callable[..., Facts]
) -> Callable[..., Check]:
    """Gives the check of a device that is well, with what is said of ledger and statistics."""

    def make(**device: Any) -> Check:
        facts = well_facts(reading("660000001000"), device={"ledger_current": True, **device})
        (found,) = (one for one in prechecks.run(facts) if one.code == "ledger.statistics")
        return found

    return make


def test_the_check_is_content_where_both_agree(well: Callable[..., Check]) -> None:
    found = well(ledger=DEVICE, statistics=DEVICE)
    assert found.severity is Severity.OK
    assert "一致" in found.message
    assert [one.label for one in found.evidence] == [
        "004 台账",
        "004 设备统计",
        "007 台账",
        "007 设备统计",
    ]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"positive": Sum(3, Decimal("1001234.56"), Decimal("130160.49"))}, "004 正数 台账 3 张"),
        ({"positive": Sum(2, Decimal("1234.57"), Decimal("160.49"))}, "1,234.57 元"),
        ({"red": Sum()}, "004 红字 台账 0 张"),
        ({"void": Sum(2, Decimal("500.00"), Decimal("65.00"))}, "004 作废 台账 2 张"),
    ],
)
def test_the_check_names_type_and_both_sides_of_a_difference(
    well: Callable[..., Check], changed: dict[str, Sum], said: str
) -> None:
    one = DEVICE[SPECIAL]
    parts = {"positive": one.positive, "red": one.red, "void": one.void} | changed
    found = well(ledger={**DEVICE, SPECIAL: Figures(**parts)}, statistics=DEVICE)
    assert found.severity is Severity.WARNING
    assert said in found.message
    assert "设备" in found.message
    assert "007" not in found.message


def test_the_check_claims_no_difference_where_nothing_was_told(
    well: Callable[..., Check],
) -> None:
    fault = DeviceFault("device.operation_unsupported", "设备不支持该操作", "")
    refused = well(ledger=DEVICE, statistics=None, statistics_fault=fault)
    assert refused.severity is Severity.UNKNOWN
    assert "没有给出统计（设备不支持该操作），没有与台账核对" in refused.message
    unread = well(ledger=DEVICE, statistics=None)
    assert unread.severity is Severity.UNKNOWN
    assert "执行时读取设备统计" in unread.message
    silent = well(ledger=DEVICE, statistics={SPECIAL: DEVICE[SPECIAL]})
    assert silent.severity is Severity.UNKNOWN
    assert "007 设备没有给出统计，没有核对" in silent.message


def test_before_the_run_only_what_the_ledger_has_too_many_of_is_a_difference(
    well: Callable[..., Check],
) -> None:
    """The run brings the ledger up to date first: what it lacks by then is no difference."""
    lacking = well(ledger={}, statistics=DEVICE, ledger_current=False)
    assert lacking.severity is Severity.UNKNOWN
    assert "尚缺 6 张" in lacking.message
    too_many = {**DEVICE, SPECIAL: DEVICE[SPECIAL] + Figures(Sum(1, Decimal(5)))}
    found = well(ledger=too_many, statistics=DEVICE, ledger_current=False)
    assert found.severity is Severity.WARNING
    assert "004 台账 5 张，设备 4 张" in found.message


def test_a_record_with_figures_is_altered_by_none_without_its_code_failing(
    office: "Office",
) -> None:
    """The certificate's code covers the figures as well."""
    from app.records import certificate

    _, record_id = _cleared(office, LEDGER)
    with office.database.reading() as session:
        record = session.get_one(ClearingRecord, record_id)
        code = certificate.code_of(record, office.settings)
        session.expunge(record)
        record.device_totals = as_json({SPECIAL: Figures(Sum(1, Decimal("9.99")))})
        assert certificate.code_of(record, office.settings) != code
