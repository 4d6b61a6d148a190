"""A row of a file as an invoice, by the same rules as one that is entered by hand."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from app.contracts.devices import InvoiceStatus, InvoiceType
from app.core.forms import form_messages
from app.core.money import ZERO
from app.invoices.importing import cells
from app.invoices.importing.columns import LABELS, Column, Header
from app.invoices.importing.files import Line
from app.invoices.schemas import InvoiceCreate

DRAFT_WORDS = frozenset({"草稿", "未开具", "draft"})
"""In a column of states: the invoice is not issued yet."""


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """A device of the ledger and whose it is."""

    id: UUID
    operator_id: UUID


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for rows that do not say it themselves."""

    device_number: str = ""
    invoice_type: InvoiceType | None = None
    uploaded: bool = False

    @property
    def given(self) -> frozenset[Column]:
        """The columns a file may do without."""
        found = {Column.DEVICE} if self.device_number else set()
        return frozenset(found | ({Column.TYPE} if self.invoice_type else set()))


@dataclass(frozen=True, slots=True)
class Row:
    """A valid row."""

    invoice: InvoiceCreate
    operator_id: UUID


class RowReader:
    """Makes invoices of rows. `device_of` gives the device in use of a number, None for an unknown one."""

    def __init__(
        self,
        header: Header,
        defaults: Defaults,
        device_of: Callable[[str], KnownDevice | None],
        date_system: int = 1900,
    ) -> None:
        self._places = header.places
        self._defaults = defaults
        self._device_of = device_of
        self._date_system = date_system

    def read(self, line: Line) -> Row:
        """The invoice. Raises ValueError with a sentence that says what is wrong."""
        device = self._device(line)
        values = self._values(line)
        try:
            invoice = InvoiceCreate(device_id=device.id, **values)
        except ValidationError as error:
            raise ValueError(_sentence(error)) from error
        return Row(invoice, device.operator_id)

    def _values(self, line: Line) -> dict[str, Any]:
        state = self._cell(line, Column.STATUS)
        draft_word = cells.unwrapped(state).strip().lower() in DRAFT_WORDS
        draft = draft_word or self._flag(line, Column.DRAFT, default=False)
        amount = cells.money(self._required(line, Column.AMOUNT), "金额")
        return {
            "invoice_type": self._type(line),
            "code": cells.code(self._cell(line, Column.CODE)),
            "number": cells.number(self._number(line, draft)),
            "issued_at": cells.issued_at(self._required(line, Column.ISSUED_AT), self._date_system),
            "amount": amount,
            "tax": cells.money(self._required(line, Column.TAX), "税额"),
            "status": _status("" if draft_word else state, negative=amount < ZERO),
            "uploaded": self._flag(line, Column.UPLOADED, default=self._defaults.uploaded),
            "draft": draft,
            "buyer_name": self._cell(line, Column.BUYER_NAME),
            "buyer_tax_no": self._cell(line, Column.BUYER_TAX_NO).replace(" ", "").upper(),
        }

    def _device(self, line: Line) -> KnownDevice:
        number = self._cell(line, Column.DEVICE) or self._defaults.device_number
        if not number:
            raise ValueError("没有设备编号")
        device = self._device_of(number)
        if device is None:
            raise ValueError(f"设备“{number[:40]}”没有登记或已注销")
        return device

    def _type(self, line: Line) -> InvoiceType:
        text = self._cell(line, Column.TYPE)
        if text:
            return cells.invoice_type(text)
        if self._defaults.invoice_type is None:
            raise ValueError("没有发票类型")
        return self._defaults.invoice_type

    def _number(self, line: Line, draft: bool) -> str:
        return self._cell(line, Column.NUMBER) if draft else self._required(line, Column.NUMBER)

    def _flag(self, line: Line, column: Column, *, default: bool) -> bool:
        text = self._cell(line, column)
        return cells.flag(text, LABELS[column]) if text else default

    def _required(self, line: Line, column: Column) -> str:
        text = self._cell(line, column)
        if not text:
            raise ValueError(f"{LABELS[column]}是空的")
        return text

    def _cell(self, line: Line, column: Column) -> str:
        place = self._places.get(column)
        if place is None or place >= len(line.cells):
            return ""
        return cells.unwrapped(line.cells[place])


def _status(text: str, *, negative: bool) -> InvoiceStatus:
    """Without a word the sign decides: an invoice below zero is a red one."""
    if text:
        found = cells.status(text)
        return InvoiceStatus.VOID_RED if negative and found is InvoiceStatus.VOID else found
    return InvoiceStatus.RED if negative else InvoiceStatus.NORMAL


def _sentence(error: ValidationError) -> str:
    labels = {column.value: label for column, label in LABELS.items()}
    parts = form_messages(error).items()
    return "；".join(f"{labels.get(field, '')}{message}" for field, message in parts)
