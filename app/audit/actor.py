"""Who did something: an account, an API key, or the system itself."""

from dataclasses import dataclass
from enum import StrEnum


class ActorKind(StrEnum):
    """What kind of actor it is."""

    ACCOUNT = "account"
    API_KEY = "api_key"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as the audit trail keeps it: names are copied, so that a later renaming hides nothing."""

    kind: ActorKind
    id: str
    name: str
    ip: str = ""


SYSTEM = Actor(ActorKind.SYSTEM, "", "系统")
"""What nobody asked for: schedules, workflows, start-up."""
