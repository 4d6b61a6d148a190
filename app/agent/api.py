"""The agent's HTTP API (docs/api.md, Agents). All state is in the runtime.

Handlers are plain functions that may wait for a device; only the streams are asynchronous. They poll
thread-safe state, so that the app works in any event loop, also mounted in another application.
"""

import json
from collections.abc import AsyncIterator
from datetime import date
from typing import Annotated, Any
from uuid import UUID

import anyio
from fastapi import APIRouter, FastAPI, Header, Query, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from app import __version__
from app.agent import problems
from app.agent.auth import Guard, TokenHash
from app.agent.runtime import Runtime
from app.contracts.devices import (
    AgentStatus,
    BureauView,
    DeviceInvoice,
    DeviceReading,
    DeviceSummary,
    Statistics,
)
from app.contracts.operations import (
    FINAL_STATES,
    Operation,
    OperationKind,
    OperationRequest,
)
from app.contracts.periods import Period

PREFIX = "/agent/v1"
_POLL_SECONDS = 0.05
"""Between two looks at an operation somebody waits for."""
_EVENT_SECONDS = 0.25
"""Between two looks for events of devices: a tenth of the time until one is noticed at all."""
_KEEP_ALIVE_SECONDS = 15.0
_STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

Timeout = Annotated[
    float | None, Query(ge=0, le=3600, description="end the stream after this many seconds")
]


def create_agent_app(runtime: Runtime, token: str | TokenHash) -> FastAPI:
    """The app; the runtime is started and stopped by whoever made it.

    `token` is what callers have to show, or its hash. Raises `ValueError` without one.
    """
    app = FastAPI(
        title="清卡设备代理",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{PREFIX}/openapi.json",
    )
    app.add_middleware(Guard, token=token if isinstance(token, TokenHash) else TokenHash.of(token))
    problems.install(app)
    app.include_router(_reading_routes(runtime), prefix=PREFIX)
    app.include_router(_operation_routes(runtime), prefix=PREFIX)
    app.include_router(_event_routes(runtime), prefix=PREFIX)
    return app


def _reading_routes(runtime: Runtime) -> APIRouter:
    router = APIRouter()

    @router.get("/status")
    def status() -> AgentStatus:
        """Version, drivers and uptime of the agent."""
        return runtime.status()

    @router.get("/devices")
    def devices() -> list[DeviceSummary]:
        """Every configured device as far as it is known, without asking it."""
        return runtime.devices()

    @router.get("/devices/{number}")
    def device(number: str) -> DeviceReading:
        """Information and monitors, read from the device now."""
        return runtime.read(number)

    @router.get("/devices/{number}/statistics")
    def statistics(
        number: str,
        first: Annotated[date, Query(alias="from")],
        last: Annotated[date, Query(alias="to")],
    ) -> list[Statistics]:
        """统计 of every authorised type, both days included."""
        if last < first:
            raise _invalid("query", "to", "不能早于 from")
        return runtime.statistics(number, first, last)

    @router.get("/devices/{number}/invoices")
    def invoices(number: str, period: Period) -> list[DeviceInvoice]:
        """The device's invoices of a month."""
        return runtime.invoices(number, period)

    @router.get("/devices/{number}/bureau")
    def bureau(number: str) -> BureauView:
        """Where the bureau stands with every authorised type; changes nothing."""
        return runtime.bureau_view(number)

    return router


