"""Tables of audit: the records, the head of their chain, and signed checkpoints.

`audit_records` and `audit_checkpoints` are append-only by triggers of the database (migration 0001).
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

from app.audit.actions import OBJECT_LABELS, AuditAction
from app.audit.actor import ActorKind
from app.audit.canonical import GENESIS, moment
from app.core.columns import UtcDateTime

RowNumber = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""On SQLite INTEGER makes the number the row's own place in the file, read in order without an index."""


UNREADABLE = datetime(1, 1, 1, tzinfo=UTC)
"""Stands for a stored time that is none: the list still opens, and verification names the record."""


class CanonicalTime(TypeDecorator[datetime]):
    """A moment stored as the very text that is hashed, the same on every database."""

    impl = sa.String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return None if value is None else moment(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except ValueError:
            return UNREADABLE


class AuditRecord(SQLModel, table=True):
    """One entry of the trail. `details` is canonical JSON; hashes are hex."""

    __tablename__ = "audit_records"
    __table_args__: Any = (
        sa.Index("ix_audit_records_object", "object_type", "object_id", "seq"),
        sa.Index("ix_audit_records_actor", "actor_id", "seq"),
        sa.Index("ix_audit_records_action", "action", "seq"),
        sa.Index("ix_audit_records_at", "at", "seq"),
    )

    seq: int = Field(sa_column=sa.Column(RowNumber, primary_key=True, autoincrement=False))
    at: datetime = Field(sa_column=sa.Column(CanonicalTime, nullable=False))
    actor_kind: str = Field(max_length=16)
    actor_id: str = Field(max_length=64)
    actor_name: str = Field(max_length=200)
    action: str = Field(max_length=64)
    object_type: str = Field(max_length=64)
    object_id: str = Field(max_length=100)
    ip: str = Field(max_length=64)
    details: str = Field(sa_column=sa.Column(sa.Text, nullable=False))
    version: int
    algorithm: str = Field(max_length=16)
    prev_hash: str = Field(max_length=64)
    hash: str = Field(max_length=64)

    @property
    def actor_label(self) -> str:
        """Who, as pages show it."""
        return self.actor_name or self.actor_id or ACTOR_LABELS.get(self.actor_kind, "")

    @property
    def action_label(self) -> str:
        """What, as pages show it; an action of a newer version is shown by its name."""
        known = AuditAction._value2member_map_.get(self.action)
        return known.label if isinstance(known, AuditAction) else self.action

    @property
    def object_label(self) -> str:
        """The type of the object, as pages show it."""
        return OBJECT_LABELS.get(self.object_type, self.object_type)


ACTOR_LABELS: dict[str, str] = {
    ActorKind.ACCOUNT: "账号",
    ActorKind.API_KEY: "API 密钥",
    ActorKind.SYSTEM: "系统",
}


class AuditHead(SQLModel, table=True):
    """The one row that says where the chain ends; who holds its lock appends next."""

    __tablename__ = "audit_head"
    __table_args__: Any = (sa.CheckConstraint("id = 1", name="single"),)

    id: int = Field(
        default=1, sa_column=sa.Column(sa.Integer, primary_key=True, autoincrement=False)
    )
    seq: int = Field(default=0, sa_column=sa.Column(sa.BigInteger, nullable=False))
    hash: str = Field(default=GENESIS, max_length=64)


class AuditCheckpoint(SQLModel, table=True):
    """A signed statement about the first `size` records (C2SP checkpoint in `text`).

    `frontier` are the roots (hex, comma separated) of the complete subtrees, from left to right, so
    that the next checkpoint only reads the records that came since.
    """

    __tablename__ = "audit_checkpoints"

    id: int = Field(sa_column=sa.Column(RowNumber, primary_key=True, autoincrement=False))
    at: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
    size: int = Field(sa_column=sa.Column(sa.BigInteger, nullable=False))
    root: str = Field(max_length=64)
    frontier: str = Field(sa_column=sa.Column(sa.Text, nullable=False))
    text: str = Field(sa_column=sa.Column(sa.Text, nullable=False))
