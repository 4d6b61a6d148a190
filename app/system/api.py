"""REST API of the system: information. Health and metrics stand outside /api (see probes)."""

from fastapi import Request
from pydantic import BaseModel, ConfigDict

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
    update_notice: str


@router.get("/system")
def system(request: Request, principal: Reader) -> SystemPublic:
    """Version, schema, database, uptime."""
    found = status_of(request)
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
        update_notice=found.update_notice,
    )
