"""Pages of backups."""

from fastapi import APIRouter

from app.backups.pages.detail import router as detail
from app.backups.pages.list import router as backup_list

router = APIRouter(include_in_schema=False)
router.include_router(backup_list)
router.include_router(detail)
