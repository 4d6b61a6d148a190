"""What the pages of enterprises show; the rules are those of app/clearing/contexts."""

from dataclasses import dataclass, field

from pydantic import BaseModel

from app.core.page_parts import Pager


class EnterpriseForm(BaseModel):
    """Input as typed. `revision` is the row's when the page was made, 0 for a new enterprise."""

    tax_no: str = ""
    name: str = ""
    tax_authority_code: str = ""
    tax_authority_name: str = ""
    filing_cycle: str = "monthly"
    contact_name: str = ""
    contact_phone: str = ""
    contact_email: str = ""
    review_required: bool = False
    revision: int = 0


@dataclass(frozen=True, slots=True)
class EnterpriseRow:
    """One line of the list."""

    id: str
    name: str
    tax_no: str
    tax_authority_name: str
    filing_cycle: str
    contact_name: str
    contact_phone: str
    review_required: bool


@dataclass(frozen=True, slots=True)
class EnterprisesPage:
    """enterprises/list.html."""

    q: str
    limit: int
    rows: tuple[EnterpriseRow, ...]
    pager: Pager
    form: EnterpriseForm
    can_change: bool = False
    dialog_open: bool = False
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EnterprisePage:
    """enterprises/detail.html: one enterprise to change, or only to look at."""

    id: str
    title: str
    form: EnterpriseForm
    can_change: bool = False
    can_hand_over: bool = False
    asked: bool = False
    from_account: str = ""
    to_account: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    handover_errors: dict[str, str] = field(default_factory=dict)
