"""系统设置 → Webhook: register (the secret is shown once), test, switch, remove."""

from typing import Annotated
from uuid import UUID

from fastapi import Form, Request
from starlette.responses import HTMLResponse, Response

from app.accounts.confirmation import Confirm
from app.accounts.deps import Admin
from app.core.db import Database
from app.core.forms import parse
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, Reading, SettingsDep, Writing
from app.errors import Invalid
from app.notifications import queries
from app.notifications.contexts import WebhookForm, WebhookRow, WebhooksPage
from app.notifications.kinds import SUBSCRIBABLE, EventKind
from app.notifications.models import Webhook
from app.notifications.pages.channel_form import KIND_OPTIONS
from app.notifications.schemas import WebhookCreate
from app.notifications.service import webhooks

BASE = "/settings/webhooks"
router = Router(prefix=BASE)

Password = Annotated[str, Form(max_length=200)]


@router.get("")
def show_webhooks(
    request: Request, session: Reading, principal: Admin, confirm: str = ""
) -> HTMLResponse:
    """The list."""
    form = WebhookForm(kinds=[kind.value for kind in SUBSCRIBABLE])
    asked = "create" if confirm == "1" else confirm
    page = _page(queries.webhooks(session), form=form, asked=asked)
    return render(request, "notifications/webhooks.html", page)


@router.post("")
def create_webhook(
    request: Request,
    confirm: Confirm,
    principal: Admin,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    url: Annotated[str, Form()] = "",
    description: Annotated[str, Form()] = "",
    kinds: Annotated[list[str] | None, Form()] = None,
    password: Password = "",
) -> HTMLResponse:
    """Register one and show its secret, on this page only."""
    form = WebhookForm(url[:1000], description[:200], kinds or [])
    try:
        values = {"url": url.strip(), "description": description, "kinds": form.kinds}
        data = parse(WebhookCreate, values)
        confirm(password)
        with database.transaction() as session:
            new = webhooks.create_webhook(
                session,
                url=data.url,
                kinds=data.kinds,
                description=data.description,
                principal=principal,
                settings=settings,
                clock=clock,
            )
    except Invalid as error:
        return _again(request, database, error, "create", form)
    return _render(request, database, 201, secret=new.secret)


@router.post("/{webhook_id}/rotate")
def rotate_secret(
    request: Request,
    webhook_id: UUID,
    confirm: Confirm,
    principal: Admin,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    password: Password = "",
) -> HTMLResponse:
    """A new secret, shown on this page only."""
    try:
        confirm(password)
    except Invalid as error:
        return _again(request, database, error, f"rotate-{webhook_id}")
    with database.transaction() as session:
        new = webhooks.rotate_secret(
            session, webhook_id, principal=principal, settings=settings, clock=clock
        )
    return _render(request, database, 200, secret=new.secret)


@router.post("/{webhook_id}/test")
def send_webhook_test(
    webhook_id: UUID, session: Writing, principal: Admin, clock: ClockDep
) -> Response:
    """Send a test; its delivery shows how it went."""
    webhooks.send_test(session, webhook_id, principal=principal, clock=clock)
    return redirect(f"/settings/deliveries?target_id={webhook_id}", flash="测试已发出，结果见下")


@router.post("/{webhook_id}/switch")
def switch_webhook(
    request: Request,
    webhook_id: UUID,
    confirm: Confirm,
    principal: Admin,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    enabled: Annotated[bool, Form()] = False,
    password: Password = "",
) -> Response:
    """On or off."""
    try:
        confirm(password)
    except Invalid as error:
        return _again(request, database, error, f"switch-{webhook_id}")
    with database.transaction() as session:
        webhooks.change_webhook(
            session,
            webhook_id,
            {"enabled": enabled},
            principal=principal,
            settings=settings,
            clock=clock,
        )
    return redirect(BASE, flash=f"Webhook 已{'启用' if enabled else '停用'}")


@router.post("/{webhook_id}/remove")
def remove_webhook(
    request: Request,
    webhook_id: UUID,
    confirm: Confirm,
    principal: Admin,
    database: DatabaseDep,
    clock: ClockDep,
    password: Password = "",
) -> Response:
    """Gone; the log of its deliveries stays."""
    try:
        confirm(password)
    except Invalid as error:
        return _again(request, database, error, f"remove-{webhook_id}")
    with database.transaction() as session:
        webhooks.remove_webhook(session, webhook_id, principal=principal, clock=clock)
    return redirect(BASE, flash="Webhook 已移除")


def _again(
    request: Request,
    database: Database,
    error: Invalid,
    asked: str,
    form: WebhookForm | None = None,
) -> HTMLResponse:
    errors = error.errors or {"form": error.detail}
    return _render(request, database, error.status, form=form, errors=errors, asked=asked)


def _render(
    request: Request,
    database: Database,
    status: int,
    *,
    form: WebhookForm | None = None,
    errors: dict[str, str] | None = None,
    asked: str = "",
    secret: str = "",
) -> HTMLResponse:
    with database.reading() as session:
        page = _page(queries.webhooks(session), form, errors, asked, secret)
    return render(request, "notifications/webhooks.html", page, status_code=status)


def _page(
    rows: list[Webhook],
    form: WebhookForm | None = None,
    errors: dict[str, str] | None = None,
    asked: str = "",
    secret: str = "",
) -> WebhooksPage:
    shown = tuple(map(_row, rows))
    return WebhooksPage(shown, KIND_OPTIONS, form or WebhookForm(), errors or {}, asked, secret)


def _row(webhook: Webhook) -> WebhookRow:
    return WebhookRow(
        id=str(webhook.id),
        url=webhook.url,
        description=webhook.description,
        kinds=tuple(EventKind(kind).label for kind in webhook.kinds),
        enabled=webhook.enabled,
        failures=webhook.failures,
        reason=webhook.disabled_reason,
        created_at=webhook.created_at,
    )
