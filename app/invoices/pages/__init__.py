"""HTML pages of the ledger. One module per page."""

from fastapi import APIRouter

from app.invoices.pages import importing, ledger

router = APIRouter(include_in_schema=False)
for _module in (importing, ledger):  # /invoices/import before /invoices/{id}
    router.include_router(_module.router)
