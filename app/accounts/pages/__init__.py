"""Pages of accounts: signing in, one's own account, and what admins settle."""

from app.accounts.pages import account_actions, login, own, settings_accounts, settings_keys
from app.core.routing import Router

router = Router(include_in_schema=False)
for _part in (login, own, settings_accounts, account_actions, settings_keys):
    router.include_router(_part.router)
