"""Renders the one hierarchy of errors twice: as problem+json (RFC 9457) and as a page."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match

from app.accounts import kept_forms
from app.accounts.deps import principal_of, session_principal
from app.core.logging import get_logger
from app.core.messages import message
from app.core.problems import problem
from app.core.templating import redirect, render
from app.core.web import clock_of, settings_of, wants_html
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
    if error.status < 500 and principal_of(request) is None:
        # No route asked who this is: an unknown address, a body that was refused.
        request.state.principal = session_principal(request)
    page = ErrorPage(
        error.status, error.code, error.title, error.detail, error.remedy, error.errors
    )
    response = render(request, "error.html", page, status_code=error.status)
    response.headers.update(error.headers)
    return response


async def _respond_to_form(request: Request, error: QingkaError) -> Response:
    """The same; but of a form that asks for signing in first, what was typed is kept for its page."""
    gone = isinstance(error, Unauthenticated) and request.method == "POST" and wants_html(request)
    form = await request.form() if gone else FormData()
    given = form.get(kept_forms.MARK)
    if not isinstance(given, str):
        return await run_in_threadpool(respond, request, error)
    settings = settings_of(request)
    page = kept_forms.page_of(given, settings)
    if not page:
        return await run_in_threadpool(respond, request, error)
    kept = kept_forms.sealed(form, settings, at=clock_of(request)())
    response = redirect(_login_for(page), flash="" if kept else _TOO_LONG, kind="warn")
    if kept:
        kept_forms.keep(response, kept, settings)
    return response


_TOO_LONG = "登录已失效，刚才的内容尚未提交；内容太多，未能保留，登录后请重新填写。"


def _login_path(request: Request) -> str:
    if request.method == "GET":
        query = f"?{request.url.query}" if request.url.query else ""
        return _login_for(request.url.path + query)
    return _login_for(_page_before(request))


def _login_for(target: str) -> str:
    return "/login" if target in ("", "/") else f"/login?next={quote(target, safe='')}"


def _page_before(request: Request) -> str:
    """The page of ours a form was sent from, if it can be asked for; else none."""
    came_from = urlsplit(request.headers.get("referer", ""))
    if came_from.netloc != request.url.netloc:
        return ""
    scope = {"type": "http", "method": "GET", "path": came_from.path, "headers": []}
    if not any(route.matches(scope)[0] is Match.FULL for route in request.app.routes):
        return ""
    return came_from.path + (f"?{came_from.query}" if came_from.query else "")


def install(app: FastAPI) -> None:
    """Register the handlers."""

    @app.exception_handler(QingkaError)
    async def _known(request: Request, error: QingkaError) -> Response:
        return await _respond_to_form(request, error)

    @app.exception_handler(RequestValidationError)
    def _validation(request: Request, error: RequestValidationError) -> Response:
        if wants_html(request) and any(item["loc"][0] == "path" for item in error.errors()):
            return respond(request, NotFound())  # nobody types an id: the link is wrong or old
        return respond(
            request, Invalid(errors=field_messages(error.errors(), values=not wants_html(request)))
        )

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
        known = type(
            "HttpError",
            (QingkaError,),
            {
                "status": error.status_code,
                "code": f"http.{error.status_code}",
                "title": _HTTP.get(error.status_code, "请求无法处理"),
                "remedy": "请检查请求的地址与方法。",
            },
        )()
    known.headers = dict(error.headers or {})
    return known


_HTTP = {400: "请求的格式有误", 405: "这个地址不能这样使用", 413: "提交的内容过大"}


def field_messages(errors: Any, *, values: bool) -> dict[str, str]:
    """Field → message of pydantic's errors; the place (`body`, `query`) is left out."""
    messages: dict[str, str] = {}
    for item in errors:
        place = [
            str(part) for part in item["loc"] if part not in ("body", "query", "path", "header")
        ]
        messages.setdefault(".".join(place) or "body", message(item, values=values))
    return messages
