"""REST API of operators. The pre-checks of an operator are a route of the clearing feature."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from app.accounts.deps import OperatorsWriter, Reader
from app.core.clock import local_date
from app.core.etags import IfMatch, set_etag
from app.core.pagination import Page
from app.core.routing import Router
from app.core.schemas import SearchText
from app.core.web import ClockDep, DatabaseDep, Paging, Reading, Writing
from app.operators import queries, service
from app.operators.models import Operator
from app.operators.schemas import OperatorCreate, OperatorDetail, OperatorPublic, OperatorUpdate
from app.operators.states import ClearingState, state_of

router = Router(prefix="/operators", tags=["操作员"])


@router.get("")
def list_operators(
    session: Reading,
    principal: Reader,
    page: Paging,
    clock: ClockDep,
    q: SearchText = None,
    clearing_state: Annotated[ClearingState | None, Query()] = None,
    enterprise_id: Annotated[UUID | None, Query()] = None,
    active: Annotated[bool | None, Query()] = None,
) -> Page[OperatorPublic]:
    """Operators, the most urgent first; `q` matches name, code, pinyin, department, device number."""
    found = queries.list_operators(
        session,
        principal=principal,
        today=local_date(clock()),
        page=page,
        q=q,
        state=clearing_state,
        enterprise_id=enterprise_id,
        active=active,
    )
    items = [OperatorPublic.model_validate(row) for row in found.items]
    return Page(items=items, next_cursor=found.next_cursor)


@router.post("", status_code=201)
def create_operator(
    data: OperatorCreate,
    session: Writing,
    principal: OperatorsWriter,
    clock: ClockDep,
    response: Response,
) -> OperatorDetail:
    """Register an operator."""
    now = clock()
    operator = service.create_operator(session, data=data, principal=principal, at=now)
    response.headers["Location"] = f"/api/v1/operators/{operator.id}"
    return _answer(response, operator, local_date(now))


@router.get("/{operator_id}")
def get_operator(
    operator_id: UUID,
    database: DatabaseDep,
    principal: Reader,
    clock: ClockDep,
    response: Response,
) -> OperatorDetail:
    """One operator."""
    with database.looking_up() as connection:
        operator = queries.shown(connection, operator_id, principal)
    return _answer(response, operator, local_date(clock()))


@router.patch("/{operator_id}")
def change_operator(
    operator_id: UUID,
    data: OperatorUpdate,
    session: Writing,
    principal: OperatorsWriter,
    clock: ClockDep,
    response: Response,
    if_match: IfMatch = None,
) -> OperatorDetail:
    """Change an operator."""
    now = clock()
    operator = service.change_operator(
        session, operator_id, data=data, principal=principal, at=now, if_match=if_match
    )
    return _answer(response, operator, local_date(now))


def _answer(response: Response, operator: Operator, today: date) -> OperatorDetail:
    set_etag(response, operator.revision)
    return public(operator, today)


def public(operator: Operator, today: date) -> OperatorDetail:
    """The operator, or a row of the same names, as the API shows it on this day."""
    return OperatorDetail(
        **{name: getattr(operator, name) for name in _PLAIN},
        clearing_state=state_of(operator.attention, operator.lock_date, today),
        device_numbers=operator.device_numbers.split(),
    )


_PLAIN = set(OperatorDetail.model_fields) - {"clearing_state", "device_numbers"}
