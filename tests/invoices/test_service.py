"""The ledger: adding, importing from a device, clearing, correcting, on both databases."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import select

from app.accounts.principal import Principal
from app.audit.models import AuditRecord
from app.contracts.devices import DeviceInvoice, InvoiceStatus, InvoiceType
from app.contracts.periods import Period
from app.core.db import Database, Session
from app.core.ids import new_id
from app.devices.agent_client import AgentFault
from app.devices.models import Device, DeviceState
from app.devices.service import register
from app.errors import Invalid, PreconditionFailed
from app.invoices import drafts, queries, service
from app.invoices.models import ClearingStatus, Invoice
from app.invoices.schemas import InvoiceCreate, InvoiceUpdate

AddDevice = Callable[[Session], Device]
AddInvoice = Callable[..., Invoice]
MakeInvoice = Callable[..., DeviceInvoice]
PERIOD = Period("2026-11")


def _data(device: Device, **values: Any) -> InvoiceCreate:
    given = {
        "device_id": device.id,
        "invoice_type": "007",
        "code": "3200201130",
        "number": "00000001",
        "issued_at": datetime(2026, 11, 30, 15, 59, tzinfo=UTC),
        "amount": "1284330.00",
        "tax": "166962.90",
    }
    return InvoiceCreate.model_validate(given | values)


def test_added_with_the_devices_operator_and_the_month_of_issue_here(
    any_database: Database, admin: Principal, now: datetime, add_device: AddDevice
) -> None:
    with any_database.transaction() as session:
        device = add_device(session)
        late = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)
        for number, issued_at, period in (
            ("00000001", datetime(2026, 11, 30, 15, 59, tzinfo=UTC), "2026-11"),
            ("00000002", late, "2026-12"),
        ):
            data = _data(device, number=number, issued_at=issued_at)
            invoice = service.create_invoice(session, data=data, principal=admin, at=now)
            assert (invoice.operator_id, invoice.period) == (device.operator_id, period)
    with any_database.reading() as session:
        stored = session.exec(select(Invoice).where(Invoice.number == "00000001")).one()
        assert (stored.amount, stored.tax) == (Decimal("1284330.00"), Decimal("166962.90"))
        assert session.exec(select(AuditRecord.action)).all() == ["invoice.created"] * 2


def test_type_code_and_number_are_one_invoice_but_drafts_have_none_yet(
    any_database: Database, admin: Principal, now: datetime, add_device: AddDevice
) -> None:
    with any_database.transaction() as session:
        device = add_device(session)
        for data in (
            _data(device),
            _data(device, invoice_type="004"),
            _data(device, draft=True, number="", code=""),
            _data(device, draft=True, number="", code=""),
        ):
            service.create_invoice(session, data=data, principal=admin, at=now)
        again = _data(device)
    with pytest.raises(drafts.InvoiceExists), any_database.transaction() as session:
        service.create_invoice(session, data=again, principal=admin, at=now)


def test_the_device_has_to_be_in_use_and_visible(
    any_database: Database, admin: Principal, now: datetime, add_device: AddDevice
) -> None:
    with any_database.transaction() as session:
        device = add_device(session)
        device.state, device.retired_at = DeviceState.RETIRED, now
        session.flush()
        for wrong in (_data(device), _data(device, device_id=new_id())):
            with pytest.raises(Invalid) as refused:
                service.create_invoice(session, data=wrong, principal=admin, at=now)
            assert list(refused.value.errors) == ["device_id"]


def test_cleared_are_the_issued_ones_of_the_types_and_period(
    any_database: Database, now: datetime, add_device: AddDevice, add_invoice: AddInvoice
) -> None:
    record, later = new_id(), new_id()
    with any_database.transaction() as session:
        device, other = add_device(session), add_device(session)
        mine = [add_invoice(session, device) for _ in range(2)]
        red = add_invoice(
            session,
            device,
            status=InvoiceStatus.RED,
            amount=Decimal("-0.10"),
            tax=Decimal("-0.01"),
        )
        untouched = [
            add_invoice(session, device, invoice_type=InvoiceType.SPECIAL_PAPER),
            add_invoice(session, device, period="2026-10"),
            add_invoice(session, device, draft=True),
            add_invoice(session, other),
        ]

        def clear(record_id: Any) -> service.Cleared:
            return service.mark_cleared(
                session,
                device_id=device.id,
                period=PERIOD,
                types=[InvoiceType.ORDINARY_PAPER],
                record_id=record_id,
                at=now,
            )

        assert clear(record) == service.Cleared(3, Decimal("200.10"), Decimal("26.01"))
        assert clear(later) == service.Cleared(0, Decimal("0.00"), Decimal("0.00"))
        for invoice in (*mine, red):
            assert invoice.clearing_status is ClearingStatus.CLEARED
            assert (invoice.cleared_by_record_id, invoice.revision) == (record, 2)
        for invoice in untouched:
            assert invoice.clearing_status is ClearingStatus.UNCLEARED
        cleared = [invoice.id for invoice in queries.cleared_by(session, record)]
        assert cleared == sorted(invoice.id for invoice in (*mine, red))


def test_import_adds_updates_and_leaves_what_is_ours(
    any_database: Database,
    now: datetime,
    add_device: AddDevice,
    add_invoice: AddInvoice,
    device_invoice: MakeInvoice,
) -> None:
    record = new_id()
    with any_database.transaction() as session:
        device = add_device(session)
        known = add_invoice(
            session,
            device,
            number="90000001",
            uploaded=False,
            clearing_status=ClearingStatus.CLEARED,
            cleared_by_record_id=record,
        )
        found = [
            device_invoice("90000001", status=InvoiceStatus.VOID),
            *(device_invoice(f"{number:08d}") for number in range(1200)),
        ]
        assert service.import_from_device(session, device, found, period=PERIOD, at=now) == 1201
        assert (known.status, known.uploaded, known.revision) == (InvoiceStatus.VOID, True, 2)
        assert (known.clearing_status, known.cleared_by_record_id) == (
            ClearingStatus.CLEARED,
            record,
        )
        new = session.exec(select(Invoice).where(Invoice.number == "00000007")).one()
        assert new.issued_at == datetime(2026, 11, 30, 15, 59, 59, tzinfo=UTC)
        assert (new.operator_id, new.buyer_name) == (device.operator_id, "无锡云帆科技有限公司")
        assert (new.amount, new.tax) == (Decimal("100.10"), Decimal("13.01"))
        assert service.import_from_device(session, device, found, period=PERIOD, at=now) == 1201
        assert {row.revision for row in session.exec(select(Invoice))} == {1, 2}


def test_import_refuses_another_month_and_keeps_pending_changes(
    any_database: Database, now: datetime, add_device: AddDevice, device_invoice: MakeInvoice
) -> None:
    with any_database.transaction() as session:
        device = add_device(session)
        device.version = "V9"
        wrong = [device_invoice("1", issued_at=datetime(2026, 12, 1))]
        with pytest.raises(AgentFault) as refused:
            service.import_from_device(session, device, wrong, period=PERIOD, at=now)
        assert refused.value.code == "device.answer_invalid"
        service.import_from_device(session, device, [], period=PERIOD, at=now)
        assert device.version == "V9"


def test_a_correction_by_hand_wants_a_reason_and_is_on_record(
    any_database: Database,
    admin: Principal,
    now: datetime,
    add_device: AddDevice,
    add_invoice: AddInvoice,
) -> None:
    with any_database.transaction() as session:
        device = add_device(session)
        invoice = add_invoice(session, device)
        draft = add_invoice(session, device, draft=True)
        data = InvoiceUpdate(clearing_status=ClearingStatus.CLEARED, reason="清卡时断电")

        def change(target: Invoice, if_match: str | None = None) -> Invoice:
            return service.change_clearing_status(
                session, target.id, data=data, principal=admin, at=now, if_match=if_match
            )

        assert change(invoice, '"1"').revision == 2
        assert change(invoice).revision == 2
        with pytest.raises(PreconditionFailed):
            change(invoice, '"1"')
        with pytest.raises(service.DraftNotCleared):
            change(draft)
        record = session.exec(select(AuditRecord)).one()
        assert record.action == "invoice.changed"
        assert '"reason":"清卡时断电"' in record.details


def test_drafts_are_removed_and_nothing_else(
    any_database: Database, add_device: AddDevice, add_invoice: AddInvoice
) -> None:
    with any_database.transaction() as session:
        device, other = add_device(session), add_device(session)
        kept = [add_invoice(session, device), add_invoice(session, other, draft=True)]
        for _ in range(2):
            add_invoice(session, device, draft=True)
        assert service.delete_drafts(session, device_ids=[device.id]) == 2
        assert set(session.exec(select(Invoice.id))) == {invoice.id for invoice in kept}


def test_what_is_not_uploaded_stands_against_retiring(
    any_database: Database, add_device: AddDevice, add_invoice: AddInvoice
) -> None:
    with any_database.transaction() as session:
        device = add_device(session)
        (check,) = register.retirement_checks
        assert check(session, device.id) is None
        add_invoice(session, device, uploaded=False)
        assert check(session, device.id) == "还有 1 张发票尚未上传"


@pytest.mark.parametrize(
    "values",
    [
        {"number": ""},
        {"period": "2026"},
        {"cleared_by_record_id": new_id()},
        {"draft": True, "clearing_status": ClearingStatus.CLEARED},
    ],
)
def test_the_table_refuses_what_breaks_a_rule(
    any_database: Database, add_device: AddDevice, add_invoice: AddInvoice, values: dict[str, Any]
) -> None:
    with any_database.transaction() as session:
        device_id = add_device(session).id
    with any_database.reading() as session:
        device = session.get_one(Device, device_id)
        with pytest.raises(sa.exc.IntegrityError):
            add_invoice(session, device, **values)
