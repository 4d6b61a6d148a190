"""The table of recurring work."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.core.columns import UtcDateTime


class Job(SQLModel, table=True):
    """A recurring piece of work and when it is due next; `state` is what it remembers between runs."""

    __tablename__ = "scheduled_jobs"

    name: str = Field(max_length=60, primary_key=True)
    due_at: datetime = Field(sa_type=UtcDateTime)
    leased_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    lease: str = Field(default="", max_length=64)
    state: dict[str, Any] = Field(default_factory=dict, sa_type=sa.JSON)
    last_run_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_result: str = Field(default="", max_length=500)
    failures: int = 0
