"""Use cases of accounts, one file each; this is what other features call."""

from app.accounts.service.api_keys import (
    NewApiKey,
    authenticate_api_key,
    create_api_key,
    revoke_api_key,
)
from app.accounts.service.attempts import purge_attempts
from app.accounts.service.change_password import change_password, reset_password
from app.accounts.service.first_admin import FIRST_ADMIN, ensure_first_admin
from app.accounts.service.key_changes import hand_over_api_key, limit_api_key
from app.accounts.service.manage import (
    AccountChanges,
    AccountDraft,
    NewAccount,
    change_account,
    create_account,
    disable_account,
    enable_account,
    end_all_sessions,
    find,
    move_enterprise,
    set_roles,
    unlock_account,
)
from app.accounts.service.sessions import (
    OpenSession,
    authenticate_session,
    cookie_name,
    end_session,
    end_sessions_of,
    end_sessions_of_operator,
    open_session,
    purge_sessions,
    sign_out,
)
from app.accounts.service.sign_in import Credentials, Refusal, Refused, SignedIn, sign_in
from app.accounts.service.step_up import StepUpFailed, locked_text, verify_step_up
from app.accounts.service.totp import (
    confirm_totp,
    pending_qr_svg,
    pending_secret,
    remove_totp,
    start_totp,
    uses_totp,
)

__all__ = [
    "FIRST_ADMIN",
    "AccountChanges",
    "AccountDraft",
    "Credentials",
    "NewAccount",
    "NewApiKey",
    "OpenSession",
    "Refusal",
    "Refused",
    "SignedIn",
    "StepUpFailed",
    "authenticate_api_key",
    "authenticate_session",
    "change_account",
    "change_password",
    "confirm_totp",
    "cookie_name",
    "create_account",
    "create_api_key",
    "disable_account",
    "enable_account",
    "end_all_sessions",
    "end_session",
    "end_sessions_of",
    "end_sessions_of_operator",
    "ensure_first_admin",
    "find",
    "hand_over_api_key",
    "limit_api_key",
    "locked_text",
    "move_enterprise",
    "open_session",
    "pending_qr_svg",
    "pending_secret",
    "purge_attempts",
    "purge_sessions",
    "remove_totp",
    "reset_password",
    "revoke_api_key",
    "set_roles",
    "sign_in",
    "sign_out",
    "start_totp",
    "unlock_account",
    "uses_totp",
    "verify_step_up",
]
