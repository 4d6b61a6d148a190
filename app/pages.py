"""The list of routers of HTML pages."""

from app.accounts.pages import router as accounts
from app.backups.pages import router as backups
from app.calendar.pages import router as calendar
from app.clearing.pages import router as clearing
from app.core.routing import Router
from app.devices.pages import router as devices
from app.enterprises.pages import router as enterprises
from app.inspections.pages import router as inspections
from app.invoices.pages import router as invoices
from app.notifications.pages import router as notifications
from app.operators.pages import router as operators
from app.system.api_docs import router as api_docs
from app.system.audit_pages import router as audit
from app.system.care import router as care
from app.system.metrics import router as metrics
from app.system.pages import router as system
from app.system.probes import router as probes
from app.system.rules_pages import router as rules

router = Router(include_in_schema=False)
for _part in (
    probes,
    api_docs,
    accounts,
    clearing,
    devices,
    invoices,
    enterprises,
    operators,
    calendar,
    backups,
    notifications,
    audit,
    inspections,
    care,
    rules,
    metrics,
    system,
):
    router.include_router(_part)
