"""Reconciliation over a database: planted differences are found, kept, dealt with, and on record."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlmodel import col, select
from starlette.testclient import TestClient

from app.accounts.principal import SYSTEM, Permission, Principal, Role
from app.audit.models import AuditRecord
from app.clearing.models import ClearedType
from app.contracts.devices import (
    BureauState,
    BureauTypeView,
    BureauView,
    DeviceReading,
    InvoiceStatus,
    InvoiceType,
    Statistics,
    StatisticsPeriod,
)
from app.contracts.faults import fault
from app.contracts.periods import Period
from app.core.db import Database
from app.core.ids import new_id
from app.devices.agent_client import AgentFault
from app.devices.models import Device
from app.invoices.models import ClearingStatus, Invoice
from app.reconciliation import findings as finding
from app.reconciliation import service
from app.reconciliation.findings import Findings, Scope
from app.reconciliation.models import DifferenceKind
from app.reconciliation.readings import BY_ITSELF, DeviceRead
from tests.acting import key_of

if TYPE_CHECKING:
    from tests.office import Office, Subject

URL = "/api/v1/reconciliations"
PAGE = "/invoices/reconciliations"
DUE = Period("2026-10")
ORDINARY, SPECIAL = InvoiceType.ORDINARY_PAPER, InvoiceType.SPECIAL_PAPER
CODE = "3200201130"
NOT_ASKED = "没有询问税务端；按“同步税务信息”可以询问并核对。"


@dataclass
class Agents:
    """Stands in for the agents of all devices: what each device says, or why it says nothing."""

    reading: Callable[..., DeviceReading]
    statistics: dict[str, list[Statistics]] = field(default_factory=dict)
    lock_date: dict[str, date] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    without_statistics: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    bureau: dict[str, BureauView | AgentFault] = field(default_factory=dict)

    async def of(self, agent_id: UUID | None) -> "Agents":
        return self

    async def read_device_async(self, number: str) -> DeviceReading:
        self.asked.append(number)
        if number in self.silent:
            raise AgentFault(fault("device.disconnected"))
        monitor = {"lock_date": self.lock_date.get(number, date(2026, 11, 16))}
        reachable = True if number in self.bureau else None
        return self.reading(number, monitor=monitor, bureau_reachable=reachable)

    async def bureau_view_async(self, number: str) -> BureauView:
        view = self.bureau[number]
        if isinstance(view, AgentFault):
            raise view
        return view

    async def statistics_async(self, number: str, first: date, last: date) -> list[Statistics]:
        assert (first, last) == (DUE.first_day, DUE.last_day)
        if number in self.without_statistics:
            raise AgentFault(fault("device.operation_unsupported"))
        return self.statistics.get(number, [])


@pytest.fixture
def agents(app: FastAPI, reading: Callable[..., DeviceReading]) -> Agents:
    app.state.agents = Agents(reading)
    return app.state.agents  # type: ignore[no-any-return]


@dataclass
class Books:
    """A device with the ledger of October, to plant differences in."""

    office: "Office"
    agents: Agents
    subject: "Subject"
    number: str

    @property
    def database(self) -> Database:
        return self.office.database

    @property
    def device_id(self) -> UUID:
        return self.subject.device_ids[0]

    def add(self, kind: InvoiceType, *numbers: int, **values: Any) -> None:
        """Invoices of 100.10 in the ledger; not on the device."""
        given: dict[str, Any] = {
            "code": CODE,
            "issued_at": datetime(2026, 10, 20, 3, 0, tzinfo=UTC),
            "period": DUE,
            "amount": Decimal("100.10"),
            "tax": Decimal("13.01"),
            "uploaded": True,
        }
        with self.database.transaction() as session:
            for number in numbers:
                session.add(
                    Invoice(
                        device_id=self.device_id,
                        operator_id=self.subject.operator_id,
                        invoice_type=kind,
                        number=f"{number:08d}",
                        created_at=self.office.clock(),
                        updated_at=self.office.clock(),
                        **given | values,
                    )
                )

    def on_device(self, kind: InvoiceType, issued: int) -> None:
        """The device's statistics of October: so many of 100.10."""
        values = dict.fromkeys(StatisticsPeriod.model_fields, 0) | {
            "period_from": DUE.first_day,
            "period_to": DUE.last_day,
            "issued": issued,
            "issued_amount": Decimal("100.10") * issued,
            "issued_tax": Decimal("13.01") * issued,
        }
        known = [one for one in self.agents.statistics[self.number] if one.invoice_type != kind]
        one = Statistics(invoice_type=kind, periods=(StatisticsPeriod.model_validate(values),))
        self.agents.statistics[self.number] = [*known, one]

    def clear(self, *kinds: InvoiceType, **changes: Any) -> UUID:
        """A record that cleared these types, on the device and in the ledger."""
        self.agents.lock_date[self.number] = date(2026, 12, 15)
        with self.database.transaction() as session:
            record = self.office.add_record(
                session, self.device_id, invoice_types=list(kinds), **changes
            )
            session.add_all(
                ClearedType(
                    device_id=self.device_id, period=DUE, invoice_type=kind, record_id=record.id
                )
                for kind in kinds
            )
            session.execute(
                sa.update(Invoice)
                .where(col(Invoice.invoice_type).in_(kinds), col(Invoice.draft).is_(False))
                .values(clearing_status=ClearingStatus.CLEARED, cleared_by_record_id=record.id)
            )
            return record.id

    def statuses(self) -> list[ClearingStatus]:
        """Of all invoices, by number."""
        with self.database.reading() as session:
            query = select(Invoice).order_by(col(Invoice.number))
            return [invoice.clearing_status for invoice in session.exec(query)]


