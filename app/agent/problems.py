"""Errors of the agent's API: application/problem+json (RFC 9457) with our code and the device's."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app.agent.drivers.base import DriverError
from app.agent.errors import AgentRefused
from app.agent.journal_writer import JournalClosed
from app.contracts.faults import fault
from app.contracts.operations import Fault
from app.core.logging import get_logger

_log = get_logger(__name__)


def of_fault(status: int, why: Fault, instance: str = "", **more: Any) -> JSONResponse:
    """The answer for a fault."""
    body = {
        "type": f"urn:qingka:error:{why.code}",
        "title": why.message,
        "status": status,
        "detail": why.device_message or why.message,
        "instance": instance,
        **why.model_dump(mode="json", exclude={"message"}),
        **more,
    }
    return JSONResponse(body, status_code=status, media_type="application/problem+json")


def plain(status: int, code: str, title: str, instance: str = "", **more: Any) -> JSONResponse:
    """The answer for an error that is not of the catalogue of faults."""
    body = {
        "type": f"urn:qingka:error:{code}",
        "title": title,
        "status": status,
        "detail": title,
        "instance": instance,
        "code": code,
        **more,
    }
    return JSONResponse(body, status_code=status, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Answer every error of this app so."""
    app.add_exception_handler(AgentRefused, _refused)
    app.add_exception_handler(DriverError, _driver_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(JournalClosed, _failed)
    app.add_exception_handler(Exception, _failed)


def _refused(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, AgentRefused):
        raise error
    return of_fault(error.status, error.fault, request.url.path)


def _driver_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, DriverError):
        raise error
    return of_fault(HTTPStatus.BAD_GATEWAY, error.fault, request.url.path)


def _invalid(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    errors = {".".join(map(str, item["loc"][1:])): item["msg"] for item in error.errors()}
    return plain(422, "invalid", "输入有误", request.url.path, errors=errors)


def _http_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http")
    response = plain(error.status_code, code, str(error.detail), request.url.path)
    response.headers.update(error.headers or {})
    return response


def _failed(request: Request, error: Exception) -> JSONResponse:
    _log.error("request_failed", path=request.url.path, exc_info=error)
    return of_fault(HTTPStatus.INTERNAL_SERVER_ERROR, fault("agent.failed"), request.url.path)
