"""The list of routers of HTML pages."""

from fastapi import APIRouter

from app.accounts.pages import router as accounts
from app.backups.pages import router as backups
from app.clearing.pages import router as clearing
from app.devices.pages import router as devices
from app.enterprises.pages import router as enterprises
from app.invoices.pages import router as invoices
from app.notifications.pages import router as notifications
from app.operators.pages import router as operators
from app.system.audit_pages import router as audit
from app.system.pages import router as system
from app.system.probes import router as probes

router = APIRouter(include_in_schema=False)
for _part in (
    probes,
    accounts,
    clearing,
    devices,
    invoices,
    enterprises,
    operators,
    backups,
    notifications,
    audit,
    system,
):
    router.include_router(_part)