@pytest.fixture
def books(office: "Office", agents: Agents) -> Books:
    """Three invoices of each type that ledger and device agree about; nothing is cleared."""
    subject = office.operator()
    with office.database.reading() as session:
        number = session.get_one(Device, subject.device_ids[0]).number
    agents.statistics[number] = []
    made = Books(office, agents, subject, number)
    for kind in (SPECIAL, ORDINARY):
        made.add(kind, 10, 11, 12)
        made.on_device(kind, 3)
    return made


def _get(client: TestClient, **query: Any) -> dict[str, Any]:
    answer = client.get(URL, params={"period": DUE, **query})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def _found(client: TestClient) -> list[tuple[str, str | None]]:
    return [(one["kind"], one["invoice_type"]) for one in _get(client)["differences"]]


def _run(client: TestClient, **body: Any) -> dict[str, Any]:
    answer = client.post(URL, json={"period": DUE, **body})
    assert answer.status_code == 201, answer.text
    assert client.get(answer.headers["location"]).json() == answer.json()
    run: dict[str, Any] = answer.json()
    return run


def _handle(client: TestClient, run: dict[str, Any], action: str, place: int = 0) -> Any:
    difference = run["differences"][place]["id"]
    url = f"{URL}/{run['id']}/differences/{difference}"
    return client.post(url, json={"action": action, "reason": "已查明"})


def test_books_that_agree(client: TestClient, books: Books) -> None:
    answer = _get(client)
    assert answer["differences"] == []
    assert answer["counts"] == dict.fromkeys(DifferenceKind, 0)
    assert answer["devices"] == [
        {
            "device_id": str(books.device_id),
            "number": books.number,
            "read": True,
            "message": "",
            "bureau": None,
        }
    ]
    assert answer["bureau_message"] == NOT_ASKED
    assert (answer["id"], answer["operator_id"]) == (None, None)
    books.clear(SPECIAL, ORDINARY)
    assert _found(client) == []


def test_missing_numbers(client: TestClient, books: Books) -> None:
    books.add(ORDINARY, 15, 18)
    books.on_device(ORDINARY, 5)
    (one,) = _get(client)["differences"]
    assert (one["kind"], one["invoice_type"], one["state"]) == ("number_gap", "007", "open")
    assert one["details"] == {
        "code": CODE,
        "first": "00000010",
        "last": "00000018",
        "missing": 4,
        "ranges": [["00000013", "00000014"], ["00000016", "00000017"]],
    }


@pytest.mark.parametrize(
    "values",
    [
        {"status": InvoiceStatus.VOID_BLANK, "amount": Decimal(0), "tax": Decimal(0)},
        {"period": "2026-09", "issued_at": datetime(2026, 9, 30, 3, 0, tzinfo=UTC)},
    ],
)
def test_numbers_used_otherwise_are_not_missing(
    client: TestClient, books: Books, values: dict[str, Any]
) -> None:
    books.add(ORDINARY, 14)
    books.add(ORDINARY, 13, **values)
    kinds = {kind for kind, _ in _found(client)}
    assert "number_gap" not in kinds


