"""The client of the agent's API: answers, and every way it can fail."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from starlette.responses import JSONResponse, Response

from app.contracts.devices import (
    BureauState,
    BureauTypeView,
    BureauView,
    DeviceReading,
    InvoiceType,
)
from app.contracts.faults import fault
from app.contracts.operations import (
    Operation,
    OperationKind,
    OperationRequest,
    OperationState,
)
from app.contracts.periods import Period
from app.devices import agent_client, answers
from app.devices.agent_client import AgentClient, AgentFault

NUMBER = "661814461322"
OPERATION = UUID("01890000-0000-7000-8000-000000000001")


@pytest.fixture
def client(agent: Any) -> AgentClient:
    return AgentClient("http://agent", agent.token, httpx.ASGITransport(agent.app()))


def _operation() -> Operation:
    return Operation(
        id=OPERATION,
        device_number=NUMBER,
        kind=OperationKind.CLEAR,
        period=Period("2026-11"),
        state=OperationState.SUCCEEDED,
        created_at=datetime(2026, 12, 9, tzinfo=UTC),
        updated_at=datetime(2026, 12, 9, tzinfo=UTC),
    )


def _view() -> BureauView:
    ready = BureauTypeView(
        invoice_type=InvoiceType.ROLL, state=BureauState.READY, period=Period("2026-11")
    )
    return BureauView(number=NUMBER, asked_at=datetime(2026, 12, 9, tzinfo=UTC), types=(ready,))


def _caught(call: Callable[[], object]) -> AgentFault:
    with pytest.raises(AgentFault) as caught:
        call()
    return caught.value


def test_reads_what_the_agent_says(
    agent: Any, client: AgentClient, make_reading: Callable[..., DeviceReading]
) -> None:
    agent.readings[NUMBER] = make_reading(NUMBER)
    assert client.status().version == "1.2.3"
    assert [summary.number for summary in client.devices()] == [NUMBER]
    assert client.read_device(NUMBER) == agent.readings[NUMBER]


def test_asks_for_statistics_invoices_and_operations(agent: Any, client: AgentClient) -> None:
    agent.answers = {
        f"/devices/{NUMBER}/statistics": JSONResponse([]),
        f"/devices/{NUMBER}/invoices": JSONResponse([]),
        f"/devices/{NUMBER}/bureau": JSONResponse(_view().model_dump(mode="json")),
        f"/devices/{NUMBER}/operations": JSONResponse(_operation().model_dump(mode="json"), 202),
        f"/operations/{OPERATION}": JSONResponse(_operation().model_dump(mode="json")),
    }
    assert client.statistics(NUMBER, date(2026, 11, 1), date(2026, 11, 30)) == []
    assert client.invoices(NUMBER, Period("2026-11")) == []
    assert client.bureau_view(NUMBER) == _view()
    request = OperationRequest(id=OPERATION, kind=OperationKind.CLEAR, period=Period("2026-11"))
    assert client.submit(NUMBER, request) == _operation()
    assert client.operation(OPERATION) == _operation()
    assert agent.asked == [
        f"GET /devices/{NUMBER}/statistics?from=2026-11-01&to=2026-11-30",
        f"GET /devices/{NUMBER}/invoices?period=2026-11",
        f"GET /devices/{NUMBER}/bureau",
        f"POST /devices/{NUMBER}/operations",
        f"GET /operations/{OPERATION}",
    ]


def test_one_connection_serves_many_calls(
    agent: Any, client: AgentClient, make_reading: Callable[..., DeviceReading]
) -> None:
    agent.readings[NUMBER] = make_reading(NUMBER)

    async def read_twice() -> list[DeviceReading]:
        async with client:
            return list(
                await asyncio.gather(
                    client.read_device_async(NUMBER), client.read_device_async(NUMBER)
                )
            )

    assert asyncio.run(read_twice()) == [agent.readings[NUMBER]] * 2


def test_a_fault_of_the_device_keeps_both_codes(agent: Any, client: AgentClient) -> None:
    agent.faults[NUMBER] = fault(
        "device.password_wrong", device_code="0963c4", device_message="口令错误"
    )
    error = _caught(lambda: client.read_device(NUMBER))
    assert (error.status, error.code, error.title) == (
        502,
        "device.password_wrong",
        "设备口令错误",
    )
    assert (error.device_code, error.device_message) == ("0963c4", "口令错误")
    assert error.remedy.startswith("在设备代理上改正该设备的口令")
    assert not error.never_sent


def test_another_token_is_unauthorized(agent: Any, client: AgentClient) -> None:
    agent.token = "another"
    assert _caught(client.status).code == "agent.unauthorized"


def test_another_contract_is_a_version_fault(agent: Any, client: AgentClient) -> None:
    agent.contract_version = 99
    assert _caught(client.status).code == "agent.version"


@pytest.mark.parametrize(
    "answer",
    [
        JSONResponse({"number": 1}),
        Response("<html>"),
        Response("oops", 500),
        JSONResponse({"code": "unheard.of"}, 500),
        JSONResponse([1], 404),
        Response(b"\xff\xfe", 502),
    ],
)
def test_an_answer_that_makes_no_sense(agent: Any, client: AgentClient, answer: Response) -> None:
    agent.answers["/status"] = answer
    assert _caught(client.status).code == "agent.failed"


def test_an_operation_the_agent_never_took_is_none(agent: Any, client: AgentClient) -> None:
    problem = {"code": "agent.operation_not_found", "title": "没有"}
    agent.answers[f"/operations/{OPERATION}"] = JSONResponse(problem, 404)
    assert asyncio.run(client.find_operation_async(OPERATION)) is None
    agent.answers[f"/operations/{OPERATION}"] = JSONResponse({"code": "agent.failed"}, 500)
    assert (
        _caught(lambda: asyncio.run(client.find_operation_async(OPERATION))).code == "agent.failed"
    )


def test_nobody_there_is_unreachable_and_never_sent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        client = AgentClient(f"http://127.0.0.1:{port}", "token")
        error = _caught(client.status)
    assert (error.code, error.never_sent) == ("agent.unreachable", True)


def test_a_broken_connection_may_have_been_heard() -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("reset", request=request)

    client = AgentClient("http://agent", "token", httpx.MockTransport(broken))
    error = _caught(client.status)
    assert (error.code, error.never_sent) == ("agent.unreachable", False)


@contextmanager
def _hostile(parts: Iterator[bytes]) -> Iterator[AgentClient]:
    """A real socket that answers with these parts, one after the other, and never says how many."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
            with suppress(OSError):
                for part in parts:
                    connection.sendall(part)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield AgentClient(f"http://127.0.0.1:{listener.getsockname()[1]}", "token")
    finally:
        listener.close()
        thread.join(30)


