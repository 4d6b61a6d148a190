"""Pre-checks as pages show them, with links to what has to be dealt with first."""

from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from app.accounts.principal import Principal
from app.clearing import queries
from app.core.db import Session
from app.operators.models import Operator
from app.prechecks import Check, Severity
from app.prechecks.contexts import CheckItem, Link


def check_items(
    session: Session, checks: Sequence[Check], principal: Principal
) -> tuple[CheckItem, ...]:
    """The checks in their order; links only lead to what this person may see."""
    numbers = {number for check in checks for number in (check.device_number, *check.go_first)}
    known = queries.order.devices_named(session, numbers - {""}, principal)
    return tuple(_item(check, tuple(_links(check, known))) for check in checks)


def _links(check: Check, known: Mapping[str, tuple[UUID, Operator]]) -> Iterator[Link]:
    for number in check.go_first:
        if number in known:
            _, operator = known[number]
            yield Link(f"{operator.name} {number}", f"/clearing/operators/{operator.id}?confirm=1")
    if check.severity is Severity.BLOCKING and not check.go_first and check.device_number in known:
        device_id, _ = known[check.device_number]
        yield Link(f"设备 {check.device_number}", f"/devices/{device_id}")


def _item(check: Check, links: tuple[Link, ...]) -> CheckItem:
    return CheckItem(
        severity=check.severity,
        message=check.message,
        remedy=check.remedy,
        code=check.code,
        device_number=check.device_number,
        evidence=tuple((one.label, one.value) for one in check.evidence),
        links=links,
    )