@pytest.mark.parametrize(
    "values", [{"draft": True}, {"code": "3200201131"}, {"invoice_type": SPECIAL}]
)
def test_what_is_no_such_invoice_fills_no_gap(
    client: TestClient, books: Books, values: dict[str, Any]
) -> None:
    books.add(ORDINARY, 14)
    kind = values.pop("invoice_type", ORDINARY)
    books.add(kind, 13, **values)
    assert ("number_gap", "007") in _found(client)


def test_numbers_of_twenty_digits_do_not_run_on(client: TestClient, books: Books) -> None:
    books.add(InvoiceType.ORDINARY_ELECTRONIC, 24_442_000_000_000_000_001, code="")
    books.add(InvoiceType.ORDINARY_ELECTRONIC, 24_442_000_000_000_000_009, code="")
    books.on_device(InvoiceType.ORDINARY_ELECTRONIC, 2)
    assert _found(client) == []


def test_amounts_that_differ(client: TestClient, books: Books) -> None:
    books.add(ORDINARY, 13)
    (one,) = _get(client)["differences"]
    assert (one["kind"], one["invoice_type"]) == ("amount_mismatch", "007")
    assert one["details"] == {
        "normal": {
            "ledger": {"count": 4, "amount": "400.40", "tax": "52.04"},
            "device": {"count": 3, "amount": "300.30", "tax": "39.03"},
        }
    }


def test_statuses_that_were_not_updated(client: TestClient, books: Books) -> None:
    books.clear(SPECIAL, ORDINARY)
    books.add(ORDINARY, 13)
    books.on_device(ORDINARY, 4)
    assert _found(client) == [("status_not_updated", "007")]


def test_cleared_in_the_ledger_only(client: TestClient, books: Books) -> None:
    with books.database.transaction() as session:
        session.execute(sa.update(Invoice).values(clearing_status=ClearingStatus.CLEARED))
    assert _found(client) == [("status_not_updated", "004"), ("status_not_updated", "007")]


def test_a_second_record_of_a_clearing(client: TestClient, books: Books) -> None:
    books.clear(SPECIAL, ORDINARY)
    evidence = {"types": [{"invoice_type": "007", "cleared": True}]}
    with books.database.transaction() as session:
        books.office.add_record(session, books.device_id, invoice_types=[], evidence=evidence)
    assert _found(client) == [("duplicate_clearing", "007")]


def test_a_record_that_found_it_cleared_already_is_no_second_one(
    client: TestClient, books: Books
) -> None:
    books.clear(SPECIAL, ORDINARY)
    evidence = {"types": [{"invoice_type": "007", "cleared": True, "already": True}]}
    with books.database.transaction() as session:
        books.office.add_record(
            session, books.device_id, invoice_types=[], already=True, evidence=evidence
        )
    assert _found(client) == []


def test_clearings_nobody_asked_for(client: TestClient, books: Books) -> None:
    books.agents.lock_date[books.number] = date(2026, 12, 15)
    assert _found(client) == [
        ("unauthorised_clearing", "004"),
        ("unauthorised_clearing", "007"),
    ]
    books.clear(SPECIAL, ORDINARY, executed_by="")
    assert _found(client) == [("unauthorised_clearing", None)]


def test_an_invoice_in_another_period_is_no_difference(client: TestClient, books: Books) -> None:
    books.add(ORDINARY, 500, period="2026-11", issued_at=datetime(2026, 11, 2, 3, 0, tzinfo=UTC))
    assert _found(client) == []


def test_a_device_that_cannot_be_read_is_compared_with_what_it_said_last(
    client: TestClient, books: Books
) -> None:
    books.agents.silent.add(books.number)
    books.add(ORDINARY, 15)
    answer = _get(client)
    assert [one["kind"] for one in answer["differences"]] == ["number_gap"]
    (device,) = answer["devices"]
    assert not device["read"]
    assert device["message"].startswith("设备没有读到")


def test_a_device_without_statistics_is_said_to_be_so(client: TestClient, books: Books) -> None:
    books.agents.without_statistics.add(books.number)
    books.add(ORDINARY, 13)
    answer = _get(client)
    assert answer["differences"] == []
    assert "未核对张数和金额" in answer["devices"][0]["message"]


def test_looking_changes_nothing(client: TestClient, books: Books) -> None:
    books.add(ORDINARY, 13)
    before = _count(books)
    assert _get(client)["differences"]
    assert _count(books) == before


def _count(books: Books) -> int:
    with books.database.reading() as session:
        return int(session.exec(select(sa.func.count()).select_from(AuditRecord)).one())


def _newest(books: Books) -> tuple[str, dict[str, Any]]:
    with books.database.reading() as session:
        record = session.exec(select(AuditRecord).order_by(col(AuditRecord.seq).desc())).first()
        assert record is not None
        return record.action, json.loads(record.details)


