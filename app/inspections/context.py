"""What an inspection looks at things with."""

from dataclasses import dataclass

from app.core.clock import Clock
from app.core.db import Database
from app.core.metrics import RequestMetrics
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """The process's own; `metrics` is of the process that makes the inspection."""

    database: Database
    settings: Settings
    clock: Clock
    metrics: RequestMetrics
