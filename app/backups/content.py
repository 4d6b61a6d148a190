"""What goes into a backup."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from app.backups.models import Backup, BackupKind
from app.backups.rows import Row
from app.core.db import Session

Cells = Callable[[Row], tuple[Any, ...]]
"""What a sheet shows of a row."""

Beside = Callable[[Session, Backup], None]
"""What else is written in the transaction that registers a backup."""


def nothing_beside(session: Session, backup: Backup) -> None:
    """A backup by itself."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that go into the archive as JSON Lines, and as a sheet when `header` is given.

    `rows` is called twice: once to write, once more to compare the archive with the database.
    """

    name: str
    rows: Callable[[Session], Iterator[Row]]
    title: str = ""
    header: tuple[str, ...] = ()
    cells: Cells | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """What a backup holds and whom it belongs to. `name` becomes the file's name."""

    kind: BackupKind
    name: str
    tables: tuple[Table, ...]
    documents: Mapping[str, Row] = field(default_factory=dict)
    request_id: UUID | None = None
    enterprise_id: UUID | None = None
    operator_id: UUID | None = None
    operator_name: str = ""
    period: str | None = None
    beside: Beside = nothing_beside

    def about(self, at: datetime) -> dict[str, Any]:
        """What the manifest says of it."""
        return {
            "kind": self.kind.value,
            "name": self.name,
            "created_at": at.isoformat(),
            "request_id": str(self.request_id) if self.request_id else None,
            "enterprise_id": str(self.enterprise_id) if self.enterprise_id else None,
            "operator_id": str(self.operator_id) if self.operator_id else None,
            "period": self.period,
        }


__all__ = ["Beside", "Content", "Row", "Table", "nothing_beside"]
