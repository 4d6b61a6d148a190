"""All checks run, and what follows from them."""

from collections import Counter
from collections.abc import Sequence

from app.clearing.check import Check, Severity
from app.prechecks.device_checks import of_device
from app.prechecks.facts import Facts
from app.prechecks.system_checks import of_system

_OTHERS = {
    Severity.BLOCKING: "未通过",
    Severity.WARNING: "需留意",
    Severity.UNKNOWN: "未核对",
}


def run(facts: Facts) -> list[Check]:
    """All checks, those of each device first, in the order a person would look."""
    checks = [check for device in facts.devices for check in of_device(facts, device)]
    return checks + of_system(facts)


def counted(checks: Sequence[Check]) -> str:
    """How many passed, and how many did not or were not looked at: each is counted once."""
    counts = Counter(check.severity for check in checks)
    said = [f"{counts[Severity.OK]} 项检查通过"]
    said += [f"{counts[kind]} 项{words}" for kind, words in _OTHERS.items() if counts[kind]]
    return "，".join(said)


def is_ok(checks: Sequence[Check]) -> bool:
    """Whether nothing blocks."""
    return first_blocking(checks) is None


def first_blocking(checks: Sequence[Check]) -> Check | None:
    """What a request fails with, if anything blocks."""
    return next((check for check in checks if check.severity is Severity.BLOCKING), None)
