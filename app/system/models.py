"""Tables of the system itself."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.core.db import UtcDateTime


class IdempotencyKey(SQLModel, table=True):
    """The first answer to a POST with an Idempotency-Key; `status` is NULL while it is being made."""

    __tablename__ = "idempotency_keys"

    owner: str = Field(max_length=64, primary_key=True)
    key: str = Field(max_length=200, primary_key=True)
    fingerprint: str = Field(max_length=64)
    started_at: datetime = Field(sa_type=UtcDateTime, index=True)
    status: int | None = None
    headers: str = Field(default="", sa_type=sa.Text)
    body: bytes = Field(default=b"", sa_type=sa.LargeBinary)
