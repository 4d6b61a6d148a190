"""Every select of enterprises. A principal limited to some enterprises sees only these."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped
from sqlmodel import col, select

from app.accounts.principal import Principal
from app.core.db import Session, unchanged
from app.core.pagination import InvalidCursor, Page, PageRequest, encode_cursor
from app.enterprises.models import Enterprise, FilingCycle
from app.errors import NotFound


def within(principal: Principal, column: Mapped[UUID]) -> sa.ColumnElement[bool]:
    """The condition that `column`, an enterprise's id, is one this principal may see."""
    if principal.enterprise_ids is None:
        return sa.true()
    return column.in_(sorted(principal.enterprise_ids))


def get_enterprise(session: Session, enterprise_id: UUID, *, principal: Principal) -> Enterprise:
    """The enterprise. Raises NotFound, also for one this principal may not see."""
    enterprise = session.get(Enterprise, enterprise_id)
    if enterprise is None or not principal.sees(enterprise.id):
        raise NotFound("没有这个企业")
    return enterprise


def enterprise_for_change(
    session: Session, enterprise_id: UUID, *, principal: Principal
) -> Enterprise:
    """The same, locked until the transaction ends."""
    enterprise = session.exec(
        select(Enterprise).where(Enterprise.id == enterprise_id).with_for_update()
    ).one_or_none()
    if enterprise is None or not principal.sees(enterprise.id):
        raise NotFound("没有这个企业")
    return enterprise


def tax_no_taken(session: Session, tax_no: str, *, besides: UUID | None = None) -> bool:
    """Whether another enterprise has this tax number."""
    found = session.exec(select(Enterprise.id).where(Enterprise.tax_no == tax_no)).first()
    return found is not None and found != besides


def list_enterprises(
    session: Session,
    *,
    principal: Principal,
    page: PageRequest,
    q: str | None = None,
    filing_cycle: FilingCycle | None = None,
) -> Page[Enterprise]:
    """Enterprises by name; `q` is part of the name, or the beginning of the tax number."""
    query = (
        select(Enterprise)
        .where(within(principal, col(Enterprise.id)))
        .order_by(col(Enterprise.name), col(Enterprise.id))
        .limit(page.limit + 1)
    )
    if filing_cycle is not None:
        query = query.where(Enterprise.filing_cycle == filing_cycle)
    for word in (q or "").replace("\x00", " ").split():
        query = query.where(_has_word(word))
    after = page.key(str, str)
    if after is not None:
        name, last = after
        key = sa.tuple_(col(Enterprise.name), col(Enterprise.id))
        query = query.where(key > sa.tuple_(sa.literal(name), sa.literal(_uuid(last), sa.Uuid)))
    found = list(session.exec(query))
    items = found[: page.limit]
    more = len(found) > page.limit
    cursor = encode_cursor(items[-1].name, items[-1].id.hex) if more else None
    return Page(items=items, next_cursor=cursor)


def names_for_choice(session: Session, *, principal: Principal) -> list[tuple[UUID, str]]:
    """Id and name of the visible enterprises, by name, at most 500: for a select on a page."""
    names = unchanged(
        session,
        ("enterprises for choice", principal.enterprise_ids),
        lambda reading: _names_for_choice(reading, principal),
    )
    return list(names)


def _names_for_choice(session: Session, principal: Principal) -> list[tuple[UUID, str]]:
    query = (
        select(Enterprise.id, Enterprise.name)
        .where(within(principal, col(Enterprise.id)))
        .order_by(col(Enterprise.name), col(Enterprise.id))
        .limit(500)
    )
    return [(row[0], row[1]) for row in session.exec(query)]


def _has_word(word: str) -> sa.ColumnElement[bool]:
    return sa.or_(
        col(Enterprise.name).icontains(word, autoescape=True),
        col(Enterprise.tax_no).istartswith(word, autoescape=True),
    )


def _uuid(text: str | None) -> UUID:
    try:
        return UUID(text or "")
    except ValueError as error:
        raise InvalidCursor from error