def test_a_run_is_kept_and_on_record(client: TestClient, books: Books) -> None:
    books.add(ORDINARY, 13)
    run = _run(client, operator_id=str(books.subject.operator_id))
    assert run["counts"]["amount_mismatch"] == 1
    assert run["operator_id"] == str(books.subject.operator_id)
    action, details = _newest(books)
    assert action == "reconciliation.run"
    assert details["differences"] == {"amount_mismatch": 1}
    assert (details["period"], details["devices"], details["not_read"]) == (DUE, 1, 0)


def test_an_accepted_difference_stays_accepted_until_it_changes(
    client: TestClient, books: Books
) -> None:
    books.add(ORDINARY, 13)
    run = _run(client)
    done = _handle(client, run, "accept").json()
    assert (done["state"], done["handling"], done["reason"]) == ("handled", "accepted", "已查明")
    action, details = _newest(books)
    assert (action, details["handling"], details["reason"]) == (
        "reconciliation.handled",
        "accepted",
        "已查明",
    )
    again = _handle(client, run, "accept")
    assert (again.status_code, again.json()["code"]) == (409, "reconciliation.handled")
    assert [one["state"] for one in _run(client)["differences"]] == ["handled"]
    assert [one["state"] for one in _get(client)["differences"]] == ["handled"]
    books.add(ORDINARY, 14)
    assert [one["state"] for one in _run(client)["differences"]] == ["open"]


@pytest.mark.parametrize("cleared", [True, False])
def test_a_status_is_corrected_by_hand_with_a_reason(
    client: TestClient, books: Books, cleared: bool
) -> None:
    """With a record the invoices become cleared, without one uncleared."""
    if cleared:
        books.clear(SPECIAL, ORDINARY)
        books.add(ORDINARY, 13)
        books.on_device(ORDINARY, 4)
        right, count = ClearingStatus.CLEARED, 7
    else:
        with books.database.transaction() as session:
            session.execute(
                sa.update(Invoice)
                .where(col(Invoice.invoice_type) == ORDINARY)
                .values(clearing_status=ClearingStatus.CLEARED)
            )
        right, count = ClearingStatus.UNCLEARED, 6
    run = _run(client)
    done = _handle(client, run, "correct")
    assert done.json()["handling"] == "corrected"
    assert books.statuses() == [right] * count
    assert _newest(books)[1]["invoices"] == (1 if cleared else 3)
    with books.database.reading() as session:
        changed = select(AuditRecord.details).where(AuditRecord.action == "invoice.changed")
        reasons = {json.loads(details)["reason"] for details in session.exec(changed)}
    assert reasons == {"已查明"}
    assert _run(client)["differences"] == []


def test_other_differences_cannot_be_corrected(client: TestClient, books: Books) -> None:
    books.add(ORDINARY, 13)
    refused = _handle(client, _run(client), "correct")
    assert (refused.status_code, refused.json()["code"]) == (409, "reconciliation.not_correctable")


