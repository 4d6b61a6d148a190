"""Valid rows of a file on their way into the ledger, in a temporary database of their own.

They wait here until the whole file has been read, so that a file that is refused leaves nothing in the
ledger, and so that what stands in it twice is known before anything is written. Memory stays constant.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from uuid import UUID

from app.core.tabular import batches
from app.invoices.importing.rows import Row
from app.invoices.schemas import InvoiceCreate

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Staged:
    """A row with its line in the file."""

    line: int
    row: Row


class Staging:
    """The rows of one file. SQLite keeps a database without a name in a temporary file it removes."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
            "CREATE TABLE rows (line INTEGER PRIMARY KEY, key BLOB, digest BLOB, body TEXT)"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()

    def fill(self, rows: Iterator[Staged]) -> None:
        """Take all rows in."""
        for batch in batches(rows, _BATCH):
            self._database.execute("BEGIN")
            self._database.executemany(
                "INSERT INTO rows VALUES (?, ?, ?, ?)", [_packed(one) for one in batch]
            )
            self._database.execute("COMMIT")
        self._database.execute("CREATE INDEX by_key ON rows (key, digest)")

    def take_clashes(self) -> Iterator[int]:
        """Lines of invoices that stand more than once and differ; they are taken out."""
        self._database.execute(
            "CREATE TABLE clashes AS SELECT key FROM rows "
            "GROUP BY key HAVING min(digest) <> max(digest)"
        )
        lines = self._database.execute(
            "SELECT line FROM rows WHERE key IN (SELECT key FROM clashes) ORDER BY line"
        )
        yield from (line for (line,) in lines)
        self._database.execute("DELETE FROM rows WHERE key IN (SELECT key FROM clashes)")

    def take_repeats(self) -> int:
        """How many rows say again what an earlier one said; they are taken out."""
        done = self._database.execute(
            "DELETE FROM rows WHERE line NOT IN (SELECT min(line) FROM rows GROUP BY key)"
        )
        return done.rowcount

    def chunks(self, size: int) -> Iterator[list[Staged]]:
        """The rows in the order of the file."""
        rows = self._database.execute("SELECT line, body FROM rows ORDER BY line")
        for batch in batches(rows, size):
            yield [Staged(line, _unpacked(body)) for line, body in batch]


def _packed(one: Staged) -> tuple[int, bytes, bytes, str]:
    body = one.row.invoice.model_dump_json()
    return one.line, _key(one.row.invoice, body), _digest(body), f"{one.row.operator_id}{body}"


def _unpacked(text: str) -> Row:
    return Row(InvoiceCreate.model_validate_json(text[36:]), UUID(text[:36]))


def _key(invoice: InvoiceCreate, body: str) -> bytes:
    """What names an invoice; a draft has no name but all it says."""
    parts = (str(invoice.device_id), invoice.invoice_type, invoice.code, invoice.number)
    return _digest(body if invoice.draft else "|".join(parts))


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
