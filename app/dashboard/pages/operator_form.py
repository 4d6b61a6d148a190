"""The form of 清卡操作 as a browser sends it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from app.clearing.schemas import RequestCreate
from app.clearing.states import Kind, Mode, Scope
from app.core.clock import SHANGHAI
from app.core.forms import parse
from app.dashboard.operator_contexts import ClearingForm
from app.errors import Invalid


class Submitted(BaseModel):
    """The form as a browser sends it: all texts, checked boxes repeated."""

    model_config = ConfigDict(extra="ignore")

    mode: str = Mode.REGULAR
    kind: str = Kind.DEVICE
    scope: str = Scope.FULL
    invoice_types: list[str] = []
    period: str = ""
    clearing_date: str = ""
    reason: str = ""
    contact_name: str = ""
    contact_phone: str = ""
    scheduled_for: str = ""
    override_window: str = ""
    exceptional: str = ""
    checklist: list[str] = []
    accepted_warnings: list[str] = []
    key: str = ""
    previewed: str = ""
    password: str = ""

    def again(self) -> ClearingForm:
        """The input to be shown again; never the password."""
        texts = {"override_window", "exceptional", "invoice_types", "checklist", "password"}
        texts |= {"accepted_warnings", "previewed"}
        return ClearingForm(
            **self.model_dump(exclude=texts),
            invoice_types=tuple(self.invoice_types),
            override_window=bool(self.override_window),
            exceptional=bool(self.exceptional),
            checklist=tuple(self.checklist),
        )

    def wanted(self, operator_id: UUID) -> RequestCreate:
        """What is asked for. Raises Invalid with a message per field."""
        values: dict[str, Any] = self.model_dump(exclude={"password", "key", "previewed"})
        values["operator_id"] = operator_id
        values["override_window"] = bool(self.override_window)
        values["exceptional"] = bool(self.exceptional)
        values["clearing_date"] = self.clearing_date or None
        values["scheduled_for"] = _local_moment(self.scheduled_for)
        if self.scope == Scope.FULL:
            values["invoice_types"] = []
        return parse(RequestCreate, values)


def _local_moment(text: str) -> datetime | None:
    """What a datetime-local field sends, in the time zone people here live in."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)
    except ValueError as error:
        raise Invalid(errors={"scheduled_for": "时间格式不正确"}) from error
