"""Exports: exactly what the list shows with the same filters, in every format, on record."""

import csv
import io
import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from fastapi import FastAPI
from python_calamine import CalamineWorkbook
from sqlmodel import Session, select
from starlette.testclient import TestClient

from app.accounts.principal import Principal, Role
from app.audit.models import AuditRecord
from app.clearing import words
from app.clearing.states import Result
from app.core.templating import environment
from app.operators.states import ClearingState
from app.records.export import OPERATOR_HEADER, RECORD_HEADER

if TYPE_CHECKING:
    from tests.office import Office

URL = "/api/v1/clearing-records/export"


@pytest.fixture
def records(office: "Office") -> list[UUID]:
    """Three records of two devices, oldest first: cleared, failed, cleared under a hostile name."""
    first, second = office.operator(), office.operator()
    with office.database.transaction() as session:
        return [
            office.add_record(
                session,
                first.device_ids[0],
                lock_date_before=date(2026, 11, 16),
                lock_date_after=date(2026, 12, 15),
                invoices_cleared=3,
                amount=Decimal("1284330.50"),
                tax=Decimal("-0.10"),
            ).id,
            office.add_record(
                session,
                second.device_ids[0],
                result=Result.FAILED,
                error_code="bureau.not_filed",
                error_message="未申报",
            ).id,
            office.add_record(
                session,
                second.device_ids[0],
                period="2026-09",
                operator_name="=1+cmd|' /C calc'!A0",
            ).id,
        ]


def _csv(client: TestClient, **query: str) -> list[dict[str, str]]:
    answer = client.get(URL, params={"format": "csv", **query})
    assert answer.status_code == 200
    text = answer.content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_has_chinese_columns_and_every_record_newest_first(
    client: TestClient, records: list[UUID]
) -> None:
    rows = _csv(client)
    assert tuple(rows[0]) == RECORD_HEADER
    assert [row["记录编号"] for row in rows] == [str(one) for one in reversed(records)]
    oldest = rows[-1]
    assert (oldest["结果"], oldest["其净额（元）"], oldest["其净税额（元）"]) == (
        "清卡成功",
        "1284330.50",
        "-0.10",
    )
    assert (oldest["清卡前锁死日期"], oldest["清卡后锁死日期"]) == ("2026-11-16", "2026-12-15")
    assert oldest["完成时间"] == "2026-11-10 10:00:00"


def test_a_formula_is_neutralised(client: TestClient, records: list[UUID], tmp_path: Path) -> None:
    assert _csv(client, period="2026-09")[0]["操作员"] == "'=1+cmd|' /C calc'!A0"
    path = tmp_path / "records.xlsx"
    path.write_bytes(client.get(URL, params={"period": "2026-09"}).content)
    header, row = CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()
    assert tuple(header) == RECORD_HEADER
    assert row[2] == "=1+cmd|' /C calc'!A0"


def test_lines_are_the_records_of_the_api(client: TestClient, records: list[UUID]) -> None:
    answer = client.get(URL, params={"format": "jsonl"})
    assert answer.headers["content-type"] == "application/jsonl"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert lines == client.get("/api/v1/clearing-records").json()["items"]


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"result": "failed"},
        {"period": "2026-09"},
        {"q": "660000001"},
        {"from": "2026-11-10", "to": "2026-11-10"},
        {"from": "2026-11-11"},
        {"to": "2026-11-09"},
        {"from": "0001-01-01", "to": "9999-12-31"},
        {"period": "", "result": "", "q": "", "from": "", "to": ""},
    ],
)
def test_the_export_is_what_list_and_page_show(
    client: TestClient, records: list[UUID], query: dict[str, str]
) -> None:
    shown = client.get("/api/v1/clearing-records", params=query).json()["items"]
    ids = [record["id"] for record in shown]
    assert [row["记录编号"] for row in _csv(client, **query)] == ids
    page = client.get("/clearing/records", params=query)
    assert page.status_code == 200
    for record in records:
        assert (f"/clearing/records/{record}" in page.text) == (str(record) in ids)


def test_the_page_leads_to_the_export_of_its_filters(
    client: TestClient, records: list[UUID]
) -> None:
    page = client.get("/clearing/records", params={"result": "failed", "from": "2026-11-01"}).text
    link = "/api/v1/clearing-records/export?format=csv&amp;result=failed&amp;from=2026-11-01"
    assert link in page
    assert len(_csv(client, result="failed", **{"from": "2026-11-01"})) == 1


