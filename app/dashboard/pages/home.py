"""The overview (/)."""

from collections.abc import Sequence

from fastapi import Request
from starlette.responses import HTMLResponse

from app.accounts.deps import Reader
from app.accounts.principal import Permission, Principal
from app.clearing import queries
from app.clearing.models import ClearingRequest
from app.clearing.states import RequestState
from app.contracts.periods import Period
from app.core.clock import local_date
from app.core.db import Session
from app.core.pagination import PageRequest
from app.core.routing import Router
from app.core.templating import render
from app.core.web import ClockDep, Reading
from app.dashboard.home_contexts import Event, HomePage, MonthCount, StateCounts, Task
from app.devices import queries as devices_queries
from app.operators import queries as operators_queries
from app.operators.queries import OperatorRow
from app.operators.states import ClearingState
from app.prechecks import subject
from app.requests.service import control

router = Router()

_TASKS = 5
_MONTHS = 12
_WORDS = {
    ClearingState.FAILED: ("上次清卡失败，打开查看原因与处理办法", "查看原因"),
    ClearingState.LOCKED: ("设备已过锁死日期，不能开票", "处理步骤"),
    ClearingState.DUE: ("锁死日期 {lock_date}", "清卡"),
}
_PRESSING = (ClearingState.LOCKED, ClearingState.DUE)


@router.get("/")
def home(request: Request, session: Reading, principal: Reader, clock: ClockDep) -> HTMLResponse:
    """What the month looks like and what has to be done."""
    now = clock()
    today = local_date(now)
    period = subject.default_period(None, now)
    counts = state_counts(session, principal, clock)
    waiting = queries.waiting_for_review(session, principal)
    # What this person may decide: never one's own.
    to_review = [
        one
        for one in waiting
        if principal.can(Permission.CLEARING_REVIEW) and not control.is_own(one[0], principal)
    ]
    connected, total = devices_queries.count_connected(session, principal=principal)
    page = HomePage(
        today=today,
        period=period,
        counts=counts,
        devices_connected=connected,
        devices_total=total,
        submitted=len(waiting),
        reviews=principal.can(Permission.CLEARING_REVIEW),
        tasks=tuple(_tasks(session, principal, clock, to_review)),
        tasks_total=counts.failed + counts.locked + counts.due + len(to_review),
        events=tuple(_events(session, principal)),
        months=tuple(_months(session, principal, period)),
    )
    return render(request, "dashboard/home.html", page)


def state_counts(session: Session, principal: Principal, clock: ClockDep) -> StateCounts:
    """How many operators are in each state."""
    counts = operators_queries.count_by_state(
        session, principal=principal, today=local_date(clock())
    )
    return StateCounts(**{state.value: counts[state] for state in ClearingState})


def _tasks(
    session: Session,
    principal: Principal,
    clock: ClockDep,
    to_review: Sequence[tuple[ClearingRequest, str]],
) -> list[Task]:
    """Requests to review, for who reviews; then failures, locked devices and the nearest lock dates."""
    failed = _operators(session, principal, clock, _TASKS, ClearingState.FAILED)
    urgent = _operators(session, principal, clock, 2 * _TASKS)
    rows = failed + [row for row in urgent if row.clearing_state in _PRESSING]
    found = [_review(*one) for one in to_review[:_TASKS]] + [_task(row) for row in rows]
    return found[: 2 * _TASKS]


def _review(request: ClearingRequest, operator: str) -> Task:
    return Task(
        RequestState.SUBMITTED,
        f"{operator} · 属期 {request.period}，{request.requested_by_name} 提交",
        f"/clearing/requests/{request.id}",
        "审核",
    )


def _operators(
    session: Session,
    principal: Principal,
    clock: ClockDep,
    limit: int,
    state: ClearingState | None = None,
) -> list[OperatorRow]:
    found = operators_queries.list_operators(
        session,
        principal=principal,
        today=local_date(clock()),
        page=PageRequest(limit),
        state=state,
        active=True,
    )
    return found.items


def _task(row: OperatorRow) -> Task:
    text, action = _WORDS[row.clearing_state]
    what = text.format(lock_date=row.lock_date or "未读取")
    href = f"/clearing/operators/{row.id}"
    if row.clearing_state is ClearingState.LOCKED:
        href = f"/help/locked?operator={row.id}"
    return Task(row.clearing_state, f"{row.name} · {what}", href, action)


def _events(session: Session, principal: Principal) -> list[Event]:
    return [
        Event(event.at, f"{operator_name} {event.text}", f"/clearing/requests/{event.request_id}")
        for event, operator_name in queries.newest_events(session, principal, limit=10)
    ]


def _months(session: Session, principal: Principal, period: Period) -> list[MonthCount]:
    first = period.plus(1 - _MONTHS)
    counts = queries.cleared_per_month(session, principal, first)
    months = [first.plus(index) for index in range(_MONTHS)]
    return [MonthCount(month, *counts.get(month, (0, 0))) for month in months]
