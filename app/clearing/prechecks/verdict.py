"""All checks run, and what follows from them."""

from collections.abc import Sequence

from app.clearing.prechecks.check import Check, Severity
from app.clearing.prechecks.device_checks import of_device
from app.clearing.prechecks.facts import Facts
from app.clearing.prechecks.system_checks import of_system


def run(facts: Facts) -> list[Check]:
    """All checks, those of each device first, in the order a person would look."""
    checks = [check for device in facts.devices for check in of_device(facts, device)]
    return checks + of_system(facts)


def is_ok(checks: Sequence[Check]) -> bool:
    """Whether nothing blocks."""
    return first_blocking(checks) is None


def first_blocking(checks: Sequence[Check]) -> Check | None:
    """What a request fails with, if anything blocks."""
    return next((check for check in checks if check.severity is Severity.BLOCKING), None)
