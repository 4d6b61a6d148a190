"""/healthz and /readyz, for whatever watches the server; /metrics has a module of its own."""

from starlette.responses import JSONResponse

from app.core.routing import Router
from app.core.web import DatabaseDep
from app.system.status import is_ready

router = Router(include_in_schema=False)


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(database: DatabaseDep) -> JSONResponse:
    """The process can serve: 503 while it can't."""
    ready = is_ready(database)
    return JSONResponse({"status": "ok" if ready else "unavailable"}, 200 if ready else 503)
