"""Which enterprises an account or a key reaches, and which operator an account is: choices by name and code.

It lives here since accounts are of a lower layer and know neither enterprises nor operators.
"""

from collections.abc import Iterable
from uuid import UUID

from sqlmodel import col, select

from app.accounts.principal import Principal
from app.contracts.tax_numbers import normalize_tax_no
from app.core.db import Session
from app.core.pagination import PageRequest
from app.enterprises import queries as enterprises_queries
from app.enterprises.models import Enterprise
from app.errors import Invalid
from app.operators import queries
from app.operators.models import Operator

HITS = 20
"""Enterprises offered for a typed text; who wants another one types more of its name."""
_PART = 500


def enterprises_named(session: Session, tax_nos: Iterable[str]) -> frozenset[UUID]:
    """The enterprises of these tax numbers. Raises Invalid naming the first that is not there."""
    found: set[UUID] = set()
    for tax_no in tax_nos:
        wanted = select(Enterprise.id).where(Enterprise.tax_no == normalize_tax_no(tax_no))
        enterprise_id = session.exec(wanted).one_or_none()
        if enterprise_id is None:
            raise Invalid(errors={"enterprise": f"没有税号为 {tax_no} 的企业"})
        found.add(enterprise_id)
    return frozenset(found)


def operator_coded(session: Session, code: str) -> UUID | None:
    """The operator of this code; "" for nobody. Raises Invalid."""
    if not code.strip():
        return None
    found = queries.by_code(session, code.strip())
    if found is None:
        raise Invalid(errors={"operator_code": f"没有工号为 {code.strip()} 的操作员"})
    return found.id


def code_of(session: Session, operator_id: UUID | None) -> str:
    """The code of the operator an account is; "" for nobody."""
    found = session.get(Operator, operator_id) if operator_id else None
    return found.code if found else ""


def enterprises_of(session: Session, ids: Iterable[UUID]) -> list[Enterprise]:
    """These enterprises by name; one that is gone is left out."""
    wanted = sorted(ids)
    found: list[Enterprise] = []
    for start in range(0, len(wanted), _PART):
        part = wanted[start : start + _PART]
        found += session.exec(select(Enterprise).where(col(Enterprise.id).in_(part)))
    return sorted(found, key=lambda one: (one.name, one.tax_no))


def matching(session: Session, q: str, principal: Principal) -> list[Enterprise]:
    """The first enterprises whose name or tax number fits what was typed."""
    if not q.strip():
        return []
    page = PageRequest(limit=HITS)
    return enterprises_queries.list_enterprises(
        session, principal=principal, page=page, q=q.strip()
    ).items
