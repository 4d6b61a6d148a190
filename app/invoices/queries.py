"""Every select of invoices. A principal limited to some enterprises sees only those of their devices."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.accounts.principal import Principal
from app.contracts.devices import InvoiceStatus, InvoiceType
from app.contracts.periods import Period
from app.core.db import Session
from app.core.pagination import InvalidCursor, Page, PageRequest, encode_cursor
from app.devices.models import Device
from app.enterprises.queries import within
from app.errors import NotFound
from app.invoices.filters import InvoiceFilter, conditions_of
from app.invoices.models import Invoice

__all__ = ["BATCH", "InvoiceFilter"]

BATCH = 1000
"""Rows fetched at a time when all of them are gone through."""


def visible(session: Session, invoice_id: UUID, principal: Principal) -> Invoice:
    """The invoice. Raises NotFound, also for one this principal may not see."""
    return _one(session, invoice_id, principal, lock=False)


def invoice_for_change(session: Session, invoice_id: UUID, *, principal: Principal) -> Invoice:
    """The same, locked until the transaction ends."""
    return _one(session, invoice_id, principal, lock=True)


def drafts_issued(session: Session, device_ids: Iterable[UUID]) -> list[Invoice]:
    """The drafts of these devices whose type, code and number an issued invoice of the device has."""
    issued = aliased(Invoice)
    same = [
        col(getattr(issued, name)) == col(getattr(Invoice, name))
        for name in ("device_id", "invoice_type", "code", "number")
    ]
    query = (
        select(Invoice)
        .join(issued, sa.and_(*same, col(issued.draft).is_(False)))
        .where(col(Invoice.device_id).in_(list(device_ids)), col(Invoice.draft).is_(True))
    )
    return list(session.exec(query))


def list_invoices(
    session: Session, *, principal: Principal, wanted: InvoiceFilter, page: PageRequest
) -> Page[Invoice]:
    """Invoices, the newest first."""
    query = (
        select(Invoice)
        .where(*conditions_of(principal, wanted), *_earlier(page))
        .order_by(col(Invoice.issued_at).desc(), col(Invoice.id).desc())
        .limit(page.limit + 1)
    )
    found = list(session.exec(query))
    items = found[: page.limit]
    more = len(found) > page.limit
    cursor = encode_cursor(items[-1].issued_at.isoformat(), items[-1].id.hex) if more else None
    return Page(items=items, next_cursor=cursor)


def iterate(
    session: Session, *, principal: Principal, wanted: InvoiceFilter, batch: int = BATCH
) -> Iterator[Invoice]:
    """Every invoice of the filter, the oldest first, with constant memory, for export and backup."""
    query = (
        select(Invoice)
        .where(*conditions_of(principal, wanted))
        .order_by(col(Invoice.issued_at), col(Invoice.id))
    )
    yield from _streamed(session, query, batch)


def iterate_rows(
    session: Session, *, principal: Principal, wanted: InvoiceFilter
) -> Iterator[Mapping[str, Any]]:
    """The same as plain columns: a backup reads every invoice several times, to compare."""
    found = session.execute(_oldest_first().where(*conditions_of(principal, wanted)))
    names = [str(name) for name in found.keys()]  # noqa: SIM118 - a result is no dict
    for row in found:
        yield dict(zip(names, row, strict=True))


@cache
def _oldest_first() -> sa.Select[Any]:
    """Put together once: with this many columns that costs as much as a short answer."""
    columns = sa.select(*sa.inspect(Invoice).columns)
    ordered = columns.order_by(col(Invoice.issued_at), col(Invoice.id))
    return ordered.execution_options(yield_per=BATCH)


def drafts_per_device(session: Session, device_ids: Iterable[UUID]) -> dict[UUID, int]:
    """How many unfinished invoices each of these devices has, of any period."""
    found = dict.fromkeys(device_ids, 0)
    query = (
        sa.select(col(Invoice.device_id), sa.func.count())
        .where(col(Invoice.device_id).in_(found), col(Invoice.draft).is_(True))
        .group_by(col(Invoice.device_id))
    )
    found.update({device_id: int(count) for device_id, count in session.execute(query)})
    return found


def of_device_and_period(
    session: Session,
    device_id: UUID,
    period: Period,
    types: Iterable[InvoiceType] | None = None,
) -> Iterator[Invoice]:
    """The issued invoices of the device and period (of these types), with constant memory."""
    query = (
        select(Invoice)
        .where(
            Invoice.device_id == device_id,
            Invoice.period == period,
            col(Invoice.draft).is_(False),
        )
        .order_by(col(Invoice.invoice_type), col(Invoice.code), col(Invoice.number))
    )
    if types is not None:
        query = query.where(col(Invoice.invoice_type).in_(list(types)))
    yield from _streamed(session, query)


def drafts(session: Session, device_ids: Iterable[UUID]) -> list[Invoice]:
    """Unfinished invoices of these devices, of any period, at most 1000."""
    return _some(session, device_ids, col(Invoice.draft).is_(True))


def count_drafts(
    session: Session, device_ids: Iterable[UUID], *, until: Period | None = None
) -> int:
    """How many unfinished invoices these devices have (up to the period)."""
    drafts: list[sa.ColumnElement[bool]] = [col(Invoice.draft).is_(True)]
    if until is not None:
        drafts.append(col(Invoice.period) <= until)
    return _count(session, device_ids, *drafts)


def not_uploaded(
    session: Session, device_ids: Iterable[UUID], *, until: Period | None = None
) -> list[Invoice]:
    """Issued invoices of these devices that are not uploaded yet (up to the period), at most 1000."""
    return _some(session, device_ids, *_not_uploaded(until))


def count_not_uploaded(
    session: Session, device_ids: Iterable[UUID], *, until: Period | None = None
) -> int:
    """How many there are."""
    return _count(session, device_ids, *_not_uploaded(until))


def cleared_by(session: Session, record_id: UUID) -> Iterator[Invoice]:
    """The invoices a clearing record cleared, with constant memory."""
    query = (
        select(Invoice).where(Invoice.cleared_by_record_id == record_id).order_by(col(Invoice.id))
    )
    yield from _streamed(session, query)


def _not_uploaded(until: Period | None) -> list[sa.ColumnElement[bool]]:
    """A blank voided on the device was never issued; there is nothing to upload."""
    conditions = [
        col(Invoice.uploaded).is_(False),
        col(Invoice.draft).is_(False),
        col(Invoice.status) != InvoiceStatus.VOID_BLANK,
    ]
    return conditions if until is None else [*conditions, col(Invoice.period) <= until]


def _one(session: Session, invoice_id: UUID, principal: Principal, *, lock: bool) -> Invoice:
    query = (
        select(Invoice)
        .join(Device, col(Device.id) == col(Invoice.device_id))
        .where(Invoice.id == invoice_id, within(principal, col(Device.enterprise_id)))
    )
    if lock:
        query = query.with_for_update(of=Invoice)
    invoice = session.exec(query).one_or_none()
    if invoice is None:
        raise NotFound("没有这张发票")
    return invoice


def _some(
    session: Session, device_ids: Iterable[UUID], *conditions: sa.ColumnElement[bool]
) -> list[Invoice]:
    query = (
        select(Invoice)
        .where(col(Invoice.device_id).in_(list(device_ids)), *conditions)
        .order_by(col(Invoice.issued_at), col(Invoice.id))
        .limit(1000)
    )
    return list(session.exec(query))


def _count(
    session: Session, device_ids: Iterable[UUID], *conditions: sa.ColumnElement[bool]
) -> int:
    query = sa.select(sa.func.count()).where(
        col(Invoice.device_id).in_(list(device_ids)), *conditions
    )
    return int(session.execute(query).scalar_one())


def _streamed(
    session: Session, query: SelectOfScalar[Invoice], batch: int = BATCH
) -> Iterator[Invoice]:
    """Rows fetched batch by batch and forgotten by the session, so that memory stays constant."""
    for part in session.exec(query.execution_options(yield_per=batch)).partitions():
        yield from part
        for invoice in part:
            session.expunge(invoice)


def _earlier(page: PageRequest) -> list[sa.ColumnElement[bool]]:
    after = page.key(str, str)
    if after is None:
        return []
    try:
        moment = datetime.fromisoformat(after[0])
        last = UUID(after[1])
        if moment.tzinfo is None:
            raise InvalidCursor
        moment = moment.astimezone(UTC)
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InvalidCursor from error
    key = sa.tuple_(col(Invoice.issued_at), col(Invoice.id))
    issued_at = sa.literal(moment, Invoice.__table__.c.issued_at.type)  # type: ignore[attr-defined]
    return [key < sa.tuple_(issued_at, sa.literal(last, sa.Uuid))]
