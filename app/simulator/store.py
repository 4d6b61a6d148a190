"""Everything the simulation knows, in one SQLite file; committed before an answer leaves.

Write-ahead logging with `synchronous=NORMAL`: a commit survives the process being killed.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from app.contracts.devices import InvoiceStatus
from app.contracts.periods import Period
from app.simulator.bureau import FilingState, Registered, ReportedTotals
from app.simulator.faults import ActiveFault
from app.simulator.model import DeviceState, Invoice

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS devices (
  position INTEGER PRIMARY KEY AUTOINCREMENT, number TEXT NOT NULL UNIQUE,
  machine_code TEXT NOT NULL, tax_no TEXT NOT NULL, types TEXT NOT NULL, state TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS invoices (
  device TEXT NOT NULL, invoice_type TEXT NOT NULL, code TEXT NOT NULL, number TEXT NOT NULL,
  status TEXT NOT NULL, uploaded INTEGER NOT NULL, issued_at TEXT NOT NULL, amount TEXT NOT NULL,
  tax TEXT NOT NULL, buyer_tax_no TEXT NOT NULL, buyer_name TEXT NOT NULL, item TEXT NOT NULL,
  rate TEXT NOT NULL, original_code TEXT NOT NULL, original_number TEXT NOT NULL,
  PRIMARY KEY (device, invoice_type, code, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reported (
  device TEXT NOT NULL, invoice_type TEXT NOT NULL, period TEXT NOT NULL, totals TEXT NOT NULL,
  PRIMARY KEY (device, invoice_type, period)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS filings (
  tax_no TEXT NOT NULL, period TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (tax_no, period)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS faults (id INTEGER PRIMARY KEY, fault TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS log (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, side TEXT NOT NULL,
  device TEXT NOT NULL, message TEXT NOT NULL, invoice_type TEXT, returncode TEXT,
  acted INTEGER NOT NULL, fault TEXT
);
CREATE INDEX IF NOT EXISTS log_by_device ON log (device, seq);
"""
_INVOICE_FIELDS = tuple(field.name for field in fields(Invoice))
_INSERT_INVOICE = (
    f"INSERT INTO invoices (device, {', '.join(_INVOICE_FIELDS)}) "
    f"VALUES ({', '.join('?' * (len(_INVOICE_FIELDS) + 1))})"
)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One message that reached a device or the bureau. `returncode` None: it was not answered."""

    at: datetime
    side: str
    device: str
    message: str
    invoice_type: str | None
    returncode: str | None
    acted: bool
    fault: str | None


class Store:
    """One SQLite file; used from one thread."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside are kept together, or not at all."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # -- small things ----------------------------------------------------------------------------

    def get_meta(self, name: str) -> str | None:
        """A remembered value."""
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def set_meta(self, name: str, value: str) -> None:
        """Remember a value."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    # -- devices ---------------------------------------------------------------------------------

    def registered(self) -> list[tuple[Registered, str]]:
        """Every device as the bureau knows it, with its machine code (jqbh)."""
        rows = self._db.execute(
            "SELECT number, tax_no, types, machine_code FROM devices ORDER BY position"
        )
        return [
            (Registered(number=number, tax_no=tax_no, invoice_types=tuple(types.split(","))), code)
            for number, tax_no, types, code in rows
        ]

    def states(self) -> Iterator[DeviceState]:
        """Every device's state, in the order they were added."""
        for (state,) in self._db.execute("SELECT state FROM devices ORDER BY position"):
            yield DeviceState.model_validate_json(state)

    def state(self, number: str) -> DeviceState:
        """One device's state. Raises KeyError for an unknown number."""
        row = self._db.execute("SELECT state FROM devices WHERE number = ?", (number,)).fetchone()
        if row is None:
            raise KeyError(number)
        return DeviceState.model_validate_json(row[0])

    def keep_state(self, state: DeviceState) -> None:
        """Insert or replace one device's state."""
        types = ",".join(one.invoice_type for one in state.types)
        self._db.execute(
            "INSERT INTO devices (number, machine_code, tax_no, types, state) "
            "VALUES (?, ?, ?, ?, ?) ON CONFLICT (number) DO UPDATE SET "
            "machine_code = excluded.machine_code, tax_no = excluded.tax_no, "
            "types = excluded.types, state = excluded.state",
            (
                state.number,
                state.machine_code,
                state.taxpayer.tax_no,
                types,
                state.model_dump_json(),
            ),
        )

    def invoices(self, number: str) -> list[Invoice]:
        """All invoices of a device, in the order of issue."""
        rows = self._db.execute(
            f"SELECT {', '.join(_INVOICE_FIELDS)} FROM invoices WHERE device = ? "
            "ORDER BY issued_at, invoice_type, number",
            (number,),
        )
        return [_invoice(row) for row in rows]

    def add_invoices(self, number: str, invoices: Iterable[Invoice]) -> None:
        """Add invoices to a device."""
        self._db.executemany(_INSERT_INVOICE, (_invoice_row(number, one) for one in invoices))

    # -- the bureau's books ----------------------------------------------------------------------

    def reported(self, device: str) -> list[ReportedTotals]:
        """What the bureau has for a device, oldest period first."""
        rows = self._db.execute(
            "SELECT totals FROM reported WHERE device = ? ORDER BY period, invoice_type", (device,)
        )
        return [ReportedTotals.model_validate_json(row[0]) for row in rows]

    def keep_reported(self, totals: ReportedTotals) -> None:
        """Insert or replace the totals of one type and period."""
        self._db.execute(
            "INSERT OR REPLACE INTO reported VALUES (?, ?, ?, ?)",
            (totals.device, totals.invoice_type, totals.period, totals.model_dump_json()),
        )

    def filing(self, tax_no: str, period: Period) -> FilingState:
        """State of a return; filed and matching unless set otherwise."""
        row = self._db.execute(
            "SELECT state FROM filings WHERE tax_no = ? AND period = ?", (tax_no, period)
        ).fetchone()
        return FilingState(row[0]) if row else FilingState.FILED

    def set_filing(self, tax_no: str, period: Period, state: FilingState) -> None:
        """Set the state of a return."""
        self._db.execute(
            "INSERT OR REPLACE INTO filings VALUES (?, ?, ?)", (tax_no, period, state.value)
        )

    # -- faults and log --------------------------------------------------------------------------

    def faults(self) -> list[ActiveFault]:
        """The faults switched on, oldest first."""
        rows = self._db.execute("SELECT fault FROM faults ORDER BY id")
        return [ActiveFault.model_validate_json(row[0]) for row in rows]

    def keep_faults(self, faults: Iterable[ActiveFault]) -> None:
        """Replace the list of faults."""
        self._db.execute("DELETE FROM faults")
        self._db.executemany(
            "INSERT INTO faults VALUES (?, ?)",
            ((fault.id, fault.model_dump_json()) for fault in faults),
        )

    def next_fault_id(self) -> int:
        """An id that was never given before."""
        number = int(self.get_meta("last_fault_id") or 0) + 1
        self.set_meta("last_fault_id", str(number))
        return number

    def add_log(self, entry: LogEntry) -> None:
        """Append to the log of messages."""
        self._db.execute(
            "INSERT INTO log (at, side, device, message, invoice_type, returncode, acted, fault) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entry.at.isoformat(),
                entry.side,
                entry.device,
                entry.message,
                entry.invoice_type,
                entry.returncode,
                int(entry.acted),
                entry.fault,
            ),
        )

    def log(self, device: str | None, after: int, limit: int) -> list[dict[str, Any]]:
        """Log entries in order, after a sequence number."""
        names = "seq, at, side, device, message, invoice_type, returncode, acted, fault"
        rows = self._db.execute(
            f"SELECT {names} FROM log WHERE seq > ? AND (? IS NULL OR device = ?) "
            "ORDER BY seq LIMIT ?",
            (after, device, device, limit),
        )
        entries = [dict(zip(names.split(", "), row, strict=True)) for row in rows]
        return [entry | {"acted": bool(entry["acted"])} for entry in entries]


def _invoice(row: tuple[Any, ...]) -> Invoice:
    values = dict(zip(_INVOICE_FIELDS, row, strict=True))
    values["status"] = InvoiceStatus(values["status"])
    values["uploaded"] = bool(values["uploaded"])
    values["issued_at"] = datetime.fromisoformat(values["issued_at"])
    values["amount"], values["tax"] = Decimal(values["amount"]), Decimal(values["tax"])
    return Invoice(**values)


def _invoice_row(number: str, invoice: Invoice) -> tuple[Any, ...]:
    return (
        number,
        invoice.invoice_type,
        invoice.code,
        invoice.number,
        invoice.status.value,
        int(invoice.uploaded),
        invoice.issued_at.isoformat(),
        str(invoice.amount),
        str(invoice.tax),
        invoice.buyer_tax_no,
        invoice.buyer_name,
        invoice.item,
        invoice.rate,
        invoice.original_code,
        invoice.original_number,
    )
