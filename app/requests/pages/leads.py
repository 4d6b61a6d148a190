"""Where the end of a request leads on to: whoever is next to be cleared, and what a remedy speaks of."""

import re
from collections.abc import Sequence
from uuid import UUID

from app.accounts.principal import Permission, Principal
from app.clearing import queries
from app.clearing.models import ClearingRequest
from app.core.clock import Clock, local_date
from app.core.db import Session
from app.core.pagination import PageRequest
from app.operators import queries as operators_queries
from app.operators.states import ClearingState, state_of
from app.prechecks.contexts import Link
from app.requests.contexts import NextUp

_NUMBER = re.compile(r"(?<!\d)\d{12}(?!\d)")


def next_up(
    session: Session, principal: Principal, clock: Clock, *, besides: UUID
) -> NextUp | None:
    """The most urgent other operator that is to be cleared, and how many there are; for who may clear."""
    if not (
        principal.can(Permission.CLEARING_REQUEST) or principal.can(Permission.CLEARING_EXECUTE)
    ):
        return None
    today = local_date(clock())
    found = operators_queries.list_operators(
        session,
        principal=principal,
        today=today,
        page=PageRequest(2),
        state=ClearingState.DUE,
        active=True,
    )
    others = [row for row in found.items if row.id != besides]
    if not others:
        return None
    due = operators_queries.count_by_state(session, principal=principal, today=today)
    here = operators_queries.visible(session, besides, principal)
    own = here.active and state_of(here.attention, here.lock_date, today) is ClearingState.DUE
    return NextUp(
        others[0].name,
        f"/clearing/operators/{others[0].id}",
        due[ClearingState.DUE] - int(own),
    )


def of_failure(
    session: Session, request: ClearingRequest, numbers: Sequence[str], principal: Principal
) -> tuple[Link, ...]:
    """The devices the failure's words name, and whose they are if another operator's.

    Where they name none, the only device of a request that failed at its device. Only what this person may see.
    """
    said = f"{request.error_message or ''} {request.error_remedy or ''}"
    named = list(dict.fromkeys(_NUMBER.findall(said)))
    if len(numbers) == 1 and (request.error_code or "").startswith("device.") and not named:
        named = [numbers[0]]
    known = queries.order.devices_named(session, named, principal)
    links: list[Link] = []
    for number in named:
        if number not in known:
            continue
        device_id, operator = known[number]
        links.append(Link(f"设备 {number}", f"/devices/{device_id}"))
        if operator.id != request.operator_id:
            links.append(Link(f"操作员 {operator.name}", f"/clearing/operators/{operator.id}"))
    return tuple(links)
