"""未开完的发票: a draft is issued or deleted, once, by whom it stands in the way; never a second row."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

import pytest
from fastapi import FastAPI
from sqlmodel import col, select
from starlette.testclient import TestClient

from app.accounts.principal import Principal, Role
from app.audit.actions import AuditAction
from app.audit.models import AuditRecord
from app.contracts.devices import DeviceInvoice
from app.core.db import Database, Session
from app.devices.models import Device
from app.errors import NotFound
from app.invoices import drafts, queries, service
from app.invoices.models import Invoice
from app.invoices.schemas import DraftIssue, InvoiceCreate
from tests.acting import person_of

AddDevice = Callable[[Session], Device]
AddInvoice = Callable[..., Invoice]
MakeInvoice = Callable[..., DeviceInvoice]
ISSUED = {"code": "3200201130", "number": "99000001"}


@pytest.fixture
def clerk() -> Principal:
    return person_of(Role.OPERATOR, name="li", display_name="李会计")


def _draft(database: Database, add_device: AddDevice, add_invoice: AddInvoice) -> Invoice:
    with database.transaction() as session:
        made = add_invoice(session, add_device(session), draft=True, **ISSUED)
        session.expunge(made)
        return made


def _actions(database: Database) -> list[str]:
    with database.reading() as session:
        return [one.action for one in session.exec(select(AuditRecord))]


def _rows(database: Database) -> list[tuple[str, bool]]:
    with database.reading() as session:
        return [(one.number, one.draft) for one in session.exec(select(Invoice))]


def test_a_draft_becomes_the_issued_invoice_and_stands_in_the_way_no_more(
    any_database: Database,
    clerk: Principal,
    now: datetime,
    add_device: AddDevice,
    add_invoice: AddInvoice,
) -> None:
    draft = _draft(any_database, add_device, add_invoice)
    data = DraftIssue.model_validate(ISSUED | {"amount": "50.00"})
    for _ in range(2):
        with any_database.transaction() as session:
            made = drafts.issue(session, draft.id, data=data, principal=clerk, at=now)
            assert (made.id, made.draft, made.amount) == (draft.id, False, Decimal("50.00"))
            assert queries.count_drafts(session, [draft.device_id]) == 0
    assert _actions(any_database) == [AuditAction.INVOICE_ISSUED], "the second time is nothing new"


def test_an_issued_invoice_that_arrives_takes_the_place_of_its_draft(
    any_database: Database,
    clerk: Principal,
    now: datetime,
    add_device: AddDevice,
    add_invoice: AddInvoice,
) -> None:
    draft = _draft(any_database, add_device, add_invoice)
    data = InvoiceCreate.model_validate(
        {
            **ISSUED,
            "device_id": draft.device_id,
            "invoice_type": draft.invoice_type,
            "issued_at": draft.issued_at,
        }
    )
    with any_database.transaction() as session:
        made = service.create_invoice(session, data=data, principal=clerk, at=now)
        assert made.id == draft.id
    assert _rows(any_database) == [(ISSUED["number"], False)]


def test_an_invoice_read_from_the_device_removes_its_draft(
    any_database: Database,
    now: datetime,
    add_device: AddDevice,
    add_invoice: AddInvoice,
    device_invoice: MakeInvoice,
) -> None:
    draft = _draft(any_database, add_device, add_invoice)
    with any_database.transaction() as session:
        device = session.get_one(Device, draft.device_id)
        read = device_invoice(**ISSUED)
        service.import_from_device(session, device, [read], period="2026-11", at=now)
    assert _rows(any_database) == [(ISSUED["number"], False)]
    assert AuditAction.INVOICE_DELETED in _actions(any_database)


def test_a_draft_is_deleted_and_the_trail_keeps_what_it_said(
    any_database: Database,
    clerk: Principal,
    now: datetime,
    add_device: AddDevice,
    add_invoice: AddInvoice,
) -> None:
    draft = _draft(any_database, add_device, add_invoice)
    with any_database.transaction() as session:
        drafts.delete(session, draft.id, principal=clerk, at=now)
    assert _rows(any_database) == []
    with any_database.reading() as session:
        kept = session.exec(
            select(AuditRecord).where(col(AuditRecord.action) == AuditAction.INVOICE_DELETED)
        ).one()
        assert ISSUED["number"] in str(kept.model_dump())
    with pytest.raises(NotFound), any_database.transaction() as session:
        drafts.delete(session, draft.id, principal=clerk, at=now)


def test_an_issued_invoice_is_neither_issued_as_another_nor_deleted(
    any_database: Database,
    clerk: Principal,
    now: datetime,
    add_device: AddDevice,
    add_invoice: AddInvoice,
) -> None:
    with any_database.transaction() as session:
        issued = add_invoice(session, add_device(session))
        session.expunge(issued)
    data = DraftIssue.model_validate(ISSUED)
    with pytest.raises(drafts.NotADraft), any_database.transaction() as session:
        drafts.issue(session, issued.id, data=data, principal=clerk, at=now)
    with pytest.raises(drafts.NotADraft), any_database.transaction() as session:
        drafts.delete(session, issued.id, principal=clerk, at=now)


def test_a_draft_of_an_invoice_the_ledger_has_is_told_apart(
    any_database: Database,
    clerk: Principal,
    now: datetime,
    add_device: AddDevice,
    add_invoice: AddInvoice,
) -> None:
    with any_database.transaction() as session:
        device = add_device(session)
        add_invoice(session, device, **ISSUED)
        draft = add_invoice(session, device, draft=True, code="", number="")
        session.expunge(draft)
    data = DraftIssue.model_validate(ISSUED)
    with pytest.raises(drafts.InvoiceExists), any_database.transaction() as session:
        drafts.issue(session, draft.id, data=data, principal=clerk, at=now)


def test_over_rest_a_clerk_issues_or_deletes_a_draft_of_an_enterprise_of_theirs(
    app: FastAPI,
    client: TestClient,
    database: Database,
    clerk: Principal,
    add_device: AddDevice,
    add_invoice: AddInvoice,
) -> None:
    first = _draft(database, add_device, add_invoice)
    second = _draft(database, add_device, add_invoice)
    app.state.principal = clerk
    answer = client.post(f"/api/v1/invoices/{first.id}/issue", json=ISSUED)
    assert (answer.status_code, answer.json()["draft"]) == (200, False), answer.text
    assert client.delete(f"/api/v1/invoices/{second.id}").status_code == 204
    assert client.get(f"/api/v1/invoices/{second.id}").status_code == 404
    assert client.delete(f"/api/v1/invoices/{first.id}").json()["code"] == "invoice.issued"
