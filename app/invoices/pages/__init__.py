"""HTML pages of the ledger. One module per page."""

from app.core.routing import Router
from app.invoices.pages import drafts, importing, ledger

router = Router(include_in_schema=False)
for _module in (importing, ledger, drafts):  # /invoices/import before /invoices/{id}
    router.include_router(_module.router)