def test_too_many_invoices_are_not_corrected_at_once(
    client: TestClient, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_CORRECTED", 2)
    books.clear(SPECIAL, ORDINARY)
    books.add(ORDINARY, 13, 14, 15)
    books.on_device(ORDINARY, 6)
    refused = _handle(client, _run(client), "correct")
    assert refused.json()["code"] == "reconciliation.too_many_invoices"
    assert books.statuses().count(ClearingStatus.UNCLEARED) == 3


def test_a_reason_is_needed(client: TestClient, books: Books) -> None:
    books.add(ORDINARY, 13)
    run = _run(client)
    url = f"{URL}/{run['id']}/differences/{run['differences'][0]['id']}"
    for body in ({"action": "accept", "reason": "  "}, {"action": "hide", "reason": "x"}):
        assert client.post(url, json=body).status_code == 422


def test_the_scope_is_the_operator_and_what_one_may_see(
    app: FastAPI,
    client: TestClient,
    books: Books,
    person: Callable[..., Principal],
) -> None:
    other = books.office.operator()
    assert len(_get(client)["devices"]) == 2
    answer = _get(client, operator_id=str(other.operator_id))
    assert [one["device_id"] for one in answer["devices"]] == [str(other.device_ids[0])]
    run = _run(client)
    app.state.principal = person(Role.OPERATOR, enterprise_ids=frozenset({new_id()}))
    assert _get(client)["devices"] == []
    answer = client.get(URL, params={"operator_id": str(other.operator_id)})
    assert answer.status_code == 404
    assert client.get(f"{URL}/{run['id']}").status_code == 404


def test_a_scope_too_large_is_refused(
    client: TestClient, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "MAX_DEVICES", 1)
    books.office.operator()
    answer = client.get(URL, params={"period": DUE})
    assert (answer.status_code, answer.json()["code"]) == (422, "reconciliation.scope_too_large")
    assert books.agents.asked == []


def test_without_a_period_the_last_one_that_ended(client: TestClient, books: Books) -> None:
    assert client.get(URL).json()["period"] == "2026-10"


@pytest.mark.parametrize(
    ("role", "accepts", "corrects"),
    [
        (Role.OPERATOR, False, False),
        (Role.REVIEWER, True, False),
        (Role.AUDITOR, False, False),
        (Role.ADMIN, True, True),
    ],
)
def test_who_may_do_what(
    app: FastAPI,
    client: TestClient,
    books: Books,
    person: Callable[..., Principal],
    role: Role,
    accepts: bool,
    corrects: bool,
) -> None:
    books.clear(SPECIAL, ORDINARY)
    books.add(ORDINARY, 13)
    books.on_device(ORDINARY, 4)
    app.state.principal = person(role)
    run = _run(client)
    if not accepts:
        assert _handle(client, run, "accept").status_code == 403
    assert _handle(client, run, "correct").status_code == (200 if corrects else 403)
    if accepts and not corrects:
        assert _handle(client, run, "accept").status_code == 200


def test_reading_alone_keeps_no_run(app: FastAPI, client: TestClient, books: Books) -> None:
    app.state.principal = key_of(Permission.READ)
    assert _get(client)["differences"] == []
    assert client.post(URL, json={"period": DUE}).status_code == 403


def test_the_pages_lead_through_a_reconciliation(client: TestClient, books: Books) -> None:
    books.clear(SPECIAL, ORDINARY)
    books.add(ORDINARY, 13)
    books.on_device(ORDINARY, 4)
    assert "还没有核对过" in client.get(PAGE).text
    started = client.post(PAGE, data={"period": DUE, "operator_code": "KP0001"})
    assert started.status_code == 303
    where = started.headers["location"]
    page = client.get(where).text
    assert "核对完成，有 1 处差异" in page
    assert "清卡状态未更新" in page
    assert NOT_ASKED in page
    assert 'id="bureau"' not in page
    handle = next(_links(page, "?handle="))
    dialog = client.get(handle).text
    assert "按清卡记录更正这些发票的清卡状态" in dialog
    assert "<dialog" in dialog
    target = handle.replace("?handle=", "/differences/")
    refused = client.post(target, data={"action": "correct", "reason": " "})
    assert refused.status_code == 422
    assert "必填" in refused.text
    done = client.post(target, data={"action": "correct", "reason": "清卡后补录"})
    assert done.status_code == 303
    assert "已更正" in client.get(where).text
    assert "清卡后补录" in client.get(where).text
    assert client.post(target, data={"action": "correct", "reason": "x"}).status_code == 409
    again = client.post(f"{where}/again", data={"sync": "true"})
    page = client.get(again.headers["location"]).text
    assert "已询问税务端：0 台设备与税务端一致，1 台税务端没有提供。核对完成，没有差异。" in page
    assert BY_ITSELF in page
    assert "没有差异" in page
    runs = client.get(PAGE).text
    assert runs.count(f"{PAGE}/") >= 2
    assert "已处理" in runs
    assert "一致" in runs


def _links(page: str, mark: str) -> Iterator[str]:
    for part in page.split('href="')[1:]:
        link = part.split('"', 1)[0]
        if mark in link:
            yield link


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"period": "2026-13"}, "属期应为 YYYY-MM"),
        ({"period": ""}, "属期应为 YYYY-MM"),
        ({"period": DUE, "operator_code": "KP9999"}, "没有这个工号的操作员"),
    ],
)
def test_wrong_input_keeps_the_form(
    client: TestClient, books: Books, form: dict[str, str], message: str
) -> None:
    answer = client.post(PAGE, data=form)
    assert answer.status_code == 422
    assert message in answer.text
    assert f'value="{form.get("operator_code", "")}"' in answer.text or not form.get(
        "operator_code"
    )


