"""What the API takes and gives for notifications, channels, webhooks and deliveries."""

from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

from app.accounts.schemas import StepUpPassword
from app.core.schemas import ABSENT, Email, Input, LongLine, Patch
from app.notifications.kinds import SUBSCRIBABLE, EventKind
from app.notifications.models import (
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    Event,
    Notification,
    Webhook,
)
from app.notifications.queries import DeliveryRow
from app.notifications.service.inbox import Choice
from app.notifications.service.webhooks import NewWebhook


def _subscribable(kinds: list[EventKind]) -> list[EventKind]:
    if any(kind not in SUBSCRIBABLE for kind in kinds):
        raise ValueError("不能订阅 test")
    return list(dict.fromkeys(kinds))


Kinds = Annotated[
    list[EventKind],
    Field(min_length=1, max_length=len(EventKind), description="kinds of events to send"),
    AfterValidator(_subscribable),
]
Addresses = Annotated[
    list[Annotated[Email, Field(min_length=3)]],
    Field(max_length=50, description="e-mail addresses"),
]
Url = Annotated[
    str, Field(min_length=1, max_length=1000, pattern=r"^[!-~]+$", description="ASCII, no blanks")
]


class NotificationPublic(BaseModel):
    """One line of the inbox. `link` is the page's path."""

    id: UUID
    kind: EventKind
    title: str
    text: str
    link: str
    object_type: str
    object_id: str
    at: datetime
    read_at: datetime | None

    @classmethod
    def of(cls, row: Notification, event: Event) -> "NotificationPublic":
        """From the rows."""
        return cls(
            id=event.id,
            kind=event.kind,
            title=event.title,
            text=event.text,
            link=event.link,
            object_type=event.object_type,
            object_id=event.object_id,
            at=event.at,
            read_at=row.read_at,
        )


class MarkRead(Input):
    """POST /notifications: mark these as read; without `ids` all of them."""

    ids: Annotated[list[UUID] | None, Field(max_length=500)] = None


class Unread(BaseModel):
    """What was marked, and what is left."""

    marked: int
    unread: int


class PreferenceItem(Input):
    """How one kind is heard of."""

    kind: EventKind
    in_app: bool
    email: bool


class PreferencesPublic(BaseModel):
    """GET /notifications/preferences. `email` is the own address; empty: the operator's."""

    email: str
    kinds: list[PreferenceItem]

    @classmethod
    def of(cls, email: str, choices: dict[EventKind, Choice]) -> "PreferencesPublic":
        """From the account's choices."""
        items = [
            PreferenceItem(kind=kind, in_app=one.in_app, email=one.email)
            for kind, one in choices.items()
        ]
        return cls(email=email, kinds=items)


class PreferencesUpdate(Patch):
    """PATCH /notifications/preferences: only the kinds that are named change."""

    email: Email = ABSENT
    kinds: Annotated[list[PreferenceItem], Field(max_length=len(EventKind))] = ABSENT


class Confirmation(Input):
    """The password of the person who changes where data are sent; nothing with an API key."""

    password: StepUpPassword = None


class WebhookCreate(Confirmation):
    """A new webhook."""

    url: Url
    kinds: Kinds
    description: LongLine = ""


class WebhookUpdate(Patch):
    """Changes of a webhook. `enabled: true` forgets its failures."""

    nullable: ClassVar[frozenset[str]] = frozenset({"password"})

    url: Url = ABSENT
    kinds: Kinds = ABSENT
    description: LongLine = ABSENT
    enabled: bool = ABSENT
    password: StepUpPassword = ABSENT


class WebhookPublic(BaseModel):
    """A webhook; its secret is not shown."""

    id: UUID
    url: str
    description: str
    kinds: list[EventKind]
    enabled: bool
    failures: int
    disabled_reason: str
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Webhook) -> "WebhookPublic":
        """From the row."""
        return cls(**row.model_dump(include=set(cls.model_fields)))


class WebhookCreated(WebhookPublic):
    """The answer to POST only: `secret` (whsec_…) is never shown again."""

    secret: str

    @classmethod
    def of_new(cls, new: NewWebhook) -> "WebhookCreated":
        """From the registration."""
        return cls(**WebhookPublic.of(new.webhook).model_dump(), secret=new.secret)


class AttemptPublic(BaseModel):
    """One try; `status` is the HTTP or SMTP code, 0 without an answer."""

    number: int
    at: datetime
    milliseconds: int
    ok: bool
    status: int
    message: str


class DeliveryPublic(BaseModel):
    """One event on its way to one receiver."""

    id: UUID
    event_id: UUID
    kind: EventKind
    title: str
    channel_id: UUID | None
    webhook_id: UUID | None
    receiver: str
    recipient: str
    state: DeliveryState
    attempts: int
    next_at: datetime | None
    error_code: str
    error_message: str
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, row: DeliveryRow) -> "DeliveryPublic":
        """From the rows."""
        return cls(**_delivery_values(row))


class DeliveryDetail(DeliveryPublic):
    """With its tries."""

    tries: list[AttemptPublic]

    @classmethod
    def of_attempts(cls, row: DeliveryRow, attempts: list[DeliveryAttempt]) -> "DeliveryDetail":
        """From the rows."""
        fields = set(AttemptPublic.model_fields)
        tries = [AttemptPublic(**one.model_dump(include=fields)) for one in attempts]
        return cls(**_delivery_values(row), tries=tries)


_SAME = {
    "id",
    "event_id",
    "channel_id",
    "webhook_id",
    "recipient",
    "state",
    "attempts",
    "error_code",
    "error_message",
    "created_at",
    "finished_at",
}


def _delivery_values(row: DeliveryRow) -> dict[str, Any]:
    delivery: Delivery = row.delivery
    waiting = delivery.state is DeliveryState.PENDING
    return {
        **delivery.model_dump(include=_SAME),
        "kind": row.event.kind,
        "title": row.event.title,
        "receiver": row.receiver,
        "next_at": delivery.next_at if waiting else None,
    }
