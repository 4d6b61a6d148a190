"""Every select of enterprises. A principal limited to some enterprises sees only these."""

from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped
from sqlmodel import col, select

from app.accounts.principal import Principal
from app.contracts.tax_numbers import normalize_tax_no
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


FEW = 50
"""As many enterprises a select may offer; of more one is named by typing."""


def names_for_choice(
    session: Session, *, principal: Principal, including: UUID | None = None
) -> list[tuple[UUID, str]]:
    """Id and name of the visible enterprises, by name, for a select on a page: at most 500.

    `including` is among them in any case: a form that can't show what is chosen would change it.
    """
    found = _names(session, principal, 500)
    if including is None or any(one == including for one, _ in found):
        return found
    query = select(Enterprise.id, Enterprise.name).where(
        Enterprise.id == including, within(principal, col(Enterprise.id))
    )
    return [*((row[0], row[1]) for row in session.exec(query)), *found]


def few_names(session: Session, *, principal: Principal) -> list[tuple[UUID, str]] | None:
    """The same when there are few, or None."""
    found = _names(session, principal, FEW + 1)
    return None if len(found) > FEW else found


class Named(NamedTuple):
    """An enterprise that may be meant."""

    id: UUID
    name: str
    tax_no: str


def names_like(session: Session, text: str, *, principal: Principal, limit: int) -> list[Named]:
    """The visible enterprises that somebody may mean by `text`, by name.

    Those with exactly this name or tax number, else those with every word of it in the name or at the
    beginning of the tax number.
    """
    exact = sa.or_(col(Enterprise.name) == text, col(Enterprise.tax_no) == normalize_tax_no(text))
    words = sa.and_(*(_has_word(word) for word in text.split()))
    for meant in (exact, words):
        query = (
            select(Enterprise.id, Enterprise.name, Enterprise.tax_no)
            .where(within(principal, col(Enterprise.id)), meant)
            .order_by(col(Enterprise.name), col(Enterprise.id))
            .limit(limit)
        )
        if found := [Named(*row) for row in session.exec(query)]:
            return found
    return []


def named(session: Session, enterprise_id: UUID, *, principal: Principal) -> Named | None:
    """The enterprise; None for one that is not there or not visible."""
    query = select(Enterprise.id, Enterprise.name, Enterprise.tax_no).where(
        Enterprise.id == enterprise_id, within(principal, col(Enterprise.id))
    )
    found = session.exec(query).one_or_none()
    return None if found is None else Named(*found)


def _names(session: Session, principal: Principal, limit: int) -> list[tuple[UUID, str]]:
    query = (
        select(Enterprise.id, Enterprise.name)
        .where(within(principal, col(Enterprise.id)))
        .order_by(col(Enterprise.name), col(Enterprise.id))
        .limit(limit)
    )
    key = ("enterprises for choice", principal.enterprise_ids, limit)
    return list(
        unchanged(session, key, lambda reading: [(row[0], row[1]) for row in reading.exec(query)])
    )


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
