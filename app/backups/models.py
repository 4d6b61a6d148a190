"""Tables of backups: archives made before and after clearings, on demand, and of the whole system;
the copies of each on its targets, and the drills that proved that it restores.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.core.columns import EnumText, UtcDateTime, one_of
from app.core.ids import new_id


class BackupKind(StrEnum):
    """Why a backup was made."""

    PRE_CLEARING = "pre_clearing"
    POST_CLEARING = "post_clearing"
    ON_DEMAND = "on_demand"
    SYSTEM = "system"


class BackupState(StrEnum):
    """Whether the archive was read back and matched; deleted by the retention rules."""

    VERIFIED = "verified"
    DAMAGED = "damaged"
    DELETED = "deleted"


class CopyState(StrEnum):
    """What is known of the archive on one target. Failed: it could not be written there."""

    VERIFIED = "verified"
    DAMAGED = "damaged"
    FAILED = "failed"
    DELETED = "deleted"


class Backup(SQLModel, table=True):
    """备份: one archive that was written, read back and compared.

    `path` is relative to every target's root, `target` names the first one; `sha256` and `size` are of
    the file as it is kept, encrypted or not; `summary` is the manifest. `encryption` is the algorithm's
    name, empty without; `key_id` names the key.
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
    encryption: str = Field(
        default="", sa_column=sa.Column(sa.String(20), nullable=False, server_default="")
    )
    key_id: str = Field(
        default="", sa_column=sa.Column(sa.String(16), nullable=False, server_default="")
    )
    deleted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class BackupCopy(SQLModel, table=True):
    """A backup on one target, or the try to put it there. `verified_at`: when it last matched."""

    __tablename__ = "backup_copies"
    __table_args__ = (one_of("state", CopyState),)

    backup_id: UUID = Field(foreign_key="backups.id", primary_key=True)
    target: str = Field(max_length=40, primary_key=True)
    position: int = Field(default=0, description="order of the targets; 0 is the required one")
    path: str = Field(max_length=400)
    state: CopyState = Field(sa_type=EnumText(CopyState))
    verified_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    message: str = Field(default="", max_length=500)


class BackupDrill(SQLModel, table=True):
    """恢复演练: a backup restored into a scratch database and compared row by row.

    `engine` is where it was restored to (sqlite, postgresql), empty when it did not get that far.
    """

    __tablename__ = "backup_drills"
    __table_args__ = (sa.Index("ix_backup_drills_backup_id_id", "backup_id", "id"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    backup_id: UUID = Field(foreign_key="backups.id")
    started_at: datetime = Field(sa_type=UtcDateTime)
    finished_at: datetime = Field(sa_type=UtcDateTime)
    ok: bool
    engine: str = Field(default="", max_length=20)
    target: str = Field(default="", max_length=40)
    tables: int = 0
    rows: int = 0
    message: str = Field(max_length=500)
    started_by: str = Field(default="", max_length=120)
