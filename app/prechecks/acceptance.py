"""What needs care is accepted before a clearing: one rule for pages, batches, REST and the shell.

A request carries the codes of the warnings that were accepted for it. A run that meets another one
stops in its first stage, before anything is touched, and a retry that accepts it goes on. Who names no
code accepts none; only a system may accept everything, by naming "*" (docs/decisions/0010-warnings-are-accepted.md).
"""

from collections.abc import Sequence
from typing import Protocol

from app.accounts.principal import Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.clearing.errors import ChecksBlocking, WarningsNotAccepted
from app.clearing.models import ClearingRequest
from app.clearing.outcomes import Failure
from app.core.clock import Clock
from app.core.db import Session
from app.errors import Invalid
from app.prechecks import Check, Severity
from app.prechecks.forecast import Case

EVERYTHING = "*"
"""Accepts every warning; only systems may."""

_BY_WINDOW = frozenset({"peak_window"})
_BY_EXCEPTION = frozenset({"device.locked", "bureau.filed"})
_BY_OWN_CLEARING = frozenset({"period.duplicate"})
_LASTING = frozenset(
    {"device.identity", "clearing.mode", "device.types", "period.duplicate", "taxpayer.complete"}
)
"""What no waiting cures: it speaks against a clearing of a later day as well."""


def accepted_by(principal: Principal, codes: Sequence[str] | None) -> list[str]:
    """What a principal accepts by naming these codes. Raises Invalid when a person accepts everything unseen."""
    codes = codes or ()
    if principal.is_person and EVERYTHING in codes:
        raise Invalid(errors={"accepted_warnings": "请逐项确认提醒；“*”只适用于 API 密钥"})
    return list(dict.fromkeys(codes))


def accept(
    session: Session,
    request: ClearingRequest,
    codes: Sequence[str] | None,
    *,
    principal: Principal,
    clock: Clock,
) -> None:
    """Accept further warnings of a request that is started or tried again; on record if there are any."""
    new = [
        code
        for code in accepted_by(principal, codes)
        if not {code, EVERYTHING} & set(request.accepted_warnings)
    ]
    if not new:
        return
    request.accepted_warnings = [*request.accepted_warnings, *new]
    session.add(request)
    audit.record(
        session,
        actor=principal.actor,
        action=AuditAction.CLEARING_WARNINGS_ACCEPTED,
        object_type="clearing_request",
        object_id=str(request.id),
        at=clock(),
        details={"number": request.number, "accepted_warnings": new},
    )


class Accepting(Protocol):
    """What carries the acceptance: a request, or the input of one."""

    @property
    def accepted_warnings(self) -> Sequence[str] | None: ...
    @property
    def override_window(self) -> bool: ...
    @property
    def exceptional(self) -> bool: ...


def unaccepted(
    request: Accepting,
    checks: Sequence[Check],
    *,
    also: Sequence[str] = (),
    clear_was_sent: bool = False,
) -> list[Check]:
    """The warnings at which a run of this request has to stop: neither named nor asked for by itself.

    The override of the peak hours accepts their warning; an exceptional request is about a device that
    is locked or a return that does not match, and somebody has reviewed it; a device that an earlier
    attempt has sent its clearing may well show it.
    """
    accepted = {*(request.accepted_warnings or ()), *also}
    if EVERYTHING in accepted:
        return []
    accepted |= _BY_WINDOW if request.override_window else frozenset()
    accepted |= _BY_EXCEPTION if request.exceptional else frozenset()
    accepted |= _BY_OWN_CLEARING if clear_was_sent else frozenset()
    return [
        check
        for check in checks
        if check.severity is Severity.WARNING and check.code not in accepted
    ]


def require_startable(
    wanted: Accepting, checks: Sequence[Check], *, put_off: bool, also: Sequence[str] = ()
) -> None:
    """Refuse what is known to come to nothing. Raises ChecksBlocking, then WarningsNotAccepted.

    `put_off`: it is to start at a later moment, so what may have passed by then only stands if it lasts. `also` are codes accepted besides.
    """
    blocking = binding(checks, put_off=put_off)
    if blocking:
        raise ChecksBlocking(blocking)
    left = unaccepted(wanted, checks, also=also)
    if left:
        raise WarningsNotAccepted([(one.code, one.message, one.remedy) for one in left])


def binding(checks: Sequence[Check], *, put_off: bool) -> list[Check]:
    """The checks that stand against submitting."""
    return [
        check
        for check in checks
        if check.severity is Severity.BLOCKING and (check.code in _LASTING or not put_off)
    ]


def require_accepted(cases: Sequence[Case], accepted: Sequence[str]) -> None:
    """Raises WarningsNotAccepted with the first case of every kind that was not accepted."""
    left: dict[str, Case] = {}
    for case in cases:
        if case.code not in accepted:
            left.setdefault(case.code, case)
    if left:
        raise WarningsNotAccepted(
            [(one.code, f"{one.who}：{one.message}", one.remedy) for one in left.values()]
        )


def open_warnings(checks: Sequence[Check]) -> list[dict[str, str]]:
    """Warnings as a request keeps them for the person who decides."""
    return [
        {"code": check.code, "message": check.message, "remedy": check.remedy} for check in checks
    ]


def failure(checks: Sequence[Check]) -> Failure:
    """What a request fails with that met these."""
    said = "；".join(f"{check.message}（{check.code}）" for check in checks)
    return Failure(
        WarningsNotAccepted.code,
        f"有未确认的提醒：{said}",
        "阅读提醒；可以继续的，重试时勾选“已了解”。设备尚未有任何改动。",
    )
