"""Deliveries: take one in hand, note how a try went, send one again.

A lease says who has a delivery in hand: two senders, in two processes even, never send one at the same
time. It runs by the database's clock, as those of the processes differ. A sender that dies loses its leases
by time, and the delivery is tried again: receivers may get a message twice, under the same id, but never
miss it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app.accounts.principal import Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.actor import SYSTEM
from app.core.clock import Clock
from app.core.db import Database, Session, shared_now
from app.core.ids import new_token
from app.notifications import due_queries, queries, wake
from app.notifications.errors import DeliveryPending, TargetOff
from app.notifications.kinds import EventKind
from app.notifications.models import Channel, Delivery, DeliveryAttempt, DeliveryState, Webhook
from app.notifications.sending.result import Result
from app.notifications.sending.targets import parse_url
from app.notifications.service.publish import Subject, publish
from app.notifications.service.spread import TRIES, backoff

LEASE = timedelta(minutes=2)
"""Longer than any try may take."""
DISABLE_AFTER = 30
"""A webhook that fails so often in a row is switched off; admins are told."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery in hand until the lease ends."""

    delivery_id: UUID
    lease: str


def claim_due(database: Database, clock: Clock, limit: int) -> list[Claim]:
    """Take deliveries in hand that are due, at most one a receiver."""
    with database.reading() as session:
        now = shared_now(session, clock)
        due = due_queries.due_deliveries(session, due=clock(), now=now, limit=limit)
    return [claim for one in due if (claim := _claim(database, one, clock)) is not None]


def claim_next(session: Session, claim: Claim, clock: Clock) -> Claim | None:
    """The next delivery that is due to the receiver of one that has just been finished, if any."""
    receiver = queries.delivery(session, claim.delivery_id).target_id
    now = shared_now(session, clock)
    delivery = due_queries.next_of_target(session, receiver, due=clock(), now=now)
    return None if delivery is None else _take(session, delivery, now)


def _take(session: Session, delivery: Delivery, now: datetime) -> Claim:
    delivery.lease, delivery.leased_until = new_token(128), now + LEASE
    session.add(delivery)
    return Claim(delivery.id, delivery.lease)


def _claim(database: Database, delivery_id: UUID, clock: Clock) -> Claim | None:
    with database.transaction() as session:
        now = shared_now(session, clock)
        delivery = due_queries.claimable(session, delivery_id, due=clock(), now=now)
        if delivery is None:
            return None
        return _take(session, delivery, now)


def finish(
    session: Session, claim: Claim, result: Result, *, milliseconds: int, at: datetime
) -> None:
    """Note a try. A claim whose lease was lost notes nothing: another sender has the delivery."""
    delivery = queries.delivery(session, claim.delivery_id, for_change=True)
    if delivery.lease != claim.lease or delivery.state is not DeliveryState.PENDING:
        return
    delivery.attempts += 1
    delivery.lease, delivery.leased_until = "", None
    session.add(
        DeliveryAttempt(
            delivery_id=delivery.id,
            number=delivery.attempts,
            at=at,
            milliseconds=milliseconds,
            ok=result.ok,
            status=result.status,
            message=result.message,
        )
    )
    if result.ok:
        _succeed(delivery, at)
    else:
        _fail(delivery, result, at)
    session.add(delivery)
    _note_webhook(session, delivery, result, at)


def replay(session: Session, delivery_id: UUID, *, principal: Principal, clock: Clock) -> Delivery:
    """Send a delivery again, under the same message id. Raises DeliveryPending, TargetOff."""
    delivery = queries.delivery(session, delivery_id, for_change=True)
    if delivery.state is DeliveryState.PENDING and delivery.leased_until is not None:
        raise DeliveryPending
    target = require_on(session, delivery)
    delivery.state, delivery.finished_at = DeliveryState.PENDING, None
    delivery.tries_left, delivery.next_at = TRIES, clock()
    delivery.error_code = delivery.error_message = ""
    session.add(delivery)
    wake.after_commit(session)
    audit.record(
        session,
        actor=principal.actor,
        action=AuditAction.WEBHOOK_REPLAYED,
        object_type="webhook" if isinstance(target, Webhook) else "notification_channel",
        object_id=str(target.id),
        at=clock(),
        details={"delivery": str(delivery.id), "recipient": delivery.recipient},
    )
    return delivery


def require_on(session: Session, delivery: Delivery) -> Channel | Webhook:
    """The receiver. Raises TargetOff when it is switched off or removed."""
    target: Channel | Webhook = (
        session.get_one(Channel, delivery.channel_id)
        if delivery.channel_id
        else session.get_one(Webhook, delivery.webhook_id)
    )
    if not target.enabled or target.removed_at is not None:
        raise TargetOff
    return target


def _succeed(delivery: Delivery, at: datetime) -> None:
    delivery.state, delivery.finished_at = DeliveryState.DELIVERED, at
    delivery.error_code = delivery.error_message = ""


def _fail(delivery: Delivery, result: Result, at: datetime) -> None:
    delivery.error_code, delivery.error_message = result.code, result.message
    delivery.tries_left -= 1
    if result.final or delivery.tries_left <= 0:
        delivery.state, delivery.finished_at = DeliveryState.DEAD, at
    else:
        delivery.next_at = at + backoff(TRIES - delivery.tries_left)


def _note_webhook(session: Session, delivery: Delivery, result: Result, at: datetime) -> None:
    if delivery.webhook_id is None:
        return
    webhook = queries.locked_webhook(session, delivery.webhook_id)
    webhook.failures = 0 if result.ok else webhook.failures + 1
    session.add(webhook)
    gone = result.code == "webhook.gone"
    if webhook.enabled and (gone or webhook.failures >= DISABLE_AFTER):
        reason = "接收方已声明不再接收（410）" if gone else f"连续 {webhook.failures} 次投递失败"
        _switch_off(session, webhook, reason, result, at)


def _switch_off(
    session: Session, webhook: Webhook, reason: str, result: Result, at: datetime
) -> None:
    webhook.enabled, webhook.disabled_reason = False, reason
    webhook.revision += 1
    webhook.updated_at = at
    host, _ = parse_url(webhook.url)
    publish(
        session,
        EventKind.WEBHOOK_DISABLED,
        subject=Subject("webhook", str(webhook.id)),
        data={
            "host": host,
            "code": result.code,
            "message": f"{reason}；最近一次：{result.message}",
            "remedy": "修复接收方后在系统设置 → Webhook 中重新启用，并重发失败的投递。",
        },
        at=at,
    )
    audit.record(
        session,
        actor=SYSTEM,
        action=AuditAction.WEBHOOK_CHANGED,
        object_type="webhook",
        object_id=str(webhook.id),
        at=at,
        details={"enabled": False, "reason": reason},
    )