def _operation_routes(runtime: Runtime) -> APIRouter:
    router = APIRouter()

    @router.post("/devices/{number}/operations", status_code=202)
    def submit(number: str, request: OperationRequest, response: Response) -> Operation:
        """Begin an operation. The same id with the same content gives the operation there is."""
        if request.period is None and request.kind is not OperationKind.SET_CLOCK:
            raise _invalid("body", "period", "抄报和清卡需要属期")
        operation = runtime.submit(number, request)
        response.headers["Location"] = f"{PREFIX}/operations/{operation.id}"
        return operation

    @router.get("/operations/{operation_id}")
    async def operation(
        operation_id: UUID, wait: Annotated[float, Query(ge=0, le=60)] = 0
    ) -> Operation:
        """The operation; with `wait`, once it is final or changes no more within these seconds."""
        found = await run_in_threadpool(runtime.operation, operation_id)
        with anyio.move_on_after(wait):
            while found.state not in FINAL_STATES and wait:
                await _changed(runtime, operation_id, runtime.journal.revision(operation_id))
                found = await run_in_threadpool(runtime.operation, operation_id)
        return found

    @router.delete("/operations/{operation_id}")
    def cancel(operation_id: UUID) -> Operation:
        """Cancel the operation: it fails with agent.cancelled. 409 once it writes to the device."""
        return runtime.cancel(operation_id)

    @router.get("/operations/{operation_id}/events")
    async def operation_events(operation_id: UUID, timeout: Timeout = None) -> StreamingResponse:
        """The operation after each change, and `end` once it is final."""
        await run_in_threadpool(runtime.operation, operation_id)
        return _stream(_follow_operation(runtime, operation_id), timeout)

    return router


def _event_routes(runtime: Runtime) -> APIRouter:
    router = APIRouter()

    @router.get("/events")
    async def events(
        after: Annotated[int | None, Query(ge=0)] = None,
        last_event_id: Annotated[int | None, Header(ge=0)] = None,
        timeout: Timeout = None,
    ) -> StreamingResponse:
        """New events; from number `after` (or Last-Event-ID) on when given, 0 for all that are kept."""
        given = after if after is not None else last_event_id
        start = runtime.events.last if given is None else min(given, runtime.events.last)
        return _stream(_follow_events(runtime, start), timeout)

    return router


async def _follow_operation(runtime: Runtime, operation_id: UUID) -> AsyncIterator[str]:
    while True:
        revision = runtime.journal.revision(operation_id)
        found = await run_in_threadpool(runtime.operation, operation_id)
        yield _event("operation", found)
        if found.state in FINAL_STATES:
            yield _event("end", {"state": found.state.value})
            return
        with anyio.move_on_after(_KEEP_ALIVE_SECONDS) as idle:
            await _changed(runtime, operation_id, revision)
        if idle.cancelled_caught:
            yield ":\n\n"


async def _follow_events(runtime: Runtime, seq: int) -> AsyncIterator[str]:
    quiet = 0.0
    yield ":\n\n"
    while True:
        for item in runtime.events.since(seq):
            yield _event(item.event.kind.value, item.event, item.seq)
            seq, quiet = item.seq, 0.0
        await anyio.sleep(_EVENT_SECONDS)
        quiet += _EVENT_SECONDS
        if quiet >= _KEEP_ALIVE_SECONDS:
            yield ":\n\n"
            quiet = 0.0


async def _changed(runtime: Runtime, operation_id: UUID, revision: int) -> None:
    while runtime.journal.revision(operation_id) == revision:
        await anyio.sleep(_POLL_SECONDS)


def _stream(parts: AsyncIterator[str], timeout: float | None) -> StreamingResponse:
    body = parts if timeout is None else _until(parts, timeout)
    return StreamingResponse(body, media_type="text/event-stream", headers=_STREAM_HEADERS)


async def _until(parts: AsyncIterator[str], seconds: float) -> AsyncIterator[str]:
    deadline = anyio.current_time() + seconds
    while True:
        part: str | None = None
        with anyio.move_on_at(deadline):
            part = await anext(parts, None)
        if part is None:
            return
        yield part


def _event(name: str, data: BaseModel | dict[str, Any], seq: int | None = None) -> str:
    text = (
        data.model_dump_json()
        if isinstance(data, BaseModel)
        else json.dumps(data, ensure_ascii=False)
    )
    number = f"id: {seq}\n" if seq is not None else ""
    return f"{number}event: {name}\ndata: {text}\n\n"


def _invalid(place: str, name: str, message: str) -> RequestValidationError:
    return RequestValidationError([{"type": "value_error", "loc": (place, name), "msg": message}])
