"""Pages of backups."""

from app.backups.pages.detail import router as detail
from app.backups.pages.list import router as backup_list
from app.core.routing import Router

router = Router(include_in_schema=False)
router.include_router(backup_list)
router.include_router(detail)
