"""Setting up: the first admin, with a random one-time password instead of a default one."""

from app.accounts import queries
from app.accounts.errors import NameTaken
from app.accounts.principal import SYSTEM, Role
from app.accounts.service.manage import AccountDraft, create_account
from app.core.clock import Clock
from app.core.db import Database
from app.settings import Settings

FIRST_ADMIN = "admin"


def ensure_first_admin(database: Database, clock: Clock, *, settings: Settings) -> str | None:
    """Make the account `admin` on an empty system; its one-time password, or None."""
    with database.reading() as session:
        if queries.any_account(session):
            return None
    draft = AccountDraft(FIRST_ADMIN, frozenset({Role.ADMIN}), display_name="管理员")
    try:
        with database.transaction() as session:
            new = create_account(session, draft, by=SYSTEM, settings=settings, clock=clock)
            return new.one_time_password
    except NameTaken:
        # Another process that started at the same moment made it and shows the password.
        return None
