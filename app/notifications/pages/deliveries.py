"""系统设置 → 投递记录: what was sent to whom, every try, and sending again."""

from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import HTMLResponse, Response

from app.accounts.deps import Admin
from app.core.forms import blank_is_none, pager
from app.core.page_parts import Segment
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, Paging, Reading, Writing
from app.errors import QingkaError
from app.notifications import errors, queries
from app.notifications.contexts import AttemptRow, DeliveriesPage, DeliveryPage, DeliveryRowView
from app.notifications.models import DeliveryState
from app.notifications.queries import DeliveryRow
from app.notifications.service import deliveries

BASE = "/settings/deliveries"
router = Router(prefix=BASE)

_LABELS = {
    "": "全部",
    "pending": "待投递",
    "delivered": "已送达",
    "dead": "已放弃",
    "cancelled": "已取消",
}


@router.get("")
def show_deliveries(
    request: Request,
    session: Reading,
    principal: Admin,
    paging: Paging,
    target_id: Annotated[UUID | None, Query(), blank_is_none] = None,
    state: Annotated[DeliveryState | None, Query(), blank_is_none] = None,
) -> HTMLResponse:
    """Deliveries, newest first."""
    rows, cursor = queries.page_of_deliveries(session, paging, target_id=target_id, state=state)
    filters = {"target_id": target_id or "", "state": state or "", "limit": paging.limit}
    page = DeliveriesPage(
        rows=tuple(map(_row, rows)),
        segments=tuple(
            Segment(label, _href(value, target_id), current=value == (state or ""))
            for value, label in _LABELS.items()
        ),
        pager=pager(BASE, filters, paging, cursor),
    )
    return render(request, "notifications/deliveries.html", page)


@router.get("/{delivery_id}")
def show_delivery(
    request: Request, delivery_id: UUID, session: Reading, principal: Admin
) -> HTMLResponse:
    """One delivery with its tries."""
    found = queries.delivery_row(session, delivery_id)
    fields = ("number", "at", "milliseconds", "ok", "status", "message")
    page = DeliveryPage(
        delivery=_row(found),
        kind_label=found.event.kind.label,
        facts=tuple(found.event.text.splitlines()),
        href=found.event.link,
        remedy=_remedy(found.delivery.error_code),
        attempts=tuple(
            AttemptRow(**one.model_dump(include=set(fields)))
            for one in queries.attempts_of(session, delivery_id)
        ),
    )
    return render(request, "notifications/delivery.html", page)


@router.post("/{delivery_id}/replay")
def replay_delivery(
    delivery_id: UUID, session: Writing, principal: Admin, clock: ClockDep
) -> Response:
    """Deliver it again."""
    deliveries.replay(session, delivery_id, principal=principal, clock=clock)
    return redirect(f"{BASE}/{delivery_id}", flash="已重新加入投递")


def _href(state: str, target_id: UUID | None) -> str:
    wanted = {"state": state, "target_id": str(target_id or "")}
    query = urlencode({name: value for name, value in wanted.items() if value})
    return f"{BASE}?{query}" if query else BASE


def _row(row: DeliveryRow) -> DeliveryRowView:
    delivery = row.delivery
    waiting = delivery.state is DeliveryState.PENDING
    return DeliveryRowView(
        id=str(delivery.id),
        title=row.event.title or row.event.kind.label,
        receiver=row.receiver,
        recipient=delivery.recipient,
        state=delivery.state.value,
        attempts=delivery.attempts,
        next_at=delivery.next_at if waiting else None,
        code=delivery.error_code,
        message=delivery.error_message,
        created_at=delivery.created_at,
    )


_REMEDIES = {
    error.code: error.remedy
    for error in vars(errors).values()
    if isinstance(error, type) and issubclass(error, QingkaError)
}


def _remedy(code: str) -> str:
    """What to do about a failed try; the help page says the same under its code."""
    return _REMEDIES.get(code, "")
