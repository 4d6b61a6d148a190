"""Import a ledger file: read and check all of it, then write it in chunks, each with its audit record.

A file that is refused changes nothing. A file that was imported before changes nothing either. An import
that is interrupted has kept whole chunks, and importing the file again does the rest.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice
from pathlib import Path

from app.accounts.principal import Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.canonical import JSON
from app.core.clock import Clock
from app.core.db import Database, Session
from app.devices import queries as devices_queries
from app.invoices.importing import columns, files, writing
from app.invoices.importing.columns import Column, Header
from app.invoices.importing.errors import FileRefused
from app.invoices.importing.files import Line
from app.invoices.importing.rows import Defaults, KnownDevice, RowReader
from app.invoices.importing.staging import Staged, Staging
from app.invoices.importing.writing import Written

CHUNK = 2000
"""Rows of one transaction: short enough for others to write in between."""

MAX_TOLD = 1000
"""Refused rows that are told of one by one; all are counted."""

SEVERAL_TIMES = "同一张发票在文件中有多行且内容不同，请改用每张发票一行的文件"


@dataclass(frozen=True, slots=True)
class Source:
    """A file with its name, and how it is to be read."""

    path: Path
    name: str
    defaults: Defaults = field(default_factory=Defaults)
    mapping: Mapping[Column, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that was not taken, with its line in the file."""

    line: int
    message: str


@dataclass(slots=True)
class Report:
    """What became of the rows. `accepted` were added or changed, `unchanged` said nothing new.

    `rows` are the first MAX_TOLD refused ones, in the order of the file.
    """

    accepted: int = 0
    refused: int = 0
    unchanged: int = 0
    rows: list[RefusedRow] = field(default_factory=list)

    def refuse(self, line: int, message: str) -> None:
        """Count a refused row, and tell of it while there is room."""
        self.refused += 1
        if len(self.rows) < MAX_TOLD:
            self.rows.append(RefusedRow(line, message))

    def end(self) -> None:
        """Nothing more comes: what was refused stands in the order of the file."""
        self.rows.sort(key=lambda row: row.line)

    def add(self, written: Written) -> None:
        """Count a chunk."""
        self.accepted += written.accepted
        self.unchanged += written.unchanged
        for line, message in written.refused.items():
            self.refuse(line, message)


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """One of the first rows, with what is wrong with it; "" when nothing is."""

    line: int
    cells: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Preview:
    """The header as it is understood, and the first rows."""

    header: Header
    rows: tuple[PreviewRow, ...]


class _Devices:
    """Devices in use by number, as far as this principal may see them; each looked up once."""

    def __init__(self, database: Database, principal: Principal) -> None:
        self._database = database
        self._principal = principal
        self._known: dict[str, KnownDevice | None] = {}

    def __call__(self, number: str) -> KnownDevice | None:
        if number not in self._known:
            if len(self._known) >= _MOST_NUMBERS:
                self._known.clear()
            self._known[number] = self._look_up(number)
        return self._known[number]

    def _look_up(self, number: str) -> KnownDevice | None:
        with self._database.reading() as session:
            device = devices_queries.in_use_by_number(session, [number]).get(number)
            if device is None or not self._principal.sees(device.enterprise_id):
                return None
            return KnownDevice(device.id, device.operator_id)


_MOST_NUMBERS = 100_000


def preview(
    database: Database, source: Source, *, principal: Principal, count: int = 10
) -> Preview:
    """Header and first rows, each checked; whatever columns are missing. Raises FileRefused."""
    with _opened(source) as (header, lines):
        reader = _reader(database, source, header, principal)
        rows = tuple(_previewed(reader, line) for line in islice(lines, count))
    return Preview(header, rows)


Finishing = Callable[[Session, Report], None]
"""What else is written in the last transaction of an import."""


def _nothing_else(session: Session, report: Report) -> None:
    """An import by itself."""


def import_file(
    database: Database,
    source: Source,
    *,
    principal: Principal,
    clock: Clock,
    finishing: Finishing = _nothing_else,
) -> Report:
    """Take the file into the ledger. Raises FileRefused and ColumnsUnknown before anything is written."""
    report = Report()
    with Staging() as staging:
        header = _stage(database, source, staging, report, principal)
        for line in staging.take_clashes():
            report.refuse(line, SEVERAL_TIMES)
        report.unchanged += staging.take_repeats()
        facts: dict[str, JSON] = {"file": source.name, "sha256": _sha256(source.path)}
        left = staging.chunks(CHUNK)
        chunk: list[Staged] | None = next(left, [])
        while chunk is not None:
            following = next(left, None)
            with database.transaction() as session:
                done = _write(session, header, chunk, report, clock())
                _audit(session, principal, {**facts, **done}, clock())
                if following is None:
                    report.end()
                    finishing(session, report)
            chunk = following
    return report


def _stage(
    database: Database, source: Source, staging: Staging, report: Report, principal: Principal
) -> Header:
    """Read the whole file; valid rows wait in the staging, the others are in the report."""
    with _opened(source) as (header, lines):
        columns.require(header, given=source.defaults.given)
        reader = _reader(database, source, header, principal)

        def valid() -> Iterator[Staged]:
            for line in lines:
                try:
                    yield Staged(line.number, reader.read(line))
                except ValueError as error:
                    report.refuse(line.number, str(error))

        staging.fill(valid())
    return header


def _write(
    session: Session, header: Header, chunk: list[Staged], report: Report, at: datetime
) -> dict[str, JSON]:
    """One chunk; gives what is on record of it. A file with nothing to write is on record as well."""
    if not chunk:
        return {"accepted": 0, "refused": report.refused}
    written = writing.write(session, chunk, header.places.keys(), at=at)
    report.add(written)
    return {
        "lines": [chunk[0].line, chunk[-1].line],
        "accepted": written.accepted,
        "unchanged": written.unchanged,
        "refused": len(written.refused),
    }


def _audit(
    session: Session, principal: Principal, details: Mapping[str, JSON], at: datetime
) -> None:
    audit.record(
        session,
        actor=principal.actor,
        action=AuditAction.INVOICE_IMPORTED,
        object_type="invoice",
        object_id="",
        at=at,
        details=details,
    )


@contextmanager
def _opened(source: Source) -> Iterator[tuple[Header, Iterator[Line]]]:
    """The header with what was chosen by hand, and the lines after it."""
    with files.opened(source.path) as lines:
        first = list(islice(lines, columns.LOOKED_AT))
        header = columns.recognise(first)
        if header is None:
            raise FileRefused("文件中没有数据")
        after = (line for line in first if line.number > header.line)
        yield columns.mapped(header, source.mapping), chain(after, lines)


def _reader(database: Database, source: Source, header: Header, principal: Principal) -> RowReader:
    devices = _Devices(database, principal)
    return RowReader(header, source.defaults, devices, files.date_system(source.path))


def _previewed(reader: RowReader, line: Line) -> PreviewRow:
    try:
        reader.read(line)
    except ValueError as error:
        return PreviewRow(line.number, line.cells, str(error))
    return PreviewRow(line.number, line.cells, "")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
