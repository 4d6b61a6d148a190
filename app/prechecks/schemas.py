"""What the REST API gives about pre-checks."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from app.contracts.periods import Period
from app.prechecks import Severity


class EvidencePublic(BaseModel):
    """One thing a pre-check looked at, in words and figures."""

    model_config = ConfigDict(from_attributes=True)

    label: str
    value: str


class CheckPublic(BaseModel):
    """One pre-check. `device_number` is empty for what concerns no single device."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    severity: Severity
    message: str
    remedy: str
    device_number: str
    evidence: list[EvidencePublic]


class KeptCheckPublic(CheckPublic):
    """A pre-check as an attempt found it; attempt 0 is what was shown when the request was submitted."""

    attempt: int
    accepted: bool = Field(description="a warning that was accepted")
    at: datetime


class PreChecksPublic(BaseModel):
    """GET /operators/{id}/pre-checks."""

    ok: bool
    period: Period
    checks: list[CheckPublic]
