"""What is chosen to be cleared: of one operator, and of many at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from app.clearing.states import Kind, Mode, Scope
from app.contracts.devices import InvoiceType
from app.contracts.periods import Period


class Chosen(Protocol):
    """What carries a choice."""

    @property
    def mode(self) -> Mode: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def scope(self) -> Scope: ...
    @property
    def invoice_types(self) -> Sequence[str]: ...
    @property
    def period(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Choice:
    """What is asked for; no `invoice_types` means all (scope `full`)."""

    mode: Mode
    kind: Kind
    scope: Scope
    invoice_types: tuple[InvoiceType, ...]
    period: Period

    @classmethod
    def usual(cls, period: Period) -> "Choice":
        """What most people mean: the regular and full clearing of the devices."""
        return cls(Mode.REGULAR, Kind.DEVICE, Scope.FULL, (), period)

    @classmethod
    def of(cls, wanted: "Chosen") -> "Choice":
        """What a request, or the input of one, asks for."""
        types = tuple(InvoiceType(kind) for kind in dict.fromkeys(wanted.invoice_types))
        return cls(wanted.mode, wanted.kind, wanted.scope, types, Period(wanted.period))

    def __str__(self) -> str:
        """The same text for the same choice: a form says by it which preview it has shown."""
        types = ",".join(sorted(set(self.invoice_types))) if self.scope is Scope.PARTIAL else ""
        return f"{self.mode} {self.kind} {self.scope} {self.period} {types}".strip()


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be cleared of each operator; without a period it is the operator's own due one.

    `invoice_types` are those of a partial clearing. `override_window`: it may run in the peak hours.
    """

    mode: Mode
    kind: Kind
    scope: Scope
    invoice_types: Sequence[InvoiceType]
    period: Period | None
    override_window: bool