def test_an_export_is_on_record(client: TestClient, office: "Office", records: list[UUID]) -> None:
    client.get(URL, params={"format": "xlsx", "result": "failed"})
    with office.database.reading() as session:
        entry = _newest(session)
    assert (entry.action, entry.object_type) == ("clearing.exported", "clearing_record")
    assert json.loads(entry.details) == {"format": "xlsx", "filter": {"result": "failed"}}


def test_one_limited_to_an_enterprise_exports_its_records_only(
    app: FastAPI,
    client: TestClient,
    office: "Office",
    records: list[UUID],
    person: Callable[..., Principal],
) -> None:
    app.state.principal = person(Role.OPERATOR, enterprise_ids=frozenset())
    assert _csv(client) == []
    app.state.principal = person(Role.OPERATOR, enterprise_ids=frozenset({office.enterprise_id}))
    assert len(_csv(client)) == 3


def test_wrong_formats_and_filters_are_refused(client: TestClient) -> None:
    for query in ({"format": "pdf"}, {"period": "2026-13"}, {"from": "x"}, {"device_id": "1"}):
        assert client.get(URL, params=query).status_code == 422
    assert client.get("/clearing/export", params={"format": "jsonl"}).status_code == 422


def test_operators_are_exported_as_they_are_listed(client: TestClient, office: "Office") -> None:
    for _ in range(3):
        office.operator(machines=(0, 1))
    answer = client.get("/clearing/export", params={"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert tuple(rows[0]) == OPERATOR_HEADER
    listed = client.get("/api/v1/operators").json()["items"]
    assert [row["工号"] for row in rows] == [one["code"] for one in listed]
    assert (rows[0]["清卡状态"], rows[0]["锁死日期"], rows[0]["剩余天数"]) == (
        "待清卡",
        "2026-11-16",
        "6",
    )
    assert rows[0]["税控设备（台）"] == "2"
    found = client.get("/clearing/export", params={"format": "csv", "q": "KP0002"})
    assert found.content.decode("utf-8-sig").count("\r\n") == 2
    none = client.get("/clearing/export", params={"state": "locked"})
    assert none.content.startswith(b"PK")
    with office.database.reading() as session:
        entry = _newest(session)
    assert (entry.action, json.loads(entry.details)["filter"]["state"]) == (
        "operator.exported",
        "locked",
    )


def test_more_operators_than_a_page_are_all_exported(
    client: TestClient, office: "Office", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.records.export._PAGE", 2)
    for _ in range(5):
        office.operator()
    text = client.get("/clearing/export", params={"format": "csv"}).content.decode("utf-8-sig")
    assert sorted(line.split(",")[0] for line in text.splitlines()[1:]) == [
        f"KP{number:04d}" for number in range(1, 6)
    ]


def test_the_list_links_to_its_export(client: TestClient, office: "Office") -> None:
    office.operator()
    page = client.get("/clearing", params={"q": "KP0001", "state": "due"}).text
    assert "/clearing/export?format=xlsx&amp;q=KP0001&amp;state=due" in page


def test_words_are_those_of_the_templates() -> None:
    module = environment().get_template("words.html").module
    states = environment().get_template("macros.html").module
    assert module.MODES == words.MODES  # type: ignore[attr-defined]
    assert module.KINDS == words.KINDS  # type: ignore[attr-defined]
    assert module.SCOPES == words.SCOPES  # type: ignore[attr-defined]
    assert module.INVOICE_TYPES == words.INVOICE_TYPES  # type: ignore[attr-defined]
    assert module.DEVICE_KINDS == words.DEVICE_KINDS  # type: ignore[attr-defined]
    for known in (words.RESULTS, words.CLEARING_STATES):
        for state, word in known.items():
            assert states.STATES[state][2] == word  # type: ignore[attr-defined]
    assert set(words.CLEARING_STATES) == set(ClearingState)


def _newest(session: Session) -> AuditRecord:
    return session.exec(select(AuditRecord).order_by(AuditRecord.seq.desc())).first()  # type: ignore[return-value,attr-defined]
