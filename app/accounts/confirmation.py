"""Asking a person for the password again: a dependency of routes that change what is worth it."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends
from pydantic import SecretStr

from app.accounts.deps import CurrentPrincipal
from app.accounts.service.step_up import verify_step_up
from app.core.web import ClockDep, DatabaseDep, SettingsDep

Password = str | SecretStr | None


def _confirming(
    principal: CurrentPrincipal, database: DatabaseDep, settings: SettingsDep, clock: ClockDep
) -> Callable[[Password], None]:
    def confirm(password: Password) -> None:
        text = password.get_secret_value() if isinstance(password, SecretStr) else password
        verify_step_up(database, principal, text, settings=settings, clock=clock)

    return confirm


Confirm = Annotated[Callable[[Password], None], Depends(_confirming)]
"""Asks a person for the password again (SECURITY.md); call it before the transaction of the change.

Raises StepUpFailed. An API key has its scope instead.
"""
