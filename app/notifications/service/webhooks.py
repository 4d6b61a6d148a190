"""Webhooks: register (the secret is shown once), change, test, remove."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.accounts.principal import Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.core.clock import Clock
from app.core.db import Session
from app.core.ids import new_id
from app.notifications import queries, secrets
from app.notifications.errors import TargetOff
from app.notifications.kinds import EventKind
from app.notifications.models import Event, Webhook
from app.notifications.sending.standard_webhooks import new_secret
from app.notifications.sending.targets import check_url, parse_url
from app.notifications.service.publish import publish_test
from app.notifications.service.removal import cancel_pending
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """A registered webhook and its secret, which nobody can read again."""

    webhook: Webhook
    secret: str


def create_webhook(
    session: Session,
    *,
    url: str,
    kinds: Iterable[EventKind],
    description: str = "",
    principal: Principal,
    settings: Settings,
    clock: Clock,
) -> NewWebhook:
    """Register a receiver. Raises Invalid, TargetForbidden, TargetUnresolved for its address."""
    check_url(url, allow_private=settings.webhook_allow_private)
    identity, secret, now = new_id(), new_secret(), clock()
    webhook = Webhook(
        id=identity,
        url=url,
        description=description,
        sealed_secret=secrets.seal(settings, secret, owner=identity),
        kinds=_values(kinds),
        created_at=now,
        updated_at=now,
    )
    session.add(webhook)
    session.flush()
    _record(session, webhook, principal, AuditAction.WEBHOOK_CREATED, clock, kinds=webhook.kinds)
    return NewWebhook(webhook, secret)


def change_webhook(
    session: Session,
    webhook_id: UUID,
    changes: Mapping[str, Any],
    *,
    principal: Principal,
    settings: Settings,
    clock: Clock,
) -> Webhook:
    """Change what is sent of: url, description, kinds, enabled. Switching on forgets the failures."""
    webhook = queries.webhook(session, webhook_id, for_change=True)
    values = dict(changes)
    if "url" in values:
        check_url(values["url"], allow_private=settings.webhook_allow_private)
    if "kinds" in values:
        values["kinds"] = _values(values["kinds"])
    if values.get("enabled") is True:
        values |= {"failures": 0, "disabled_reason": ""}
    elif values.get("enabled") is False:
        values["disabled_reason"] = "由管理员停用"
    webhook.sqlmodel_update(values)
    webhook.revision += 1
    webhook.updated_at = clock()
    session.add(webhook)
    _record(session, webhook, principal, AuditAction.WEBHOOK_CHANGED, clock, fields=sorted(changes))
    return webhook


def rotate_secret(
    session: Session, webhook_id: UUID, *, principal: Principal, settings: Settings, clock: Clock
) -> NewWebhook:
    """A new secret, at once: deliveries from now on are signed with it."""
    webhook = queries.webhook(session, webhook_id, for_change=True)
    secret = new_secret()
    webhook.sealed_secret = secrets.seal(settings, secret, owner=webhook.id)
    webhook.revision += 1
    webhook.updated_at = clock()
    session.add(webhook)
    _record(session, webhook, principal, AuditAction.WEBHOOK_CHANGED, clock, fields=["signing"])
    return NewWebhook(webhook, secret)


def remove_webhook(
    session: Session, webhook_id: UUID, *, principal: Principal, clock: Clock
) -> None:
    """Send nothing to it any more; the log of its deliveries stays, its secret does not."""
    webhook = queries.webhook(session, webhook_id, for_change=True)
    webhook.removed_at, webhook.enabled, webhook.sealed_secret = clock(), False, ""
    session.add(webhook)
    cancel_pending(session, webhook.id, at=clock())
    _record(session, webhook, principal, AuditAction.WEBHOOK_REMOVED, clock)


def send_test(session: Session, webhook_id: UUID, *, principal: Principal, clock: Clock) -> Event:
    """Send an event of the kind `test`: one try. Raises TargetOff."""
    webhook = queries.webhook(session, webhook_id)
    if not webhook.enabled:
        raise TargetOff
    return publish_test(
        session,
        object_type="webhook",
        target_id=webhook.id,
        data={"message": f"{principal.display_name} 在测试 Webhook"},
        at=clock(),
    )


def _values(kinds: Iterable[Any]) -> list[str]:
    return [EventKind(kind).value for kind in dict.fromkeys(kinds)]


def _record(
    session: Session,
    webhook: Webhook,
    principal: Principal,
    action: AuditAction,
    clock: Clock,
    **details: Any,
) -> None:
    """The host only: an address may hold a secret of the receiver's."""
    host, _ = parse_url(webhook.url)
    audit.record(
        session,
        actor=principal.actor,
        action=action,
        object_type="webhook",
        object_id=str(webhook.id),
        at=clock(),
        details={"host": host, **details},
    )
