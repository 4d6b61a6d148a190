"""Tables of notifications: the outbox, inboxes, preferences, channels, webhooks, deliveries, jobs."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.core.columns import EnumText, UtcDateTime, one_of
from app.core.ids import new_id
from app.notifications.kinds import EventKind


class ChannelKind(StrEnum):
    """How a channel sends."""

    EMAIL = "email"
    ROBOT = "robot"  # a group robot: 企业微信, 钉钉, 飞书, or a plain JSON receiver


class DeliveryState(StrEnum):
    """`dead`: given up after the last attempt; `cancelled`: the target was removed."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    CANCELLED = "cancelled"


class Event(SQLModel, table=True):
    """One thing that happened, written in the transaction that made it happen (the outbox).

    `data` are the facts; title, text and link are made of them when the event is spread to its
    receivers. `only_target`: a test, for this channel or webhook alone. `dedupe_key` keeps a reminder
    from being written twice.
    """

    __tablename__ = "notification_events"
    __table_args__ = (
        sa.Index(
            "ix_notification_events_waiting",
            "id",
            sqlite_where=sa.text("spread_at IS NULL"),
            postgresql_where=sa.text("spread_at IS NULL"),
        ),
        sa.Index("ix_notification_events_at", "at"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    kind: EventKind = Field(sa_type=EnumText(EventKind, 40))
    object_type: str = Field(max_length=40)
    object_id: str = Field(max_length=100)
    enterprise_id: UUID | None = Field(default=None)
    operator_id: UUID | None = Field(default=None)
    requester_id: str = Field(default="", max_length=80)
    only_target: UUID | None = Field(default=None)
    dedupe_key: str | None = Field(default=None, max_length=120, unique=True)
    data: dict[str, Any] = Field(sa_type=sa.JSON)
    title: str = Field(default="", max_length=200)
    text: str = Field(default="", sa_type=sa.Text)
    link: str = Field(default="", max_length=200)
    at: datetime = Field(sa_type=UtcDateTime)
    spread_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Notification(SQLModel, table=True):
    """An event in the inbox of an account."""

    __tablename__ = "notifications"
    __table_args__ = (
        sa.Index(
            "ix_notifications_unread",
            "account_id",
            sqlite_where=sa.text("read_at IS NULL"),
            postgresql_where=sa.text("read_at IS NULL"),
        ),
    )

    account_id: UUID = Field(foreign_key="accounts.id", primary_key=True)
    event_id: UUID = Field(foreign_key="notification_events.id", primary_key=True, index=True)
    read_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Preference(SQLModel, table=True):
    """What an account has chosen for a kind; without a row the rule of the kind holds."""

    __tablename__ = "notification_preferences"

    account_id: UUID = Field(foreign_key="accounts.id", primary_key=True)
    kind: EventKind = Field(sa_type=EnumText(EventKind, 40), primary_key=True)
    in_app: bool
    email: bool


class Address(SQLModel, table=True):
    """Where an account gets its e-mails; without a row that of its operator is used."""

    __tablename__ = "notification_addresses"

    account_id: UUID = Field(foreign_key="accounts.id", primary_key=True)
    email: str = Field(max_length=254)


class Channel(SQLModel, table=True):
    """A way out that an admin has set up. `sealed_url` is encrypted (core.crypto); it holds secrets.

    `finance` and `business` are lists of addresses (e-mail only); `to_operator` adds the address of the
    operator concerned, `to_accounts` those of the accounts concerned that want e-mail.
    """

    __tablename__ = "notification_channels"
    __table_args__ = (one_of("kind", ChannelKind), sa.CheckConstraint("name <> ''", name="name"))

    id: UUID = Field(default_factory=new_id, primary_key=True)
    name: str = Field(max_length=100)
    kind: ChannelKind = Field(sa_type=EnumText(ChannelKind))
    sealed_url: str = Field(sa_type=sa.Text)
    shown_url: str = Field(max_length=300)
    kinds: list[str] = Field(sa_type=sa.JSON)
    finance: list[str] = Field(default_factory=list, sa_type=sa.JSON)
    business: list[str] = Field(default_factory=list, sa_type=sa.JSON)
    to_operator: bool = False
    to_accounts: bool = True
    enabled: bool = True
    removed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revision: int = 1
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class Webhook(SQLModel, table=True):
    """A receiver of Standard Webhooks. `failures` counts the attempts since the last success."""

    __tablename__ = "webhooks"
    __table_args__ = (sa.CheckConstraint("url <> ''", name="url"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    url: str = Field(max_length=1000)
    description: str = Field(default="", max_length=200)
    sealed_secret: str = Field(max_length=300)
    kinds: list[str] = Field(sa_type=sa.JSON)
    enabled: bool = True
    failures: int = 0
    disabled_reason: str = Field(default="", max_length=200)
    removed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revision: int = 1
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class Delivery(SQLModel, table=True):
    """One event on its way to one receiver. `target_id` is the channel's or the webhook's id.

    `leased_until` and `lease` say which sender has it in hand; an expired lease may be taken over.
    """

    __tablename__ = "notification_deliveries"
    __table_args__ = (
        one_of("state", DeliveryState),
        sa.CheckConstraint("(channel_id IS NULL) <> (webhook_id IS NULL)", name="target"),
        sa.Index(
            "ix_notification_deliveries_due",
            "next_at",
            "id",
            sqlite_where=sa.text("state = 'pending'"),
            postgresql_where=sa.text("state = 'pending'"),
        ),
        sa.Index("ix_notification_deliveries_target_id", "target_id", "id"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    event_id: UUID = Field(foreign_key="notification_events.id", index=True)
    channel_id: UUID | None = Field(default=None, foreign_key="notification_channels.id")
    webhook_id: UUID | None = Field(default=None, foreign_key="webhooks.id")
    target_id: UUID
    recipient: str = Field(default="", max_length=254)
    state: DeliveryState = Field(default=DeliveryState.PENDING, sa_type=EnumText(DeliveryState))
    attempts: int = 0
    tries_left: int
    next_at: datetime = Field(sa_type=UtcDateTime)
    leased_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    lease: str = Field(default="", max_length=64)
    error_code: str = Field(default="", max_length=80)
    error_message: str = Field(default="", max_length=500)
    created_at: datetime = Field(sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class DeliveryAttempt(SQLModel, table=True):
    """One try of a delivery. `status` is the HTTP or SMTP code, 0 without an answer."""

    __tablename__ = "notification_attempts"

    delivery_id: UUID = Field(foreign_key="notification_deliveries.id", primary_key=True)
    number: int = Field(primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)
    milliseconds: int
    ok: bool
    status: int = 0
    message: str = Field(default="", max_length=500)
