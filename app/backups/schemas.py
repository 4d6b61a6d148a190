"""What the REST API takes and gives about backups."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from app.backups.models import BackupKind, BackupState, CopyState
from app.backups.service.comparison import Verdict
from app.contracts.periods import Period
from app.core.schemas import Input

PeriodText = Annotated[Period, Field(description="YYYY-MM", examples=["2026-11"])]


class CopyPublic(BaseModel):
    """The backup on one target. `message` says what the last look at it found."""

    model_config = ConfigDict(from_attributes=True)

    target: str
    path: str
    state: CopyState
    verified_at: datetime | None
    message: str


class BackupPublic(BaseModel):
    """One backup; `summary` is the archive's manifest, size and SHA-256 are of the file as kept."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    kind: BackupKind
    state: BackupState
    request_id: UUID | None
    enterprise_id: UUID | None
    operator_id: UUID | None
    operator_name: str
    period: str | None
    target: str
    path: str
    size: int
    sha256: str
    algorithm: str
    encryption: str
    key_id: str
    invoices: int
    summary: dict[str, Any]
    created_at: datetime
    verified_at: datetime
    check_message: str
    deleted_at: datetime | None
    copies: list[CopyPublic] = []


class BackupCreate(Input):
    """What to back up now: an operator's period, an enterprise (one period or all), or the whole system."""

    kind: BackupKind = BackupKind.ON_DEMAND
    operator_id: UUID | None = None
    enterprise_id: UUID | None = None
    period: PeriodText | None = None

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        subjects = [one for one in (self.operator_id, self.enterprise_id) if one is not None]
        if self.kind not in (BackupKind.ON_DEMAND, BackupKind.SYSTEM):
            raise ValueError("只能新建手工备份或全系统备份")
        if self.kind is BackupKind.SYSTEM and (subjects or self.period):
            raise ValueError("全系统备份不能指定操作员、企业或属期")
        if self.kind is BackupKind.ON_DEMAND and len(subjects) != 1:
            raise ValueError("请指定操作员或企业之一")
        if self.operator_id is not None and self.period is None:
            raise ValueError("备份操作员的数据时请指定属期")
        return self


class BackupRestore(Input):
    """`preview` changes nothing. People prove who they are with `password`; API keys need the scope."""

    preview: bool = True
    password: SecretStr | None = None


class DevicePreviewPublic(BaseModel):
    """What becomes of the rows of one device."""

    model_config = ConfigDict(from_attributes=True)

    device_number: str
    returning: int
    changing: int
    unchanged: int
    drafts_returning: int
    conflicts: int


class ShownPublic(BaseModel):
    """One invoice that is not as the backup holds it; `fields` differ."""

    model_config = ConfigDict(from_attributes=True)

    device_number: str
    invoice_type: str
    code: str
    number: str
    draft: bool
    verdict: Verdict
    fields: list[str]
    reason: str


class RestorePublic(BaseModel):
    """What a restore would do (`preview`), or did. `rows` lists at most 100 of them."""

    model_config = ConfigDict(from_attributes=True)

    backup_id: UUID
    preview: bool = True
    target: str
    writes: int
    total: int
    devices: list[DevicePreviewPublic]
    rows: list[ShownPublic]
    blockers: list[str]


class DrillPublic(BaseModel):
    """The report of a drill."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    backup_id: UUID
    ok: bool
    engine: str
    target: str
    tables: int
    rows: int
    message: str
    started_at: datetime
    finished_at: datetime
    started_by: str
