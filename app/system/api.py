"""REST API of the system: information. Health and metrics stand outside /api (see probes)."""

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from app.accounts.deps import Reader
from app.core.routing import Router
from app.system.status import status_of

router = Router(tags=["系统"])


class SystemPublic(BaseModel):
    """GET /system."""

    model_config = ConfigDict(from_attributes=True)

    version: str
    schema_version: str
    database: str
    python: str
    started_at: str
    uptime_seconds: int
    operators: int
    devices: int
    simulated: bool
    update_notice: str = Field(description="有新版本 …; empty: none is known")
    update_url: str = Field(description="where to read about the newer version")
    update_notes: str


@router.get("/system")
def system(request: Request, principal: Reader) -> SystemPublic:
    """Version, schema, database, uptime, and the newer version if one is known."""
    found = status_of(request, principal)
    update = found.update
    return SystemPublic(
        version=found.version,
        schema_version=found.schema,
        database=found.database,
        python=found.python,
        started_at=found.started_at.isoformat(),
        uptime_seconds=found.uptime_seconds,
        operators=found.operators,
        devices=found.devices,
        simulated=found.simulated,
        update_notice=update.notice if update else "",
        update_url=update.url if update else "",
        update_notes=update.notes if update else "",
    )
