"""Every select of operators. A principal limited to some enterprises sees only these."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select

from app.accounts.principal import Principal
from app.core.db import Session
from app.enterprises.queries import within
from app.errors import NotFound
from app.operators.listing import (
    OperatorFilter,
    OperatorRow,
    count_by_state,
    ids_of,
    list_operators,
)
from app.operators.models import Operator
from app.operators.schemas import OperatorDetail

__all__ = [
    "OperatorFilter",
    "OperatorRow",
    "by_code",
    "count_by_state",
    "ids_of",
    "list_operators",
    "locked",
    "operator_for_change",
    "shown",
    "visible",
    "visible_among",
]


def visible(session: Session, operator_id: UUID, principal: Principal) -> Operator:
    """The operator. Raises NotFound, also for one this principal may not see."""
    operator = session.get(Operator, operator_id)
    if operator is None or not principal.sees(operator.enterprise_id):
        raise NotFound("没有这个操作员")
    return operator


_SHOWN = sa.select(
    *(
        col(getattr(Operator, name))
        for name in (*OperatorDetail.model_fields, "attention", "revision")
        if name != "clearing_state"
    )
).where(col(Operator.id) == sa.bindparam("operator_id"))


def shown(connection: sa.Connection, operator_id: UUID, principal: Principal) -> Any:
    """A row with what is shown of one operator. Raises NotFound, also for one this principal may not see."""
    row = connection.execute(_SHOWN, {"operator_id": operator_id}).one_or_none()
    if row is None or not principal.sees(row.enterprise_id):
        raise NotFound("没有这个操作员")
    return row


def operator_for_change(session: Session, operator_id: UUID, *, principal: Principal) -> Operator:
    """The same, locked until the transaction ends."""
    operator = locked(session, operator_id)
    if not principal.sees(operator.enterprise_id):
        raise NotFound("没有这个操作员")
    return operator


def locked(session: Session, operator_id: UUID) -> Operator:
    """The operator, locked until the transaction ends, for work of the system. Raises NotFound."""
    operator = session.exec(
        select(Operator).where(Operator.id == operator_id).with_for_update()
    ).one_or_none()
    if operator is None:
        raise NotFound("没有这个操作员")
    return operator


def visible_among(session: Session, ids: Iterable[UUID], principal: Principal) -> list[Operator]:
    """Those of these operators this principal may see, in the order given."""
    wanted = list(dict.fromkeys(ids))
    query = select(Operator).where(
        col(Operator.id).in_(wanted), within(principal, col(Operator.enterprise_id))
    )
    found = {operator.id: operator for operator in session.exec(query)}
    return [found[one] for one in wanted if one in found]


def by_code(session: Session, code: str) -> Operator | None:
    """The operator with this code (工号)."""
    return session.exec(select(Operator).where(Operator.code == code)).one_or_none()
