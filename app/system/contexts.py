"""What the pages of help and system information show; the rules are those of app/clearing/contexts."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class HelpEntry:
    """One of our codes. `retryable`: a later try may succeed without anybody doing anything."""

    code: str
    title: str
    remedy: str
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class DeviceCodeEntry:
    """One code as a device or the bureau gives it; `family` is the kind of device, or bureau."""

    family: str
    code: str
    text: str
    remedy: str


@dataclass(frozen=True, slots=True)
class HelpPage:
    """help.html. `q` filters from the start, so that an error page can lead to its code."""

    q: str
    entries: tuple[HelpEntry, ...]
    device_codes: tuple[DeviceCodeEntry, ...]


@dataclass(frozen=True, slots=True)
class LockedGuidePage:
    """help_locked.html. `operator_id` is the operator whose page led here, "" without one."""

    operator_id: str


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """An agent as system information shows it."""

    name: str
    state: str
    software_version: str
    last_seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class HealthItem:
    """One thing that was looked at: severity ok, warning or blocking, with a sentence and a remedy."""

    severity: str
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class UpdateNotice:
    """A newer version: the sentence, where to read about it, and what it brings."""

    text: str
    url: str
    notes: str


@dataclass(frozen=True, slots=True)
class AboutPage:
    """about.html. `update` is None when no newer version is known."""

    software_version: str
    schema: str
    database: str
    python: str
    started_at: datetime
    uptime_seconds: int
    operators: int
    devices: int
    data_dir: str
    health: tuple[HealthItem, ...]
    agents: tuple[AgentInfo, ...]
    update: UpdateNotice | None = None
