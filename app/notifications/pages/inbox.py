"""通知: one's own inbox, and what one hears of."""

from typing import Annotated
from uuid import UUID

from fastapi import Form, Request
from starlette.responses import HTMLResponse, Response

from app.accounts.deps import Person
from app.accounts.models import Account
from app.core.db import Session
from app.core.forms import pager, parse
from app.core.page_parts import Segment
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, Paging, Reading, Writing
from app.errors import Invalid
from app.notifications import audience, queries
from app.notifications.contexts import (
    InboxPage,
    NotificationRow,
    PreferenceRow,
    PreferencesPage,
)
from app.notifications.kinds import SUBSCRIBABLE, EventKind
from app.notifications.models import Event, Notification
from app.notifications.schemas import PreferencesUpdate
from app.notifications.service import inbox
from app.notifications.service.inbox import Choice

BASE = "/notifications"
router = Router(prefix=BASE)

TONES = {
    EventKind.CLEARING_SUCCEEDED: "ok",
    EventKind.CLEARING_APPROVED: "ok",
    EventKind.CLEARING_FAILED: "bad",
    EventKind.CLEARING_REJECTED: "bad",
    EventKind.BACKUP_FAILED: "bad",
    EventKind.WEBHOOK_DISABLED: "bad",
    EventKind.CLEARING_NEEDS_ATTENTION: "warn",
    EventKind.CLEARING_REVIEW_WAITING: "warn",
    EventKind.DEVICE_DISCONNECTED: "warn",
    EventKind.DEVICE_LOCK_APPROACHING: "warn",
    EventKind.DEVICE_LOCK_DIGEST: "warn",
    EventKind.CLEARING_STARTED: "run",
}


@router.get("")
def show_inbox(
    request: Request, session: Reading, principal: Person, paging: Paging, unread: bool = False
) -> HTMLResponse:
    """The inbox, newest first."""
    rows, cursor = queries.inbox(session, principal.id, paging, unread=unread)
    count = queries.count_unread(session, principal.id)
    filters = {"unread": "true" if unread else "", "limit": paging.limit}
    page = InboxPage(
        rows=tuple(_row(row, event) for row, event in rows),
        unread=count,
        segments=(
            Segment("全部", BASE, current=not unread),
            Segment("未读", f"{BASE}?unread=true", current=unread, count=count),
        ),
        pager=pager(BASE, filters, paging, cursor),
    )
    return render(request, "notifications/inbox.html", page)


@router.post("/read")
def mark_all_read(session: Writing, principal: Person, clock: ClockDep) -> Response:
    """Everything is read."""
    marked = inbox.mark_read(session, principal.id, None, at=clock())
    return redirect(BASE, flash=f"已将 {marked} 条通知标为已读")


@router.post("/{event_id}/open")
def open_notification(
    event_id: UUID, session: Writing, principal: Person, clock: ClockDep
) -> Response:
    """Mark it as read and go where it leads."""
    if queries.notification(session, principal.id, event_id) is None:
        return redirect(BASE, flash="该通知已被清理", kind="warn")
    inbox.mark_read(session, principal.id, [event_id], at=clock())
    return redirect(session.get_one(Event, event_id).link or BASE)


@router.get("/preferences")
def show_preferences(request: Request, session: Reading, principal: Person) -> HTMLResponse:
    """What one hears of, and how."""
    page = _preferences(session, principal.id, {})
    return render(request, "notifications/preferences.html", page)


@router.post("/preferences")
def save_preferences(
    request: Request,
    database: DatabaseDep,
    principal: Person,
    in_app: Annotated[list[str] | None, Form()] = None,
    by_email: Annotated[list[str] | None, Form()] = None,
    email: Annotated[str, Form()] = "",
) -> Response:
    """Keep the whole form: what is not ticked is off."""
    shown, mailed = set(in_app or ()), set(by_email or ())
    try:
        wanted = parse(PreferencesUpdate, {"email": email})
    except Invalid as error:
        with database.reading() as session:
            page = _preferences(session, principal.id, error.errors)
        return render(request, "notifications/preferences.html", page, status_code=422)
    with database.transaction() as session:
        inbox.set_address(session, principal.id, wanted.email)
        choices = {kind: Choice(kind in shown, kind in mailed) for kind in SUBSCRIBABLE}
        inbox.choose(session, principal.id, choices)
    return redirect(f"{BASE}/preferences", flash="通知偏好已保存")


def _row(row: Notification, event: Event) -> NotificationRow:
    return NotificationRow(
        id=str(event.id),
        kind_label=event.kind.label,
        tone=TONES.get(event.kind, ""),
        title=event.title,
        facts=tuple(event.text.splitlines()),
        code=str(event.data.get("code", "")),
        href=event.link,
        at=event.at,
        unread=row.read_at is None,
    )


def _preferences(session: Session, account_id: UUID, errors: dict[str, str]) -> PreferencesPage:
    own = queries.addresses_of(session, [account_id]).get(account_id, "")
    account = session.get_one(Account, account_id)
    return PreferencesPage(
        rows=tuple(
            PreferenceRow(kind.value, kind.label, choice.in_app, choice.email)
            for kind, choice in inbox.choices(session, account_id).items()
        ),
        email=own,
        fallback="" if own else audience.address_of(session, account),
        errors=errors,
    )
