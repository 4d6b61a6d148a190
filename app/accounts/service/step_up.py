"""Asking for the password again (验证用户身份) before what cannot be taken back."""

from datetime import datetime, timedelta

from app.accounts.principal import Principal
from app.accounts.service import attempts
from app.accounts.service.attempts import Blocked
from app.accounts.service.passwords import MAX_LENGTH
from app.accounts.service.verification import Checked, check_password
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.core.clock import Clock, local
from app.core.db import Database
from app.errors import Invalid
from app.settings import Settings


class StepUpFailed(Invalid):
    """The password was missing or wrong, or has been wrong too often."""

    code = "step_up.failed"
    title = "密码不正确"
    remedy = "请输入您登录本系统的密码。"


def verify_step_up(
    database: Database,
    principal: Principal,
    password: str | None,
    *,
    settings: Settings,
    clock: Clock,
) -> None:
    """Raises StepUpFailed unless the person knows the password; asks nothing of API keys.

    Call it before the transaction of the change: it commits by itself, failures count towards the
    lock of name and address, and are audited.
    """
    if not principal.is_person:
        return
    if not password or len(password) > MAX_LENGTH:
        raise _failure("请输入密码" if not password else StepUpFailed.title)
    at = clock()
    checked = check_password(
        database, name=principal.name, password=password, ip=principal.ip, settings=settings, at=at
    )
    if isinstance(checked, Blocked):
        raise _failure(locked_text(checked.until))
    _conclude(database, principal, checked, at)


def _conclude(database: Database, principal: Principal, checked: Checked, at: datetime) -> None:
    if checked.right:
        with database.transaction() as session:
            attempts.forgive(session, name=principal.name, ip=principal.ip)
        return
    _record_failure(database, principal, locked=checked.locked_until is not None, at=at)
    locked = checked.locked_until
    raise _failure(StepUpFailed.title if locked is None else locked_text(locked))


def _record_failure(
    database: Database, principal: Principal, *, locked: bool, at: datetime
) -> None:
    actions = [AuditAction.STEP_UP_FAILED, *([AuditAction.ACCOUNT_LOCKED] if locked else [])]
    with database.transaction() as session:
        for action in actions:
            audit.record(
                session,
                actor=principal.actor,
                action=action,
                object_type="account",
                object_id=str(principal.id),
                at=at,
            )


def locked_text(until: datetime) -> str:
    """What a person whose tries are used up reads."""
    return f"密码错误次数过多，请于 {local(until + timedelta(minutes=1)):%H:%M} 之后再试"


def _failure(text: str) -> StepUpFailed:
    return StepUpFailed(text, errors={"password": text})
