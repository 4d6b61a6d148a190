"""What the REST API takes to be told about a clearing before it is asked for: its effects, its pre-checks."""

from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from app.clearing.schemas import require_types_fit_scope
from app.clearing.states import Kind, Mode, Scope
from app.contracts.devices import InvoiceType
from app.contracts.periods import Period
from app.prechecks.choice import Choice


class ChoiceQuery(BaseModel):
    """The parameters of a clearing request that say what is cleared, with the same defaults."""

    mode: Mode = Mode.REGULAR
    kind: Kind = Kind.DEVICE
    scope: Scope = Scope.FULL
    invoice_types: list[InvoiceType] = Field(default_factory=list, max_length=10)
    period: Period | None = Field(default=None, description="default: the one due")
    device_ids: list[UUID] | None = Field(default=None, max_length=100)

    @model_validator(mode="after")
    def _types_fit_scope(self) -> Self:
        require_types_fit_scope(self.scope, self.invoice_types)
        return self

    def choice(self, period: Period) -> Choice:
        """What is asked for, of this period."""
        types = tuple(dict.fromkeys(self.invoice_types))
        return Choice(self.mode, self.kind, self.scope, types, period)
