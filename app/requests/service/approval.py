"""What an approval covers: a request as it was decided on, also when it has to be tried again.

A request that failed has been allowed to run once, with its devices, period and parameters. Trying
again changes none of them and never repeats what was done, so whoever may submit may do it, unless the
failure is something the decision did not know of: then whoever may execute decides anew.
"""

from collections.abc import Sequence

from app.accounts.principal import Permission, Principal
from app.clearing.errors import RetryNeedsDecision
from app.clearing.models import ClearingRequest
from app.clearing.states import RETRYABLE_STATES
from app.contracts.faults import is_transient
from app.core.clock import Clock
from app.core.db import Session
from app.errors import Forbidden
from app.prechecks import acceptance
from app.requests.service import control, review

_CURED_ELSEWHERE = frozenset(
    {
        "backup.disk_full",
        "backup.target_unwritable",
        "bureau.not_filed",
        "clearing.drafts",
        "clearing.peak_window",
        "clearing.sub_machines_first",
        "device.locked",
        "device.not_found",
        "device.offline_not_uploaded",
        "device.password_missing",
        "device.password_wrong",
        "device.red_not_uploaded",
        "device.void_not_uploaded",
    }
)
"""Not transient, but their cause is put right outside the request, which stays what was approved."""


def covers(request: ClearingRequest) -> bool:
    """Whether trying again stays within what was decided."""
    code = request.error_code
    return code is None or is_transient(code) or code in _CURED_ELSEWHERE


def may_retry(session: Session, request: ClearingRequest, principal: Principal) -> bool:
    """Whether this principal may try this request again now."""
    if request.state not in RETRYABLE_STATES:
        return False
    if _decides(session, request, principal):
        return True
    return principal.can(Permission.CLEARING_REQUEST) and covers(request)


def retry(
    session: Session,
    request: ClearingRequest,
    *,
    principal: Principal,
    accepted_warnings: Sequence[str] | None,
    clock: Clock,
) -> None:
    """Try again; a person's password was asked for before. One action for pages, REST and batches.

    Raises Forbidden, RetryNeedsDecision, `errors.RequestState` and ClearingInProgress.
    """
    if not _decides(session, request, principal):
        _require_covered(request, principal, accepted_warnings or ())
    else:
        acceptance.accept(session, request, accepted_warnings, principal=principal, clock=clock)
    control.retry(session, request, principal=principal, clock=clock)


def _decides(session: Session, request: ClearingRequest, principal: Principal) -> bool:
    """Whether this principal could start such a request without somebody else's review."""
    if principal.can(Permission.CLEARING_EXECUTE):
        return True
    return principal.can(Permission.CLEARING_REQUEST) and not review.is_needed(session, request)


def _require_covered(
    request: ClearingRequest, principal: Principal, accepted_warnings: Sequence[str]
) -> None:
    if not principal.can(Permission.CLEARING_REQUEST):
        raise Forbidden("重试需要权限：提交清卡申请，或执行清卡")
    if not covers(request) or set(accepted_warnings) - set(request.accepted_warnings):
        raise RetryNeedsDecision
