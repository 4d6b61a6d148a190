"""What the pages of notifications show; the rules are those of app/clearing/contexts."""

from dataclasses import dataclass, field
from datetime import datetime

from app.core.page_parts import Pager, Segment


@dataclass(frozen=True, slots=True)
class NotificationRow:
    """One line of the inbox; `facts` are the lines of its text."""

    id: str
    kind_label: str
    tone: str
    title: str
    facts: tuple[str, ...]
    code: str
    href: str
    at: datetime
    unread: bool


@dataclass(frozen=True, slots=True)
class InboxPage:
    """notifications/inbox.html."""

    rows: tuple[NotificationRow, ...]
    unread: int
    segments: tuple[Segment, ...]
    pager: Pager


@dataclass(frozen=True, slots=True)
class PreferenceRow:
    """One kind and how it is heard of."""

    kind: str
    label: str
    in_app: bool
    email: bool


@dataclass(frozen=True, slots=True)
class PreferencesPage:
    """notifications/preferences.html. `fallback` is the operator's address, used when `email` is empty."""

    rows: tuple[PreferenceRow, ...]
    email: str
    fallback: str
    errors: dict[str, str]


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """One channel. `kind` is email or robot; `who` says in words whom it reaches."""

    id: str
    name: str
    kind: str
    address: str
    kinds: tuple[str, ...]
    who: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class ChannelForm:
    """What stands in the form of a channel, never a secret; addresses are separated by commas or lines."""

    name: str = ""
    url: str = ""
    host: str = ""
    port: str = ""
    encryption: str = "starttls"
    user: str = ""
    sender: str = ""
    sender_name: str = ""
    kinds: list[str] = field(default_factory=list)
    finance: str = ""
    business: str = ""
    to_operator: bool = True
    to_accounts: bool = True


@dataclass(frozen=True, slots=True)
class ChannelPage:
    """notifications/channel.html. `id` is empty for a new one, `kind` is email or robot.

    `address` is where it leads now, without secrets, and `readable` whether what is kept can be read;
    `has_secret`: a password, or what a robot signs with. `lost`: secrets were typed and not kept.
    """

    id: str
    kind: str
    title: str
    address: str
    readable: bool
    has_secret: bool
    kind_options: tuple[tuple[str, str], ...]
    encryption_options: tuple[tuple[str, str], ...]
    examples: tuple[tuple[str, str], ...]
    form: ChannelForm
    errors: dict[str, str]
    lost: bool


@dataclass(frozen=True, slots=True)
class ChannelsPage:
    """notifications/channels.html. `asked`: test-, switch- or remove- and the channel's id, or empty."""

    rows: tuple[ChannelRow, ...]
    errors: dict[str, str]
    asked: str


@dataclass(frozen=True, slots=True)
class WebhookRow:
    """One webhook. `failures` in a row; `reason` why it is off."""

    id: str
    url: str
    description: str
    kinds: tuple[str, ...]
    enabled: bool
    failures: int
    reason: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class WebhookForm:
    """What was typed for a new webhook."""

    url: str = ""
    description: str = ""
    kinds: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class WebhooksPage:
    """notifications/webhooks.html. `secret` is shown on this page only, never again."""

    rows: tuple[WebhookRow, ...]
    kind_options: tuple[tuple[str, str], ...]
    form: WebhookForm
    errors: dict[str, str]
    asked: str
    secret: str


@dataclass(frozen=True, slots=True)
class DeliveryRowView:
    """One delivery; `state` is pending, delivered, dead or cancelled."""

    id: str
    title: str
    receiver: str
    recipient: str
    state: str
    attempts: int
    next_at: datetime | None
    code: str
    message: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DeliveriesPage:
    """notifications/deliveries.html."""

    rows: tuple[DeliveryRowView, ...]
    segments: tuple[Segment, ...]
    pager: Pager


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One try; `status` is the HTTP or SMTP code, 0 without an answer."""

    number: int
    at: datetime
    milliseconds: int
    ok: bool
    status: int
    message: str


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """notifications/delivery.html."""

    delivery: DeliveryRowView
    kind_label: str
    facts: tuple[str, ...]
    href: str
    remedy: str
    attempts: tuple[AttemptRow, ...]
