"""Backups of the ledger: the parts that hold invoices, and what of them goes into a sheet."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from app.accounts.principal import SYSTEM
from app.backups.content import Table
from app.backups.rows import Row, encoded
from app.contracts.periods import Period
from app.core.db import Session
from app.invoices import queries as invoices_queries
from app.invoices.queries import InvoiceFilter

_SUFFIX = "/invoices.jsonl"
_CELLS = ("invoice_type", "code", "number", "issued_at", "status", "amount", "tax", "buyer_name")


def invoice_table(device_number: str, rows: Callable[[Session], Iterator[Row]]) -> Table:
    """The part of a device's invoices, with a sheet to read."""
    return Table(
        name=f"{device_number}/invoices",
        rows=rows,
        title="发票",
        header=("类型", "代码", "号码", "开票时间", "状态", "金额", "税额", "购方名称"),
        cells=_cells,
    )


def parts_of(manifest: Row) -> list[tuple[str, str]]:
    """Device number and name of every part with invoices."""
    names = [str(part["name"]) for part in manifest["parts"]]
    return [(name.removesuffix(_SUFFIX), name) for name in names if name.endswith(_SUFFIX)]


def device_rows(session: Session, device_id: UUID, period: Period | None) -> Iterator[Row]:
    """The invoices of the device (of the period, if one is given), and after them its drafts."""
    for wanted in (
        InvoiceFilter(device_id=device_id, period=period, draft=False),
        InvoiceFilter(device_id=device_id, draft=True),
    ):
        yield from rows(session, wanted)


def rows(session: Session, wanted: InvoiceFilter) -> Iterator[Row]:
    """The invoices of the filter, the oldest first, as a backup holds them."""
    for row in invoices_queries.iterate_rows(session, principal=SYSTEM, wanted=wanted):
        yield encoded(row)


def _cells(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in _CELLS)
