"""What the settings pages of operators show; the rules are those of app/clearing/contexts."""

from dataclasses import dataclass, field

from pydantic import BaseModel

from app.core.page_parts import Option, Pager


class OperatorForm(BaseModel):
    """Input as typed. `revision` is the row's when the page was made, 0 for a new operator."""

    code: str = ""
    name: str = ""
    enterprise_id: str = ""
    department: str = ""
    phone: str = ""
    email: str = ""
    active: bool = False
    revision: int = 0


@dataclass(frozen=True, slots=True)
class OperatorLine:
    """One line of the list."""

    id: str
    code: str
    name: str
    enterprise: str
    department: str
    phone: str
    active: bool
    device_count: int


@dataclass(frozen=True, slots=True)
class OperatorsPage:
    """operators/list.html."""

    q: str
    enterprise_id: str
    limit: int
    enterprises: tuple[Option, ...]
    rows: tuple[OperatorLine, ...]
    pager: Pager
    form: OperatorForm
    can_change: bool = False
    dialog_open: bool = False
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OperatorEditPage:
    """operators/detail.html: one operator to change, or only to look at."""

    id: str
    title: str
    enterprises: tuple[Option, ...]
    device_count: int
    form: OperatorForm
    can_change: bool = False
    can_hand_over: bool = False
    asked: bool = False
    receiver_code: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    handover_errors: dict[str, str] = field(default_factory=dict)