def test_an_answer_without_end_is_given_up_before_it_fills_the_memory() -> None:
    sent = []

    def endless() -> Iterator[bytes]:
        while True:
            sent.append(1 << 20)
            yield b" " * (1 << 20)

    with _hostile(endless()) as client:
        assert _caught(client.devices).fault.code == "agent.answer_too_large"
    assert sum(sent) < 2 * answers.BYTES


def test_an_answer_that_drips_is_given_up_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "SECONDS", 0.5)

    def drips() -> Iterator[bytes]:
        for _ in range(100):
            yield b" "
            time.sleep(0.05)

    with _hostile(drips()) as client:
        caught = _caught(client.devices)
    assert caught.fault.code == "agent.unreachable"
    assert not caught.never_sent, "the agent may have done what it was told"


def test_an_event_without_end_is_given_up() -> None:
    async def first_event(client: AgentClient) -> None:
        async for _ in client.events_async():
            raise AssertionError("no line has ended")

    with _hostile(iter([b"data:" + b"x" * (1 << 20)] * 3)) as client:
        caught = _caught(lambda: asyncio.run(first_event(client)))
    assert caught.fault.code == "agent.answer_too_large"


class _Breaking(httpx.AsyncBaseTransport):
    """A kept connection that the agent closes as the request goes out, so many times."""

    def __init__(self, inner: httpx.AsyncBaseTransport, times: int) -> None:
        self._inner = inner
        self._left = times
        self.asked = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self._left:
            self._left -= 1
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        return await self._inner.handle_async_request(request)


@pytest.mark.parametrize(("breaks", "asked"), [(2, 3), (9, 4)])
def test_a_read_whose_connection_broke_is_asked_again_for_a_while(
    agent: Any, monkeypatch: pytest.MonkeyPatch, breaks: int, asked: int
) -> None:
    monkeypatch.setattr(agent_client, "READ_PAUSES", (0.0, 0.0, 0.0))
    transport = _Breaking(httpx.ASGITransport(agent.app()), breaks)
    client = AgentClient("http://agent", agent.token, transport)
    if breaks < asked:
        assert client.devices() == []
    else:
        assert _caught(client.devices).fault.code == "agent.unreachable"
    assert transport.asked == asked


def test_a_command_whose_connection_broke_is_never_sent_again_by_the_client(agent: Any) -> None:
    transport = _Breaking(httpx.ASGITransport(agent.app()), 1)
    client = AgentClient("http://agent", agent.token, transport)
    order = OperationRequest(
        id=OPERATION, kind=OperationKind.CLEAR, period=Period("2026-11"), tax_no=""
    )
    assert _caught(lambda: client.submit(NUMBER, order)).fault.code == "agent.unreachable"
    assert transport.asked == 1


def test_an_idle_connection_is_given_up_before_the_agent_closes_it() -> None:
    from uvicorn import Config

    expiry = agent_client.LIMITS.keepalive_expiry
    assert expiry is not None
    assert expiry < Config(lambda: None).timeout_keep_alive
