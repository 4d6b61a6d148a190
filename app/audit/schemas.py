"""What the API says about the trail."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from app.audit.models import AuditRecord
from app.audit.queries import details_of


class ActorPublic(BaseModel):
    """Who did it; `name` as it was then."""

    kind: str
    id: str
    name: str


class AuditRecordPublic(BaseModel):
    """One entry of the trail."""

    seq: int
    at: datetime
    actor: ActorPublic
    action: str
    object_type: str
    object_id: str
    ip: str
    details: dict[str, Any]
    version: int
    algorithm: str
    prev_hash: str
    hash: str

    @classmethod
    def of(cls, record: AuditRecord) -> "AuditRecordPublic":
        """The public form of a stored record."""
        return cls(
            seq=record.seq,
            at=record.at,
            actor=ActorPublic(kind=record.actor_kind, id=record.actor_id, name=record.actor_name),
            action=record.action,
            object_type=record.object_type,
            object_id=record.object_id,
            ip=record.ip,
            details=details_of(record),
            version=record.version,
            algorithm=record.algorithm,
            prev_hash=record.prev_hash,
            hash=record.hash,
        )


class CheckpointPublic(BaseModel):
    """A signed checkpoint of this moment, to be kept elsewhere."""

    size: int
    root: str = Field(description="RFC 6962 root over the first `size` records, base64")
    text: str = Field(description="C2SP checkpoint with its signature line")
    key: str = Field(description="C2SP verifier key")
    consistency: list[str] | None = Field(
        default=None, description="with `old_size`: RFC 6962 consistency proof, base64"
    )
