"""Client of the device agent's API (docs/api.md, Agents).

One implementation over httpx.AsyncClient. The synchronous methods run it in an event loop of their
own, in the thread of the caller, which must not be running one; the `…_async` methods belong to the
caller's loop. Every failure is an `AgentFault` with a code of the catalogue.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import date
from time import monotonic
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

import httpx
from pydantic import TypeAdapter, ValidationError

from app.contracts import CONTRACT_VERSION
from app.contracts.devices import (
    AgentEvent,
    AgentStatus,
    BureauView,
    DeviceInvoice,
    DeviceReading,
    DeviceSummary,
    Message,
    Statistics,
)
from app.contracts.faults import fault
from app.contracts.operations import FINAL_STATES, Operation, OperationRequest
from app.contracts.periods import Period
from app.core.tls import trusting
from app.devices import answers
from app.devices.agent_errors import BROKEN, AgentFault, fault_of, unreachable

M = TypeVar("M", bound=Message)
T = TypeVar("T")

TIMEOUT = httpx.Timeout(60.0, connect=5.0)
"""A read waits for the device; a connection does not."""

LIMITS = httpx.Limits(keepalive_expiry=2.0)
"""An idle connection is given up well before an agent closes it (5 s): else a request meets the closing."""

READ_PAUSES = (0.0, 0.5, 2.0)
"""Seconds before a read whose connection broke is asked again. Commands never are."""

_EVENTS_TIMEOUT = httpx.Timeout(45.0, connect=5.0)
"""An agent with nothing to tell says so every fifteen seconds."""

_SUMMARIES = TypeAdapter(list[DeviceSummary])
_STATISTICS = TypeAdapter(list[Statistics])
_INVOICES = TypeAdapter(list[DeviceInvoice])


class AgentClient:
    """Calls one agent. In `async with`, one connection serves all asynchronous calls."""

    def __init__(
        self,
        base_url: str,
        token: str,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        timeout: httpx.Timeout = TIMEOUT,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        self._base_url = f"{base_url.rstrip('/')}/agent/v1"
        self._token = token
        self._transport = transport
        self._timeout = timeout
        self._verify = verify
        self._open: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        self._open = self._connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._open is not None:
            await self._open.aclose()
            self._open = None

    def status(self) -> AgentStatus:
        """What the agent is. Raises AgentFault `agent.version` for one with other messages."""
        return _run(self.status_async())

    def devices(self) -> list[DeviceSummary]:
        """The devices the agent has."""
        return _run(self.devices_async())

    def read_device(self, number: str) -> DeviceReading:
        """Information and monitors, read from the device now."""
        return _run(self.read_device_async(number))

    def statistics(self, number: str, first: date, last: date) -> list[Statistics]:
        """统计 of every type for the days first..last."""
        return _run(self.statistics_async(number, first, last))

    def invoices(self, number: str, period: Period) -> list[DeviceInvoice]:
        """The device's invoices of the month."""
        return _run(self.invoices_async(number, period))

    def bureau_view(self, number: str) -> BureauView:
        """The bureau's view of the device, asked now. AgentFault `device.operation_unsupported` where
        the hardware talks to the bureau by itself, `device.busy` while an operation is under way."""
        return _run(self.bureau_view_async(number))

    def submit(self, number: str, request: OperationRequest) -> Operation:
        """Give the agent an operation. The same one may be sent again: it is executed at most once."""
        return _run(self.submit_async(number, request))

    def operation(self, operation_id: UUID) -> Operation:
        """How far an operation is."""
        return _run(self.operation_async(operation_id))

    def cancel(self, operation_id: UUID) -> Operation:
        """Cancel an operation that has not written to the device yet. AgentFault `agent.not_cancellable`."""
        return _run(self.cancel_async(operation_id))

    def run(self, number: str, request: OperationRequest, *, seconds: float) -> Operation:
        """Give the agent an operation and wait until it has ended. AgentFault `device.timeout` if it does not."""
        return _run(self._run_async(number, request, seconds))

    async def status_async(self) -> AgentStatus:
        """See `status`."""
        found = await self._get("/status", TypeAdapter(AgentStatus))
        if found.contract_version != CONTRACT_VERSION:
            raise AgentFault(
                fault(
                    "agent.version",
                    message=f"设备代理 {found.version} 的接口版本为 {found.contract_version}，"
                    f"本系统为 {CONTRACT_VERSION}",
                )
            )
        return found

    async def devices_async(self) -> list[DeviceSummary]:
        """See `devices`."""
        return await self._get("/devices", _SUMMARIES)

    async def read_device_async(self, number: str) -> DeviceReading:
        """See `read_device`."""
        return await self._get(f"/devices/{number}", TypeAdapter(DeviceReading))

    async def statistics_async(self, number: str, first: date, last: date) -> list[Statistics]:
        """See `statistics`."""
        query = {"from": first.isoformat(), "to": last.isoformat()}
        return await self._get(f"/devices/{number}/statistics", _STATISTICS, query)

    async def invoices_async(self, number: str, period: Period) -> list[DeviceInvoice]:
        """See `invoices`."""
        return await self._get(f"/devices/{number}/invoices", _INVOICES, {"period": str(period)})

    async def bureau_view_async(self, number: str) -> BureauView:
        """See `bureau_view`."""
        return await self._get(f"/devices/{number}/bureau", TypeAdapter(BureauView))

    async def submit_async(self, number: str, request: OperationRequest) -> Operation:
        """See `submit`."""
        body = request.model_dump(mode="json")
        answer = await self._send("POST", f"/devices/{number}/operations", json=body)
        return _parsed(TypeAdapter(Operation), answer)

    async def operation_async(self, operation_id: UUID, *, wait: float = 0.0) -> Operation:
        """See `operation`; with `wait`, once it is final or these seconds are over."""
        query = {"wait": f"{wait:.1f}"} if wait else None
        return await self._get(f"/operations/{operation_id}", TypeAdapter(Operation), query)

    async def cancel_async(self, operation_id: UUID) -> Operation:
        """See `cancel`."""
        answer = await self._send("DELETE", f"/operations/{operation_id}")
        return _parsed(TypeAdapter(Operation), answer)

    async def events_async(self) -> AsyncGenerator[AgentEvent | None]:
        """What the agent notices from now on, for ever; None whenever it only shows that it is there.

        The first None comes at once: what happens after it is not missed.
        """
        async with self._client() as client:
            try:
                async with client.stream("GET", "/events", timeout=_EVENTS_TIMEOUT) as answer:
                    if not answer.is_success:
                        raise AgentFault(fault_of(await answers.whole(answer)))
                    async for line in answers.lines(answer):
                        if line.startswith("data:"):
                            yield _event(line.removeprefix("data:"))
                        elif line.startswith(":"):
                            yield None
            except httpx.HTTPError as error:
                raise unreachable(error) from error

    async def _run_async(self, number: str, request: OperationRequest, seconds: float) -> Operation:
        async with self:
            operation = await self.submit_async(number, request)
            deadline = monotonic() + seconds
            while operation.state not in FINAL_STATES:
                if (left := deadline - monotonic()) <= 0:
                    raise AgentFault(fault("device.timeout"))
                operation = await self.operation_async(request.id, wait=min(left, 10))
        return operation

    async def find_operation_async(
        self, operation_id: UUID, *, wait: float = 0.0
    ) -> Operation | None:
        """The same, or None when the agent never took it."""
        try:
            return await self.operation_async(operation_id, wait=wait)
        except AgentFault as error:
            if error.fault.code == "agent.operation_not_found":
                return None
            raise

    async def _get(
        self, path: str, adapter: TypeAdapter[T], query: dict[str, str] | None = None
    ) -> T:
        return _parsed(adapter, await self._read(path, query))

    async def _read(self, path: str, query: dict[str, str] | None) -> httpx.Response:
        for pause in READ_PAUSES:
            try:
                return await self._send("GET", path, params=query)
            except AgentFault as error:
                if not isinstance(error.__cause__, BROKEN):
                    raise
            await asyncio.sleep(pause)
        return await self._send("GET", path, params=query)

    async def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        async with self._client() as client:
            return await _answer(client, method, path, request)

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[httpx.AsyncClient]:
        """The one that is open, else one for this call."""
        if self._open is not None:
            yield self._open
            return
        async with self._connect() as client:
            yield client

    def _trusted(self) -> ssl.SSLContext | bool:
        """A transport of one's own knows whom it trusts; the system's authorities need not be read for it."""
        return True if self._transport is not None else self._verify or trusting()

    def _connect(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self._base_url,
            headers={"Authorization": f"Bearer {self._token}", "Accept-Encoding": "identity"},
            transport=self._transport,
            verify=self._trusted(),
            timeout=self._timeout,
            trust_env=False,
            limits=LIMITS,
        )


def _run(call: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(call)


async def _answer(
    client: httpx.AsyncClient, method: str, path: str, request: dict[str, Any]
) -> httpx.Response:
    try:
        async with (
            asyncio.timeout(answers.SECONDS),
            client.stream(method, path, **request) as begun,
        ):
            answer = await answers.whole(begun)
    except httpx.HTTPError as error:
        raise unreachable(error) from error
    except TimeoutError as error:
        raise AgentFault(fault("agent.unreachable", device_message="ReadTimeout")) from error
    if answer.is_success:
        return answer
    raise AgentFault(fault_of(answer))


def _event(text: str) -> AgentEvent:
    try:
        return AgentEvent.model_validate_json(text)
    except ValidationError as error:
        raise AgentFault(fault("agent.failed", message="设备代理的事件无法识别")) from error


def _parsed(adapter: TypeAdapter[T], answer: httpx.Response) -> T:
    try:
        return adapter.validate_json(answer.content)
    except ValidationError as error:
        raise AgentFault(
            fault("agent.failed", message="设备代理的应答无法识别，可能版本不兼容")
        ) from error


__all__ = ["TIMEOUT", "AgentClient", "AgentFault"]
