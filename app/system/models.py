"""Tables of the system itself."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.core.columns import UtcDateTime


class IdempotencyKey(SQLModel, table=True):
    """The first answer to a POST with an Idempotency-Key, written in the transaction of its change.

    `owner` is the principal, `rights` what it might do then, in short; `body` is sealed (core.crypto).
    """

    __tablename__ = "idempotency_keys"

    owner: str = Field(max_length=80, primary_key=True)
    key: str = Field(max_length=200, primary_key=True)
    fingerprint: str = Field(max_length=64)
    rights: str = Field(max_length=64)
    answered_at: datetime = Field(sa_type=UtcDateTime, index=True)
    status: int
    headers: str = Field(sa_type=sa.Text)
    body: str = Field(sa_type=sa.Text)


class RuntimeSetting(SQLModel, table=True):
    """A setting that admins have changed at run time; the environment wins over it (see `rules`)."""

    __tablename__ = "settings"

    name: str = Field(max_length=60, primary_key=True)
    value: Any = Field(sa_type=sa.JSON)
    updated_by: str = Field(max_length=120)
    updated_at: datetime = Field(sa_type=UtcDateTime)