def test_a_list_narrowed_to_a_kind(client: TestClient, books: Books) -> None:
    books.add(ORDINARY, 15)
    where = client.post(PAGE, data={"period": DUE}).headers["location"]
    whole = client.get(where).text
    assert "断号" in whole
    assert "张数或金额不符" in whole
    narrowed = client.get(where, params={"kind": "number_gap"}).text
    assert "缺 2 张" in narrowed
    assert "设备 3 张" not in narrowed


def _compared(office: "Office", reads: dict[UUID, DeviceRead]) -> Findings:
    with office.database.reading() as session:
        scope = Scope(DUE)
        subjects = finding.subjects(session, scope, principal=SYSTEM)
        return finding.find(session, scope, subjects, reads)


def test_both_databases_find_the_same(any_office: "Office") -> None:
    subject = any_office.operator()
    device_id = subject.device_ids[0]
    with any_office.database.transaction() as session:
        for number, status in ((1, ClearingStatus.UNCLEARED), (3, ClearingStatus.CLEARED)):
            session.add(
                Invoice(
                    device_id=device_id,
                    operator_id=subject.operator_id,
                    invoice_type=ORDINARY,
                    code=CODE,
                    number=f"{number:08d}",
                    issued_at=datetime(2026, 10, 20, 3, 0, tzinfo=UTC),
                    period=DUE,
                    amount=Decimal("10.00"),
                    clearing_status=status,
                    created_at=any_office.clock(),
                    updated_at=any_office.clock(),
                )
            )
    read = DeviceRead((), {ORDINARY: date(2026, 12, 15)})
    findings = _compared(any_office, {device_id: read})
    assert [one.difference.kind for one in findings.found] == [
        DifferenceKind.NUMBER_GAP,
        DifferenceKind.AMOUNT_MISMATCH,
        DifferenceKind.STATUS_NOT_UPDATED,
        DifferenceKind.UNAUTHORISED_CLEARING,
    ]
    with any_office.database.transaction() as session:
        run = service.keep(session, findings, principal=SYSTEM, at=any_office.clock())
        assert run.differences == 4


def _view(number: str, **states: BureauState) -> BureauView:
    """The bureau's view of October: state by type, written t004=…"""
    types = tuple(
        BureauTypeView(invoice_type=InvoiceType(name[1:]), state=state, period=DUE)
        for name, state in states.items()
    )
    return BureauView(number=number, asked_at=datetime(2026, 11, 10, 2, 0, tzinfo=UTC), types=types)


def test_the_bureaus_view_is_kept_with_the_run_and_shown(client: TestClient, books: Books) -> None:
    """The device is cleared for both types; the bureau has heard of one only."""
    books.clear(SPECIAL, ORDINARY)
    books.agents.bureau[books.number] = _view(
        books.number, t004=BureauState.CLEARED, t007=BureauState.READY
    )
    body = {"period": DUE, "ask_bureau": True}
    run = client.post(URL, json=body).json()
    expected = {
        "asked_at": "2026-11-10T02:00:00Z",
        "message": "",
        "agreement": "differs",
        "types": [
            {
                "invoice_type": "004",
                "bureau": "cleared",
                "message": "",
                "own": "cleared",
                "agreement": "agrees",
            },
            {
                "invoice_type": "007",
                "bureau": "ready",
                "message": "",
                "own": "cleared",
                "agreement": "differs",
            },
        ],
    }
    assert run["devices"][0]["bureau"] == expected
    assert run["bureau_message"] == "已询问税务端：0 台设备与税务端一致，1 台不一致。"
    assert client.get(f"{URL}/{run['id']}").json()["devices"] == run["devices"]
    page = client.get(f"{PAGE}/{run['id']}").text
    assert "不一致" in page
    assert "已申报，比对相符" in page
    shown = client.get(URL, params={"period": DUE, "ask_bureau": True}).json()
    assert shown["devices"][0]["bureau"] == expected


def test_a_bureau_that_cannot_be_asked_is_no_difference(client: TestClient, books: Books) -> None:
    books.agents.bureau[books.number] = AgentFault(fault("bureau.unreachable"))
    found = client.post(URL, json={"period": DUE, "ask_bureau": True}).json()
    told = found["devices"][0]["bureau"]
    assert (told["agreement"], told["types"]) == ("not_told", [])
    assert told["message"] == "没有问到税务端：税务端无法访问"
    books.agents.silent.add(books.number)
    found = client.post(URL, json={"period": DUE, "ask_bureau": True}).json()
    assert found["devices"][0]["bureau"]["message"] == "设备没有读到，没有询问税务端。"
    assert found["bureau_message"] == "已询问税务端：0 台设备与税务端一致，1 台税务端没有提供。"
