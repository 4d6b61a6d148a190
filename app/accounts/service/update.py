"""A partial change of an account, as the API sends it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlmodel import Session

from app.accounts import queries
from app.accounts.models import Account
from app.accounts.principal import Principal
from app.accounts.service import manage
from app.core.clock import Clock
from app.settings import Settings

_PROFILE = ("display_name", "operator_id", "enterprise_ids")


def update_account(
    session: Session,
    account_id: UUID,
    changes: Mapping[str, Any],
    *,
    by: Principal,
    settings: Settings,
    clock: Clock,
) -> Account:
    """Apply the fields of `schemas.AccountUpdate` that were sent; each is audited on its own."""
    account = manage.find(session, account_id)
    profile = any(name in changes for name in _PROFILE)
    # Roles and limits must fit each other at every step: what lets go of a limit or a wide role comes first.
    limiting = changes.get("enterprise_ids") is not None
    if profile and not limiting:
        _change_profile(session, account, changes, by=by, clock=clock)
    if "roles" in changes:
        roles = frozenset(changes["roles"])
        manage.set_roles(session, account_id, roles, by=by, settings=settings, clock=clock)
    if profile and limiting:
        _change_profile(session, account, changes, by=by, clock=clock)
    if changes.get("disabled") is True:
        manage.disable_account(session, account_id, by=by, clock=clock)
    elif changes.get("disabled") is False:
        manage.enable_account(session, account_id, by=by, clock=clock)
    if "locked" in changes:
        manage.unlock_account(session, account_id, by=by, clock=clock)
    return account


def _change_profile(
    session: Session, account: Account, changes: Mapping[str, Any], *, by: Principal, clock: Clock
) -> None:
    now = queries.views(session, [account], at=clock())[0]
    manage.change_account(
        session,
        account.id,
        manage.AccountChanges(
            display_name=changes.get("display_name", account.display_name),
            operator_id=changes.get("operator_id", account.operator_id),
            enterprise_ids=changes.get("enterprise_ids", now.enterprise_ids),
        ),
        by=by,
        clock=clock,
    )
