"""Renders the one hierarchy of errors twice: as problem+json (RFC 9457) and as a page."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from app.core.logging import get_logger
from app.core.problems import problem
from app.core.templating import render
from app.core.web import wants_html
from app.errors import Invalid, NotFound, QingkaError, Unauthenticated

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """templates/error.html."""

    status: int
    code: str
    title: str
    detail: str
    remedy: str
    errors: dict[str, str]


def respond(request: Request, error: QingkaError) -> Response:
    """The error as the asker can use it."""
    if not wants_html(request):
        return problem(error, request.url.path)
    if isinstance(error, Unauthenticated):
        return RedirectResponse(_login_path(request), status_code=303)
    if error.page_redirect:
        return RedirectResponse(error.page_redirect, status_code=303)
    page = ErrorPage(
        error.status, error.code, error.title, error.detail, error.remedy, error.errors
    )
    response = render(request, "error.html", page, status_code=error.status)
    response.headers.update(error.headers)
    return response


def _login_path(request: Request) -> str:
    if request.method != "GET" or request.url.path == "/":
        return "/login"
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"/login?next={quote(target, safe='')}"


def install(app: FastAPI) -> None:
    """Register the handlers."""

    @app.exception_handler(QingkaError)
    def _known(request: Request, error: QingkaError) -> Response:
        return respond(request, error)

    @app.exception_handler(RequestValidationError)
    def _validation(request: Request, error: RequestValidationError) -> Response:
        return respond(request, Invalid(errors=field_messages(error.errors())))

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> Response:
        return respond(request, _as_known(error))

    @app.exception_handler(Exception)
    def _unknown(request: Request, error: Exception) -> Response:
        log.error("unhandled error", path=request.url.path, exc_info=error)
        return respond(request, QingkaError())


def _as_known(error: HTTPException) -> QingkaError:
    known: QingkaError = NotFound() if error.status_code == 404 else QingkaError()
    if error.status_code != 404:
        phrase = HTTPStatus(error.status_code).phrase
        known = type(
            "HttpError",
            (QingkaError,),
            {
                "status": error.status_code,
                "code": f"http.{error.status_code}",
                "title": phrase,
                "remedy": "请检查请求的地址与方法。",
            },
        )()
    known.headers = dict(error.headers or {})
    return known


def field_messages(errors: Any) -> dict[str, str]:
    """Field → message of pydantic's errors; the place (`body`, `query`) is left out."""
    messages: dict[str, str] = {}
    for item in errors:
        place = [
            str(part) for part in item["loc"] if part not in ("body", "query", "path", "header")
        ]
        messages.setdefault(".".join(place) or "body", _message(item))
    return messages


def _message(item: dict[str, Any]) -> str:
    kind = str(item["type"])
    if kind == "missing":
        return "必填"
    if kind == "value_error":
        return str(item["msg"]).removeprefix("Value error, ")
    if kind in ("enum", "literal_error"):
        return f"只能是：{item.get('ctx', {}).get('expected', '')}"
    return str(item["msg"])
