"""What the ledger is narrowed to, as conditions of a query."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped
from sqlmodel import col

from app.accounts.principal import Principal
from app.contracts.devices import InvoiceStatus, InvoiceType
from app.contracts.periods import Period
from app.core.clock import SHANGHAI
from app.devices.models import Device
from app.enterprises.queries import within
from app.invoices.models import ClearingStatus, Invoice


@dataclass(frozen=True, slots=True)
class InvoiceFilter:
    """What a list is narrowed to; None narrows nothing. `q` is the beginning of a number, or a buyer."""

    q: str | None = None
    device_id: UUID | None = None
    operator_id: UUID | None = None
    period: Period | None = None
    invoice_type: InvoiceType | None = None
    status: InvoiceStatus | None = None
    clearing_status: ClearingStatus | None = None
    uploaded: bool | None = None
    draft: bool | None = None
    record_id: UUID | None = None


def conditions_of(principal: Principal, wanted: InvoiceFilter) -> list[sa.ColumnElement[bool]]:
    """The conditions of the filter, and of what this principal may see."""
    equal: list[tuple[Mapped[Any], object]] = [
        (col(Invoice.device_id), wanted.device_id),
        (col(Invoice.operator_id), wanted.operator_id),
        (col(Invoice.period), wanted.period),
        (col(Invoice.invoice_type), wanted.invoice_type),
        (col(Invoice.status), wanted.status),
        (col(Invoice.clearing_status), wanted.clearing_status),
        (col(Invoice.uploaded), wanted.uploaded),
        (col(Invoice.draft), wanted.draft),
        (col(Invoice.cleared_by_record_id), wanted.record_id),
    ]
    conditions = [column == value for column, value in equal if value is not None]
    conditions += [_has_word(word) for word in (wanted.q or "").replace("\x00", " ").split()]
    if wanted.period is not None:
        conditions += _month(wanted.period)
    if principal.enterprise_ids is not None:
        seen = sa.select(col(Device.id)).where(within(principal, col(Device.enterprise_id)))
        conditions.append(col(Invoice.device_id).in_(seen))
    return conditions


def _month(period: Period) -> list[sa.ColumnElement[bool]]:
    """The same month by time of issue, so that an index sorted by it begins at the right place."""
    first = period.first_day
    after = (first + timedelta(days=31)).replace(day=1)
    return [
        col(Invoice.issued_at) >= datetime(first.year, first.month, 1, tzinfo=SHANGHAI),
        col(Invoice.issued_at) < datetime(after.year, after.month, 1, tzinfo=SHANGHAI),
    ]


def _has_word(word: str) -> sa.ColumnElement[bool]:
    if word.isascii() and word.isdigit():
        return _begins_with(word)
    return col(Invoice.buyer_name).icontains(word, autoescape=True)


def _begins_with(digits: str) -> sa.ColumnElement[bool]:
    """A range over the index of numbers; 9999 has nothing after it among digits but longer ones."""
    after = str(int(digits) + 1).zfill(len(digits))
    condition = col(Invoice.number) >= digits
    if len(after) > len(digits):
        return condition
    return sa.and_(condition, col(Invoice.number) < after)
