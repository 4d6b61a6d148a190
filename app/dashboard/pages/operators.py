"""清卡管理: the list of operators (/clearing)."""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Header, Query, Request
from starlette.responses import HTMLResponse

from app.accounts.deps import Reader
from app.accounts.principal import Permission
from app.core.clock import local_date
from app.core.forms import blank_is_none, pager
from app.core.page_parts import Segment
from app.core.pagination import Page
from app.core.routing import Router
from app.core.templating import render
from app.core.web import ClockDep, Paging, Reading
from app.dashboard.operator_contexts import ListPage, OperatorRow
from app.dashboard.pages.home import state_counts
from app.enterprises.filtering import MOST_TEXT, Links, chosen
from app.operators import queries as operators_queries
from app.operators.states import ClearingState
from app.prechecks import subject

router = Router()

_LABELS = {
    "": "全部",
    "due": "待清卡",
    "running": "清卡中",
    "cleared": "已清卡",
    "failed": "失败",
    "locked": "已锁死",
}


@router.get("/clearing")
def operator_list(
    request: Request,
    session: Reading,
    principal: Reader,
    clock: ClockDep,
    paging: Paging,
    q: Annotated[str, Query(max_length=100)] = "",
    state: Annotated[ClearingState | None, Query(), blank_is_none] = None,
    enterprise_id: Annotated[UUID | None, Query(), blank_is_none] = None,
    enterprise: Annotated[str, Query(max_length=MOST_TEXT)] = "",
    x_fragment: Annotated[str, Header()] = "",
) -> HTMLResponse:
    """Searchable by name, code, pinyin, department, device number; the most urgent first."""
    today = local_date(clock())
    links = Links("/clearing", {"q": q, "state": state or ""}, paging.limit)
    of = chosen(session, principal, enterprise, enterprise_id, links)
    found = (
        Page(items=[])
        if of.shown.unclear
        else operators_queries.list_operators(
            session,
            principal=principal,
            today=today,
            page=paging,
            q=q,
            state=state,
            enterprise_id=of.enterprise_id,
            active=True,
        )
    )
    fragment = x_fragment == "rows"
    page = ListPage(
        q=q,
        state=state or "",
        enterprise_id=str(of.enterprise_id or ""),
        limit=paging.limit,
        period=subject.default_period(None, clock()),
        counts=None if fragment else state_counts(session, principal, clock),
        enterprises=of.shown,
        segments=() if fragment else _segments(of.filters),
        rows=tuple(
            OperatorRow(
                id=str(row.id),
                code=row.code,
                name=row.name,
                state=row.clearing_state,
                enterprise=row.enterprise_name,
                device_numbers=row.device_numbers,
                lock_date=row.lock_date,
                days_left=None if row.lock_date is None else (row.lock_date - today).days,
                last_cleared_at=row.last_cleared_at,
            )
            for row in found.items
        ),
        can_request=principal.can(Permission.CLEARING_REQUEST),
        pager=pager("/clearing", {**of.filters, "limit": paging.limit}, paging, found.next_cursor),
    )
    return render(request, "dashboard/rows.html" if fragment else "dashboard/operators.html", page)


def _segments(filters: Mapping[str, object]) -> tuple[Segment, ...]:
    kept = {name: value for name, value in filters.items() if name != "state" and value}
    return tuple(
        Segment(
            label,
            f"/clearing?{urlencode({**kept, 'state': state})}" if state or kept else "/clearing",
            current=state == filters["state"],
        )
        for state, label in _LABELS.items()
    )
