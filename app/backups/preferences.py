"""Backups of an operator's personal settings: one part with a line for each."""

from collections.abc import Iterable, Iterator
from uuid import UUID

from app.backups import archive
from app.backups.content import Table
from app.backups.models import Backup
from app.backups.rows import Row
from app.core.db import Session
from app.operators.models import Operator

NAME = "operator/preferences"
PART = f"{NAME}.jsonl"


def table(operator_id: UUID) -> Table:
    """The part of this operator's personal settings."""

    def rows(session: Session) -> Iterator[Row]:
        return _rows(session.get_one(Operator, operator_id))

    return Table(name=NAME, rows=rows)


def is_backed_up(session: Session, backup: Backup, operator: Operator) -> bool:
    """Whether the settings still are what the backup holds."""
    part = _part(backup.summary)
    return part is not None and archive.digest_lines(_rows(operator)) == (
        part["lines"],
        part["sha256"],
    )


def is_in(manifest: Row) -> bool:
    """Whether the archive holds personal settings."""
    return _part(manifest) is not None


def settings_of(rows: Iterable[Row]) -> dict[str, str]:
    """The settings of the part's lines."""
    return {str(row["name"]): str(row["value"]) for row in rows}


def _rows(operator: Operator) -> Iterator[Row]:
    for name, value in sorted(operator.preferences.items()):
        yield {"operator_id": str(operator.id), "name": name, "value": value}


def _part(manifest: Row) -> Row | None:
    return next((part for part in manifest["parts"] if part["name"] == PART), None)
