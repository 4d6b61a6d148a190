"""Figures: what was measured, against what, and whether the target is met; as a table and as JSON."""

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HEADER = ("figure", "ours", "reference", "value", "target", "met")


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `met` None: not measured, and `ours` says why.

    `details` are the numbers behind it, for the JSON file only.
    """

    name: str
    ours: str
    reference: str = "–"
    value: float | None = None
    unit: str = ""
    target: str = "–"
    met: bool | None = None
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def cells(self) -> tuple[str, ...]:
        """As the table shows it."""
        value = "–" if self.value is None else f"{self.value:.3g} {self.unit}".strip()
        verdict = "skipped" if self.met is None else "met" if self.met else "NOT MET"
        return (self.name, self.ours, self.reference, value, self.target, verdict)


def at_least(
    name: str, ours: float, reference: float, *, unit: str, least: float, **details: Any
) -> Figure:
    """A ratio that has to be large: ours over the reference."""
    ratio = ours / reference if reference else float("inf")
    return Figure(
        name,
        f"{ours:.4g} {unit}",
        f"{reference:.4g} {unit}",
        ratio,
        "×",
        f"≥ {least:g} ×",
        ratio >= least,
        details,
    )


def at_most(
    name: str, ours: float, reference: float, *, unit: str, most: float, **details: Any
) -> Figure:
    """A ratio that has to be small: ours over the reference."""
    ratio = ours / reference if reference else float("inf")
    return Figure(
        name,
        f"{ours:.4g} {unit}",
        f"{reference:.4g} {unit}",
        ratio,
        "×",
        f"≤ {most:g} ×",
        ratio <= most,
        details,
    )


def below(name: str, value: float, *, unit: str, most: float, **details: Any) -> Figure:
    """A value of our own that has to stay below a limit."""
    text = f"{value:.4g} {unit}"
    return Figure(name, text, "–", value, unit, f"≤ {most:g} {unit}", value <= most, details)


def above(name: str, value: float, *, unit: str, least: float, **details: Any) -> Figure:
    """A value of our own that has to reach a limit."""
    text = f"{value:.4g} {unit}"
    return Figure(name, text, "–", value, unit, f"≥ {least:g} {unit}", value >= least, details)


def skipped(name: str, why: str) -> Figure:
    """What could not be measured here."""
    return Figure(name, f"skipped: {why}")


def lines_of(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns side by side, a rule under the header (the first row)."""
    widths = [max(_width(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        )
        for row in rows
    ]
    return [lines[0], "-" * (sum(widths) + 2 * (len(widths) - 1)), *lines[1:]]


def table(figures: Sequence[Figure]) -> str:
    """All figures as text."""
    return "\n".join(line.rstrip() for line in lines_of([HEADER, *(one.cells for one in figures)]))


def write_json(path: Path, about: dict[str, Any], figures: Sequence[Figure]) -> None:
    """All figures with their details, and how they were measured."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {**about, "figures": [asdict(one) for one in figures]}
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _width(text: str) -> int:
    """Columns of a terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)
