"""HTML pages of clearing: overview, list, operator, requests, records. One module per page."""

from app.clearing.pages import (
    batch_confirm,
    batches,
    certificate,
    handover,
    home,
    operator,
    operator_checks,
    operators,
    operators_export,
    reconciliation,
    records,
    request,
    requests,
)
from app.core.routing import Router

router = Router(include_in_schema=False)
for _module in (
    home,
    operators,
    operators_export,
    batch_confirm,  # before `batches`, whose /{batch_id} would take `new` for an id
    batches,
    requests,
    request,
    operator,
    operator_checks,
    records,
    certificate,
    reconciliation,
    handover,
):
    router.include_router(_module.router)
