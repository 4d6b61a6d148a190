"""Warnings of many devices grouped by their code: one acceptance for each kind."""

from collections.abc import Iterable

from app.batches.contexts import WarningGroup
from app.prechecks.forecast import Case


def grouped(cases: Iterable[Case]) -> tuple[WarningGroup, ...]:
    """By code, in the order they come; a group's sentence is that of its first case."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.code, []).append(case)
    return tuple(_group(code, found) for code, found in groups.items())


def _group(code: str, cases: list[Case]) -> WarningGroup:
    first = cases[0]
    more = "" if len(cases) == 1 else f"（共 {len(cases)} 项，逐项见明细）"
    return WarningGroup(
        code,
        f"{first.message}{more}",
        first.remedy,
        len(cases),
        tuple(f"{case.who}：{case.message}" for case in cases),
    )
