"""HTML pages of clearing: overview, list, operator, requests, records. One module per page."""

from fastapi import APIRouter

from app.clearing.pages import (
    batches,
    certificate,
    home,
    operator,
    operators,
    operators_export,
    reconciliation,
    records,
    request,
    requests,
)

router = APIRouter(include_in_schema=False)
for _module in (
    home,
    operators,
    operators_export,
    batches,
    requests,
    request,
    operator,
    records,
    certificate,
    reconciliation,
):
    router.include_router(_module.router)
