"""Who did something: an account, an API key, or the system itself."""

import getpass
import os
import socket
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


def shell_actor() -> Actor:
    """Who works at the command line: the user of the machine, before sudo if there was one, and its name."""
    user = os.environ.get("SUDO_USER") or _user()
    name = f"{user}@{socket.gethostname()}"[:64]
    return Actor(ActorKind.SYSTEM, name, f"命令行 {name}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"uid {os.getuid()}"
