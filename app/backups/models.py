"""Table of backups: archives made before and after clearings, on demand, and of the whole system."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.core.db import EnumText, UtcDateTime, one_of
from app.core.ids import new_id


class BackupKind(StrEnum):
    """Why a backup was made."""

    PRE_CLEARING = "pre_clearing"
    POST_CLEARING = "post_clearing"
    ON_DEMAND = "on_demand"


class BackupState(StrEnum):
    """Whether the archive was read back and matched."""

    VERIFIED = "verified"
    DAMAGED = "damaged"


class Backup(SQLModel, table=True):
    """备份: one archive that was written, read back and compared.

    `path` is relative to the target's root; `sha256` is over the whole archive; `summary` holds the
    manifest without its parts' contents.
    """

    __tablename__ = "backups"
    __table_args__ = (
        one_of("kind", BackupKind),
        one_of("state", BackupState),
        sa.Index("ix_backups_created_at_id", "created_at", "id"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    kind: BackupKind = Field(sa_type=EnumText(BackupKind))
    state: BackupState = Field(sa_type=EnumText(BackupState))
    request_id: UUID | None = Field(default=None, index=True)
    enterprise_id: UUID | None = Field(default=None, foreign_key="enterprises.id", index=True)
    operator_id: UUID | None = Field(default=None, foreign_key="operators.id", index=True)
    operator_name: str = Field(default="", max_length=80)
    period: str | None = Field(default=None, max_length=7)
    target: str = Field(default="local", max_length=40)
    path: str = Field(max_length=400)
    size: int = Field(sa_type=sa.BigInteger)
    sha256: str = Field(max_length=64)
    algorithm: str = Field(default="SHA-256", max_length=20)
    invoices: int = 0
    summary: dict[str, Any] = Field(sa_type=sa.JSON)
    created_at: datetime = Field(sa_type=UtcDateTime)
    verified_at: datetime = Field(sa_type=UtcDateTime)
    check_message: str = Field(default="", max_length=500)
