"""What the REST API gives about backups."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from app.backups.models import BackupKind, BackupState


class BackupPublic(BaseModel):
    """One backup; `summary` is the archive's manifest."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    kind: BackupKind
    state: BackupState
    request_id: UUID | None
    operator_id: UUID | None
    operator_name: str
    period: str | None
    target: str
    path: str
    size: int
    sha256: str
    algorithm: str
    invoices: int
    summary: dict[str, Any]
    created_at: datetime
    verified_at: datetime
    check_message: str
