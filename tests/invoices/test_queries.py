"""Lists, sums and streams of the ledger, on both databases."""

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlmodel import select

from app.accounts.principal import Principal
from app.contracts.devices import InvoiceStatus, InvoiceType
from app.contracts.periods import Period
from app.core.db import Database, Session
from app.core.ids import new_id
from app.core.pagination import InvalidCursor, PageRequest, encode_cursor
from app.devices.models import Device
from app.errors import NotFound
from app.invoices import queries, total_queries
from app.invoices.figures import Figures, Sum
from app.invoices.models import ClearingStatus, Invoice
from app.invoices.queries import InvoiceFilter
from app.invoices.total_queries import TypeTotals

AddDevice = Callable[[Session], Device]
AddInvoice = Callable[..., Invoice]
NOVEMBER = Period("2026-11")


def _numbers(session: Session, principal: Principal, **wanted: Any) -> list[str]:
    """The numbers of all pages of three, in order."""
    numbers: list[str] = []
    cursor: str | None = None
    while True:
        page = queries.list_invoices(
            session,
            principal=principal,
            wanted=InvoiceFilter(**wanted),
            page=PageRequest(3, cursor),
        )
        numbers += [invoice.number for invoice in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return numbers


def test_the_newest_first_each_once(
    any_database: Database, admin: Principal, add_device: AddDevice, add_invoice: AddInvoice
) -> None:
    start = datetime(2026, 11, 1, tzinfo=UTC)
    with any_database.transaction() as session:
        device = add_device(session)
        for index, days in enumerate([5, 1, 9, 1, 1, 7, 3]):
            issued_at = start + timedelta(days=days)
            add_invoice(session, device, number=f"{index:08d}", issued_at=issued_at)
        numbers = [int(number) for number in _numbers(session, admin)]
        assert numbers[:4] == [2, 5, 0, 6]
        assert sorted(numbers[4:]) == [1, 3, 4]
        streamed = queries.iterate(session, principal=admin, wanted=InvoiceFilter(), batch=2)
        assert [int(invoice.number) for invoice in streamed] == numbers[::-1]


def test_filters(
    any_database: Database, admin: Principal, add_device: AddDevice, add_invoice: AddInvoice
) -> None:
    with any_database.transaction() as session:
        device, other = add_device(session), add_device(session)
        add_invoice(session, device, number="10000001", buyer_name="无锡云帆100%")
        add_invoice(
            session,
            device,
            number="10000002",
            issued_at=datetime(2026, 10, 31, 15, 59, 59, tzinfo=UTC),
            period="2026-10",
        )
        add_invoice(
            session,
            device,
            number="10000003",
            issued_at=datetime(2026, 10, 31, 16, 0, tzinfo=UTC),
            status=InvoiceStatus.RED,
            uploaded=False,
        )
        add_invoice(session, other, number="99999999", invoice_type=InvoiceType.SPECIAL_PAPER)
        expected: list[tuple[dict[str, Any], set[str]]] = [
            ({"period": NOVEMBER}, {"10000001", "10000003", "99999999"}),
            ({"period": Period("2026-10")}, {"10000002"}),
            ({"device_id": other.id}, {"99999999"}),
            ({"operator_id": device.operator_id, "uploaded": True}, {"10000001", "10000002"}),
            ({"status": InvoiceStatus.RED}, {"10000003"}),
            ({"invoice_type": InvoiceType.SPECIAL_PAPER}, {"99999999"}),
            ({"clearing_status": ClearingStatus.CLEARED}, set()),
            ({"draft": True}, set()),
            ({"record_id": new_id()}, set()),
            ({"q": "1000000"}, {"10000001", "10000002", "10000003"}),
            ({"q": "999"}, {"99999999"}),
            ({"q": "云帆 1"}, {"10000001"}),
            ({"q": "%"}, {"10000001"}),
            ({"q": "' OR 1=1"}, set()),
            ({"q": "\x00"}, {"10000001", "10000002", "10000003", "99999999"}),
        ]
        for wanted, numbers in expected:
            assert set(_numbers(session, admin, **wanted)) == numbers, wanted


def test_a_limited_principal_sees_only_its_enterprises(
    any_database: Database, admin: Principal, add_device: AddDevice, add_invoice: AddInvoice
) -> None:
    with any_database.transaction() as session:
        device, other = add_device(session), add_device(session)
        mine = add_invoice(session, device)
        theirs = add_invoice(session, other)
        limited = replace(admin, enterprise_ids=frozenset({device.enterprise_id}))
        assert _numbers(session, limited) == [mine.number]
        assert queries.visible(session, mine.id, limited).id == mine.id
        with pytest.raises(NotFound):
            queries.visible(session, theirs.id, limited)
        with pytest.raises(NotFound):
            queries.invoice_for_change(session, theirs.id, principal=limited)


def test_sums_per_type_tell_positive_red_and_void_apart(
    any_database: Database, add_device: AddDevice, add_invoice: AddInvoice
) -> None:
    with any_database.transaction() as session:
        device, other = add_device(session), add_device(session)
        for _ in range(3):
            add_invoice(session, device)
        add_invoice(session, device, clearing_status=ClearingStatus.CLEARED)
        for status, amount, tax in (
            (InvoiceStatus.RED, "-50.00", "-6.50"),
            (InvoiceStatus.VOID, "70.00", "9.10"),
            (InvoiceStatus.VOID_RED, "-9.00", "-1.17"),
            (InvoiceStatus.VOID_BLANK, "0.00", "0.00"),
        ):
            values = {"amount": Decimal(amount), "tax": Decimal(tax)}
            add_invoice(session, device, status=status, **values)
        add_invoice(session, device, draft=True)
        add_invoice(session, device, period="2026-10")
        add_invoice(session, device, invoice_type=InvoiceType.SPECIAL_PAPER, tax=Decimal("-1"))
        expected = [
            TypeTotals(
                InvoiceType.SPECIAL_PAPER,
                Figures(Sum(1, Decimal("100.10"), Decimal("-1.00"))),
                0,
            ),
            TypeTotals(
                InvoiceType.ORDINARY_PAPER,
                Figures(
                    Sum(4, Decimal("400.40"), Decimal("52.04")),
                    Sum(1, Decimal("-50.00"), Decimal("-6.50")),
                    Sum(3, Decimal("61.00"), Decimal("7.93")),
                ),
                1,
            ),
        ]
        assert (expected[1].count, expected[1].amount) == (8, Decimal("350.40"))
        assert total_queries.totals(session, device.id, NOVEMBER) == expected
        assert total_queries.totals_of(session, [device.id, other.id], NOVEMBER) == {
            device.id: expected,
            other.id: [],
        }


def test_drafts_and_what_is_not_uploaded(
    any_database: Database, add_device: AddDevice, add_invoice: AddInvoice
) -> None:
    with any_database.transaction() as session:
        device = add_device(session)
        draft = add_invoice(session, device, draft=True, uploaded=False)
        waiting = add_invoice(session, device, uploaded=False)
        december = add_invoice(
            session,
            device,
            uploaded=False,
            period="2026-12",
            issued_at=datetime(2026, 12, 2, tzinfo=UTC),
        )
        add_invoice(session, device, uploaded=False, status=InvoiceStatus.VOID_BLANK)
        add_invoice(session, device)
        ids = [device.id]
        assert queries.drafts(session, ids) == [draft]
        assert queries.count_drafts(session, ids) == 1
        assert queries.not_uploaded(session, ids) == [waiting, december]
        assert queries.not_uploaded(session, ids, until=NOVEMBER) == [waiting]
        assert queries.count_not_uploaded(session, ids) == 2
        assert queries.count_not_uploaded(session, [], until=NOVEMBER) == 0


def test_of_device_and_period(
    any_database: Database, add_device: AddDevice, add_invoice: AddInvoice
) -> None:
    with any_database.transaction() as session:
        device = add_device(session)
        special = add_invoice(session, device, invoice_type=InvoiceType.SPECIAL_PAPER)
        second = add_invoice(session, device, number="00000900")
        first = add_invoice(session, device, number="00000800")
        add_invoice(session, device, draft=True)
        add_invoice(session, device, period="2026-10")
        found = [one.id for one in queries.of_device_and_period(session, device.id, NOVEMBER)]
        assert found == [special.id, first.id, second.id]
        number = device.number
    with any_database.reading() as session:
        device_id = session.exec(select(Device.id).where(Device.number == number)).one()
        ordinary = queries.of_device_and_period(
            session, device_id, NOVEMBER, [InvoiceType.ORDINARY_PAPER]
        )
        assert [one.number for one in ordinary] == ["00000800", "00000900"]


@pytest.mark.parametrize(
    "key",
    [
        ("2026-11-01", "0" * 32),
        ("x", "y"),
        ("0001-01-01T00:00:00+14:00", "0" * 32),
        ("2026-11-01T00:00:00+00:00", "y"),
        (None, None),
    ],
)
def test_a_tampered_cursor_is_refused(
    database: Database, admin: Principal, key: tuple[str | None, str | None]
) -> None:
    page = PageRequest(10, encode_cursor(*key))
    with database.reading() as session, pytest.raises(InvalidCursor):
        queries.list_invoices(session, principal=admin, wanted=InvoiceFilter(), page=page)


def test_going_through_many_takes_no_more_memory_than_a_few_batches(
    database: Database, admin: Principal, add_device: AddDevice
) -> None:
    def fill(session: Session, device_id: UUID, operator_id: UUID, count: int) -> None:
        start = datetime(2026, 11, 1, tzinfo=UTC)
        for first in range(0, count, 1000):
            rows = [
                {
                    "id": new_id(),
                    "device_id": device_id,
                    "operator_id": operator_id,
                    "invoice_type": "007",
                    "number": f"{number:08d}",
                    "issued_at": start + timedelta(seconds=number),
                    "period": "2026-11",
                    "amount": Decimal(1),
                    "tax": Decimal(0),
                    "status": "normal",
                    "clearing_status": "uncleared",
                    "revision": 1,
                    "created_at": start,
                    "updated_at": start,
                }
                for number in range(first, first + 1000)
            ]
            session.execute(sa.insert(Invoice), rows)

    with database.transaction() as session:
        device = add_device(session)
        fill(session, device.id, device.operator_id, 10_000)
    with database.reading() as session:
        stream = queries.iterate(session, principal=admin, wanted=InvoiceFilter(), batch=200)
        for _ in range(400):
            next(stream)
        tracemalloc.start()
        seen = sum(1 for _ in stream)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert seen == 9_600
        assert len(session.identity_map) <= 400
        assert peak < 4_000_000
