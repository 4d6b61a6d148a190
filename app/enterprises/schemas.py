"""What the API takes and gives for enterprises."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from app.contracts.tax_numbers import is_valid_tax_no, normalize_tax_no
from app.core.schemas import ABSENT, Email, Input, Line, LongLine, LongName, Patch, Phone
from app.enterprises.models import FilingCycle


def _checked(text: str) -> str:
    number = normalize_tax_no(text)
    if not is_valid_tax_no(number):
        raise ValueError("纳税人识别号不正确：应为 15、17、18 或 20 位，18 位的校验码须正确")
    return number


TaxNo = Annotated[str, StringConstraints(max_length=60), AfterValidator(_checked)]
"""纳税人识别号, normalised and checked (docs/domain.md, rule 12)."""

AuthorityCode = Annotated[
    str, StringConstraints(strip_whitespace=True, pattern=r"^[0-9]{0,11}$", max_length=11)
]
"""税务机关代码: up to 11 digits; its beginning names the region of the filing calendar."""


class EnterpriseCreate(Input):
    """A new enterprise."""

    tax_no: TaxNo
    name: LongName
    tax_authority_code: AuthorityCode = ""
    tax_authority_name: LongLine = ""
    filing_cycle: FilingCycle = FilingCycle.MONTHLY
    contact_name: Line = ""
    contact_phone: Phone = ""
    contact_email: Email = ""
    review_required: bool | None = Field(
        None, description="whether clearings need a review; null: as the rules of the system say"
    )


class EnterpriseUpdate(Patch):
    """Changes of an enterprise."""

    tax_no: TaxNo = ABSENT
    name: LongName = ABSENT
    tax_authority_code: AuthorityCode = ABSENT
    tax_authority_name: LongLine = ABSENT
    filing_cycle: FilingCycle = ABSENT
    contact_name: Line = ABSENT
    contact_phone: Phone = ABSENT
    contact_email: Email = ABSENT
    review_required: bool = ABSENT


class EnterprisePublic(BaseModel):
    """An enterprise as the API shows it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    tax_no: str
    name: str
    tax_authority_code: str
    tax_authority_name: str
    filing_cycle: FilingCycle
    contact_name: str
    contact_phone: str
    contact_email: str
    review_required: bool
