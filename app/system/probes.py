"""/healthz and /readyz, for whatever watches the server; /metrics has a module of its own."""

from fastapi import Request
from starlette.responses import JSONResponse

from app.core.routing import Router
from app.core.web import DatabaseDep, SettingsDep
from app.system import readiness

router = Router(include_in_schema=False)


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(request: Request, database: DatabaseDep, settings: SettingsDep) -> JSONResponse:
    """The process can serve and write; 503 with what is missing while it can't."""
    missing = readiness.missing(database, settings, silence=request.app.state.engine.silence)
    body = {"status": "unavailable" if missing else "ok", "missing": missing}
    return JSONResponse(body, 503 if missing else 200)
