"""The list of REST routers, all under /api/v1."""

from app.accounts.api import router as accounts
from app.backups.api import router as backups
from app.calendar.api import router as calendar
from app.clearing.api import router as clearing
from app.clearing.batch_api import router as batches
from app.clearing.handover_api import router as handover
from app.clearing.preview_api import router as clearing_preview
from app.clearing.reconciliation.api import router as reconciliations
from app.clearing.records_api import router as record_files
from app.core.routing import Router
from app.devices.api import router as devices
from app.devices.dial_api import router as dial
from app.devices.relay_api import router as relay
from app.enterprises.api import router as enterprises
from app.inspections.api import router as inspections
from app.invoices.api import router as invoices
from app.invoices.importing.api import router as invoices_import
from app.notifications.api import router as notifications
from app.notifications.webhooks_api import router as webhooks
from app.operators.api import router as operators
from app.system.api import router as system
from app.system.audit_api import router as audit
from app.system.care import api_router as care
from app.system.rules_pages import api_router as rules

router = Router(prefix="/api/v1")
for _part in (
    enterprises,
    operators,
    devices,
    dial,
    relay,
    invoices,
    invoices_import,
    record_files,  # before `clearing`, whose /clearing-records/{id} would take `export` for an id
    clearing,
    clearing_preview,
    batches,
    handover,
    reconciliations,
    backups,
    notifications,
    webhooks,
    calendar,
    audit,
    inspections,
    care,
    rules,
    accounts,
    system,
):
    router.include_router(_part)
