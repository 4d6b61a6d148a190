"""What the pages of enterprises show; the rules are those of app/clearing/contexts."""

from dataclasses import dataclass, field

from markupsafe import Markup
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
class EnterpriseChoice:
    """One of several enterprises that may be meant; `href` leads to the list with it."""

    name: str
    tax_no: str
    href: str


@dataclass(frozen=True, slots=True)
class EnterpriseFilter:
    """The filter of a list: a select of `options`, or with `by_name` a field for a name or tax number.

    `text` stands in the field, and means the enterprise `name`. `unclear`: it means none, or several; these are
    `choices`, and `more` says that there are others. `without` leads to the list without this filter.
    """

    options: Markup = field(default_factory=Markup)
    by_name: bool = False
    text: str = ""
    name: str = ""
    without: str = ""
    unclear: bool = False
    choices: tuple[EnterpriseChoice, ...] = ()
    more: bool = False


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
