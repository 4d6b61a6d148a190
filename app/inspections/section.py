"""One part of an inspection's report, as data: kept as JSON, shown as page, PDF and API."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How bad it is; the same words as in pre-checks and health."""

    OK = "ok"
    WARNING = "warning"
    BLOCKING = "blocking"


_ORDER = tuple(Severity)
MAX_ROWS = 200


@dataclass(frozen=True, slots=True)
class Section:
    """`rows` fit under `columns`; `left_out` says how many more there are; `code` leads to the help page."""

    title: str
    severity: Severity
    summary: str
    remedy: str = ""
    code: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    left_out: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Section":
        """The section again."""
        return cls(
            **{
                **values,
                "severity": Severity(values["severity"]),
                "columns": tuple(values["columns"]),
                "rows": tuple(tuple(row) for row in values["rows"]),
            }
        )


def table(
    title: str,
    severity: Severity,
    summary: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    remedy: str = "",
) -> Section:
    """A section with a table; only its first rows are kept."""
    shown = tuple(tuple(_text(cell) for cell in row) for row in rows[:MAX_ROWS])
    left_out = max(0, len(rows) - MAX_ROWS)
    return Section(title, severity, summary, remedy, "", tuple(columns), shown, left_out)


def worst(severities: Iterable[Severity]) -> Severity:
    """The worst of them; ok for none."""
    return max(severities, key=_ORDER.index, default=Severity.OK)


def _text(value: object) -> str:
    return "—" if value is None or value == "" else str(value)
