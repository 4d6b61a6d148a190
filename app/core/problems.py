"""The one form of errors for programs: problem+json (RFC 9457)."""

from typing import Any

from starlette.responses import JSONResponse

from app.errors import QingkaError


def problem(error: QingkaError, path: str) -> JSONResponse:
    """The error of a request to `path`, with its stable code, its remedy and its fields."""
    body: dict[str, Any] = {
        "type": f"urn:qingka:error:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": path,
        "code": error.code,
        "remedy": error.remedy,
    }
    if error.errors:
        body["errors"] = error.errors
    body.update(error.extensions)
    return JSONResponse(
        body, error.status, headers=error.headers, media_type="application/problem+json"
    )
