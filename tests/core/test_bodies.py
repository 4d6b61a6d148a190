"""Bodies of strangers, over real sockets: what is unfinished, too slow, too large or ambiguous costs nobody anything."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.core.bodies import Bodies, ChangesGate
from app.errors import QingkaError
from app.settings import ROOT

Address = tuple[str, int]
STRANGERS = 64


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server as people start it."""
    environment = os.environ | {
        "QINGKA_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "QINGKA_AGENT": "off",
        "QINGKA_BODY_LIMIT_MB": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "serve", "--port", "0"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = next((one for one in process.stdout if one.startswith("ready on ")), "")
        assert line, "it did not become ready"
        yield line.removeprefix("ready on ").strip()
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _address(url: str) -> Address:
    split = urlsplit(url)
    assert split.hostname is not None
    assert split.port is not None
    return split.hostname, split.port


@contextmanager
def _sent(address: Address, text: str) -> Iterator[socket.socket]:
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(text.replace("\n", "\r\n").encode())
        yield connection


def _answer(connection: socket.socket) -> str:
    """Everything until the server closes."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts).decode()


@pytest.mark.parametrize(
    "beginning",
    [
        "POST /login HTTP/1.1\nHost: a\nContent-Length: 100\n\n",
        "POST /api/v1/operators HTTP/1.1\nHost: a\nContent-Length: 100\n\n{",
        "POST /login HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n1\na\n",
        "DELETE /api/v1/operators/1 HTTP/1.1\nHost: a\nContent-Length: 9\n\n",
    ],
)
def test_unfinished_requests_of_strangers_keep_nobody_from_signing_in_or_changing(
    product: str, beginning: str
) -> None:
    with ExitStack() as strangers:
        for _ in range(STRANGERS):
            strangers.enter_context(_sent(_address(product), beginning))
        with httpx.Client(base_url=product, timeout=15, trust_env=False) as client:
            wrong = client.post("/login", data={"name": "admin", "password": "guess"})
            assert wrong.status_code in (200, 401, 422, 429)
            assert client.post("/api/v1/operators", json={}).status_code == 401


def test_a_chunked_body_over_the_limit_is_413_as_problem(product: str) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(17):
            yield b"x" * 65536

    answer = httpx.post(f"{product}/api/v1/operators", content=chunks(), trust_env=False)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "too_large"


def test_a_chunked_body_over_the_limit_is_413_on_a_page(product: str) -> None:
    answer = httpx.post(
        f"{product}/login",
        content=iter([b"x" * 65536] * 17),
        headers={"accept": "text/html", "content-type": "application/x-www-form-urlencoded"},
        trust_env=False,
    )
    assert answer.status_code == 413
    assert "提交的内容过大" in answer.text


def test_content_length_beside_transfer_encoding_is_refused_and_closed(product: str) -> None:
    text = (
        "POST /api/v1/operators HTTP/1.1\nHost: a\nContent-Length: 3\n"
        "Transfer-Encoding: chunked\n\n3\nabc\n0\n\n"
    )
    with _sent(_address(product), text) as connection:
        answer = _answer(connection)
    assert answer.startswith("HTTP/1.1 400")
    assert "body.ambiguous" in answer


@contextmanager
def _served(seconds: float) -> Iterator[Address]:
    """A small application behind the same middleware, with a deadline a test can wait for."""

    async def echo(request: Request) -> Response:
        return JSONResponse(len(await request.body()))

    def refusal(_: Request, error: QingkaError) -> Response:
        return JSONResponse(error.code, error.status)

    app = Starlette(routes=[Route("/", echo, methods=["POST"])])
    app.add_middleware(ChangesGate, at_once=1, apart={})
    app.add_middleware(Bodies, limit=1 << 20, refusal=refusal, seconds=seconds)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield listener.getsockname()
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


def _nothing(_: socket.socket) -> None:
    """Only wait."""


def _drip(connection: socket.socket) -> None:
    """A byte now and then, as long as the server listens."""
    for _ in range(100):
        try:
            connection.sendall(b"1\r\na\r\n")
        except OSError:
            return
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("headers", "then"),
    [
        ("Content-Length: 100", _nothing),
        ("Transfer-Encoding: chunked", _nothing),
        ("Transfer-Encoding: chunked", _drip),
    ],
)
def test_a_body_that_does_not_end_in_time_is_408_and_closed(
    headers: str, then: Callable[[socket.socket], None]
) -> None:
    with (
        _served(1.0) as address,
        _sent(address, f"POST / HTTP/1.1\nHost: a\n{headers}\n\n") as connection,
    ):
        then(connection)
        answer = _answer(connection)
    assert answer.startswith("HTTP/1.1 408")
    assert "body.timeout" in answer


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 200_000])
def test_a_whole_body_arrives_as_it_was_sent(size: int) -> None:
    with _served(20.0) as (host, port):
        answer = httpx.post(f"http://{host}:{port}/", content=b"x" * size, trust_env=False)
    assert answer.json() == size
