"""REST API of webhooks (Standard Webhooks)."""

from typing import Annotated
from uuid import UUID

from fastapi import Body, Response

from app.accounts.confirmation import Confirm
from app.accounts.deps import Admin
from app.core.etags import IfMatch, require_match, set_etag
from app.core.pagination import Page
from app.core.routing import Router
from app.core.web import ClockDep, DatabaseDep, Paging, Reading, SettingsDep, Writing
from app.notifications import queries
from app.notifications.schemas import (
    Confirmation,
    WebhookCreate,
    WebhookCreated,
    WebhookPublic,
    WebhookUpdate,
)
from app.notifications.service import webhooks

router = Router(prefix="/webhooks", tags=["Webhook"])


@router.get("")
def list_webhooks(session: Reading, principal: Admin, page: Paging) -> Page[WebhookPublic]:
    """Webhooks, newest first."""
    rows, cursor = queries.page_of_webhooks(session, page)
    return Page(items=[WebhookPublic.of(row) for row in rows], next_cursor=cursor)


@router.post("", status_code=201)
def create_webhook(
    data: WebhookCreate,
    confirm: Confirm,
    principal: Admin,
    session: Writing,
    settings: SettingsDep,
    clock: ClockDep,
    response: Response,
) -> WebhookCreated:
    """Register a receiver; its secret is in this answer only."""
    confirm(data.password)
    new = webhooks.create_webhook(
        session,
        url=data.url,
        kinds=data.kinds,
        description=data.description,
        principal=principal,
        settings=settings,
        clock=clock,
    )
    response.headers["Location"] = f"/api/v1/webhooks/{new.webhook.id}"
    set_etag(response, new.webhook.revision)
    return WebhookCreated.of_new(new)


@router.get("/{webhook_id}")
def get_webhook(
    webhook_id: UUID, session: Reading, principal: Admin, response: Response
) -> WebhookPublic:
    """One webhook."""
    webhook = queries.webhook(session, webhook_id)
    set_etag(response, webhook.revision)
    return WebhookPublic.of(webhook)


@router.patch("/{webhook_id}")
def change_webhook(
    webhook_id: UUID,
    data: WebhookUpdate,
    confirm: Confirm,
    principal: Admin,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    response: Response,
    if_match: IfMatch = None,
) -> WebhookPublic:
    """Change a webhook: only what is sent."""
    changes = data.changes()
    confirm(changes.pop("password", None))
    with database.transaction() as session:
        require_match(if_match, queries.webhook(session, webhook_id).revision)
        webhook = webhooks.change_webhook(
            session, webhook_id, changes, principal=principal, settings=settings, clock=clock
        )
        set_etag(response, webhook.revision)
        return WebhookPublic.of(webhook)


@router.post("/{webhook_id}/rotate-secret")
def rotate_webhook_secret(
    webhook_id: UUID,
    confirm: Confirm,
    principal: Admin,
    session: Writing,
    settings: SettingsDep,
    clock: ClockDep,
    data: Confirmation | None = None,
) -> WebhookCreated:
    """A new secret, in this answer only; the old one signs nothing any more."""
    confirm(data.password if data else None)
    new = webhooks.rotate_secret(
        session, webhook_id, principal=principal, settings=settings, clock=clock
    )
    return WebhookCreated.of_new(new)


@router.delete("/{webhook_id}", status_code=204)
def remove_webhook(
    webhook_id: UUID,
    confirm: Confirm,
    principal: Admin,
    database: DatabaseDep,
    clock: ClockDep,
    data: Annotated[Confirmation | None, Body()] = None,
) -> None:
    """Send nothing to it any more."""
    confirm(data.password if data else None)
    with database.transaction() as session:
        webhooks.remove_webhook(session, webhook_id, principal=principal, clock=clock)


@router.post("/{webhook_id}/test", status_code=202)
def send_webhook_test(
    webhook_id: UUID, session: Writing, principal: Admin, clock: ClockDep
) -> dict[str, str]:
    """Send a test; how it went stands in the deliveries of the event."""
    event = webhooks.send_test(session, webhook_id, principal=principal, clock=clock)
    return {"event_id": str(event.id)}
