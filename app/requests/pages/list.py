"""清卡申请: the list of clearing requests (/clearing/requests)."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Request
from starlette.responses import HTMLResponse

from app.accounts.deps import Reader
from app.clearing import queries
from app.clearing.states import RequestState
from app.core.forms import blank_is_none, pager
from app.core.page_parts import Segment
from app.core.routing import Router
from app.core.templating import render
from app.core.web import Paging, Reading
from app.requests.contexts import RequestRow, RequestsPage

router = Router()

_LABELS = {
    "": "全部",
    "submitted": "待审核",
    "approved": "已通过",
    "scheduled": "待执行",
    "running": "清卡中",
    "needs_attention": "结果待查",
    "failed": "清卡失败",
    "succeeded": "清卡成功",
}


@router.get("/clearing/requests")
def request_list(
    request: Request,
    session: Reading,
    principal: Reader,
    paging: Paging,
    q: Annotated[str, Query(max_length=100)] = "",
    state: Annotated[RequestState | None, Query(), blank_is_none] = None,
) -> HTMLResponse:
    """Newest first; `q` is a request's number or part of the operator's name."""
    rows, cursor = queries.page_of_request_rows(session, principal, paging, state=state, q=q)
    filters = {"q": q, "state": state or "", "limit": paging.limit}
    page = RequestsPage(
        q=q,
        state=state or "",
        limit=paging.limit,
        segments=tuple(_segment(value, label, state, q) for value, label in _LABELS.items()),
        rows=tuple(
            RequestRow(
                id=str(row.id),
                number=row.number,
                state=row.state,
                operator_name=operator_name,
                enterprise=enterprise_name,
                period=row.period,
                mode=row.mode,
                scope=row.scope,
                requested_by=row.requested_by_name,
                created_at=row.created_at,
                progress=row.progress,
                outcome=row.outcome or "",
            )
            for row, operator_name, enterprise_name in rows
        ),
        pager=pager("/clearing/requests", filters, paging, cursor),
    )
    return render(request, "requests/list.html", page)


def _segment(value: str, label: str, current: RequestState | None, q: str) -> Segment:
    query = urlencode({name: text for name, text in (("state", value), ("q", q)) if text})
    href = f"/clearing/requests?{query}" if query else "/clearing/requests"
    return Segment(label, href, current=value == (current or ""))
