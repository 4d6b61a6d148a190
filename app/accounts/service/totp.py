"""One-time codes (TOTP, RFC 6238) as a second factor: 6 digits, 30 seconds, one step of tolerance."""

import io
import re
from datetime import datetime

import pyotp
import segno
from sqlmodel import Session

from app.accounts import queries
from app.accounts.models import Account
from app.accounts.principal import Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.core import security
from app.core.crypto import seal, unseal
from app.errors import Conflict, Invalid, NotFound
from app.settings import Settings

ISSUER = "清卡管理"
_STEP_SECONDS = 30
_CODE = re.compile(r"\d{6}")


class NoPendingFactor(Conflict):
    """There is no secret waiting to be confirmed."""

    code = "totp.not_started"
    title = "请先开始设置动态验证码"


def uses_totp(account: Account) -> bool:
    """Whether signing in asks for a code: a secret that was never confirmed does not count."""
    return account.totp_confirmed_at is not None


def matching_step(account: Account, code: str, *, settings: Settings, at: datetime) -> int | None:
    """The step whose code this is, if newer than the last one used (no code works twice)."""
    code = code.replace(" ", "")
    if account.totp_secret is None or not _CODE.fullmatch(code):
        return None
    totp = pyotp.TOTP(_secret(account, settings))
    now = int(at.timestamp()) // _STEP_SECONDS
    for step in (now - 1, now, now + 1):
        if step > account.totp_step and security.same(totp.at(step * _STEP_SECONDS), code):
            return step
    return None


def start_totp(session: Session, principal: Principal, *, settings: Settings) -> None:
    """Make a new secret, to be confirmed with a first code. The caller has verified the person again."""
    account = _own(session, principal)
    if uses_totp(account):
        raise Conflict("动态验证码已经启用")
    account.totp_secret = seal(_key(settings), pyotp.random_base32(), context=str(account.id))
    account.totp_step = 0
    session.add(account)


def confirm_totp(
    session: Session, principal: Principal, code: str, *, settings: Settings, at: datetime
) -> None:
    """From now on signing in asks for codes. Raises Invalid when the code does not match."""
    account = _pending(session, principal)
    step = matching_step(account, code, settings=settings, at=at)
    if step is None:
        raise Invalid(errors={"code": "验证码不正确，请核对手机时间后重新输入"})
    account.totp_confirmed_at = at
    account.revision += 1
    account.totp_step = step
    session.add(account)
    session.flush()
    _record(session, principal, account, AuditAction.ACCOUNT_TOTP_ENABLED, at)


def remove_totp(session: Session, account: Account, *, by: Principal, at: datetime) -> None:
    """Stop asking for codes. The caller has verified the person again."""
    was_used = uses_totp(account)
    account.totp_secret, account.totp_confirmed_at, account.totp_step = None, None, 0
    account.revision += 1
    session.add(account)
    session.flush()
    if was_used:
        _record(session, by, account, AuditAction.ACCOUNT_TOTP_DISABLED, at)


def pending_secret(session: Session, principal: Principal, *, settings: Settings) -> str:
    """The secret to type into an authenticator; shown only until it is confirmed."""
    return _secret(_pending(session, principal), settings)


def pending_qr_svg(session: Session, principal: Principal, *, settings: Settings) -> bytes:
    """The same as a QR code, an SVG image."""
    secret = pending_secret(session, principal, settings=settings)
    uri = pyotp.TOTP(secret).provisioning_uri(name=principal.name, issuer_name=ISSUER)
    buffer = io.BytesIO()
    segno.make(uri, error="m").save(buffer, kind="svg", scale=4, border=4, light="#fff")
    return buffer.getvalue()


def _own(session: Session, principal: Principal) -> Account:
    account = queries.account(session, principal.id)
    if account is None:
        raise NotFound
    return account


def _pending(session: Session, principal: Principal) -> Account:
    account = _own(session, principal)
    if account.totp_secret is None or uses_totp(account):
        raise NoPendingFactor
    return account


def _key(settings: Settings) -> bytes:
    return security.derive_key(settings.root_secret, "totp")


def _secret(account: Account, settings: Settings) -> str:
    return unseal(_key(settings), account.totp_secret or "", context=str(account.id))


def _record(
    session: Session, by: Principal, account: Account, action: AuditAction, at: datetime
) -> None:
    audit.record(
        session,
        actor=by.actor,
        action=action,
        object_type="account",
        object_id=str(account.id),
        at=at,
        details={"name": account.name},
    )
