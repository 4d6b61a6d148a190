"""The figures of a clearing side by side: what the device counts, and what the ledger has. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.clearing.record_models import ClearingRecord
from app.contracts.devices import InvoiceType
from app.invoices import figures
from app.invoices.figures import ByType, Figures, Sum

ITEMS = ("positive", "red", "void", "net")


@dataclass(frozen=True, slots=True)
class FigureLine:
    """One item (positive, red, void or net) of a type, or of all types together where that is empty.

    None: that side is not known.
    """

    invoice_type: str
    item: str
    device: Sum | None
    ledger: Sum | None

    @property
    def differs(self) -> bool:
        """Whether both sides are known and do not agree; of void ones the count matters alone."""
        if self.device is None or self.ledger is None:
            return False
        if self.item == "void":
            return self.device.count != self.ledger.count
        return self.device != self.ledger

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing of it on either side."""
        return not any(side.count for side in (self.device, self.ledger) if side is not None)


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides by type. None: not known; a type one side says nothing of is missing there."""

    device: ByType | None
    ledger: ByType | None

    @property
    def total_device(self) -> Figures | None:
        """All types together by the device; None where it leaves one of the ledger's types out."""
        if not self.device or set(self.ledger or ()) - set(self.device):
            return None
        return figures.total(self.device.values())

    @property
    def total_ledger(self) -> Figures | None:
        """All types together by the ledger."""
        return None if self.ledger is None else figures.total(self.ledger.values())


def of_record(record: ClearingRecord) -> Sides:
    """What the record keeps of both sides."""
    device, ledger = record.device_totals, record.ledger_totals
    return Sides(
        None if device is None else figures.from_json(device),
        None if ledger is None else figures.from_json(ledger),
    )


def of_records(records: Iterable[ClearingRecord]) -> Sides:
    """Several devices together; a side that one of them does not know is not known."""
    found = [of_record(record) for record in records]
    return Sides(
        _added([one.device for one in found if one.device is not None], len(found)),
        _added([one.ledger for one in found if one.ledger is not None], len(found)),
    )


def _added(sides: list[ByType], wanted: int) -> ByType | None:
    if not sides or len(sides) < wanted:
        return None
    kinds = {kind for side in sides for kind in side}
    return {kind: figures.total(side.get(kind, Figures()) for side in sides) for kind in kinds}


def lines(sides: Sides) -> tuple[FigureLine, ...]:
    """Every item there is something of, type by type, the net in any case; with several types their total."""
    if sides.device is None and sides.ledger is None:
        return ()
    kinds = sorted({*(sides.device or ()), *(sides.ledger or ())})
    found = [line for kind in kinds for line in _of_type(sides, kind)]
    if len(kinds) != 1:
        found += _lines("", sides.total_device, sides.total_ledger)
    return tuple(found)


def _of_type(sides: Sides, kind: InvoiceType) -> Iterator[FigureLine]:
    device = None if sides.device is None else sides.device.get(kind)
    ledger = None if sides.ledger is None else sides.ledger.get(kind, Figures())
    return _lines(kind.value, device, ledger)


def _lines(kind: str, device: Figures | None, ledger: Figures | None) -> Iterator[FigureLine]:
    for item in ITEMS:
        line = FigureLine(
            kind,
            item,
            None if device is None else getattr(device, item),
            None if ledger is None else getattr(ledger, item),
        )
        if item == "net" or not line.is_empty:
            yield line
