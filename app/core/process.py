"""What every process of the product holds, for work that no request brings along."""

from dataclasses import dataclass

from app.core.clock import Clock
from app.core.db import Database
from app.core.metrics import RequestMetrics
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Process:
    """The process's own; `metrics` counts the requests it has answered."""

    database: Database
    settings: Settings
    clock: Clock
    metrics: RequestMetrics
