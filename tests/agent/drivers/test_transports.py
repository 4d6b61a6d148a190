"""The HTTP transport over real sockets: what was certainly not sent, and what may have been acted upon."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from app.agent.drivers.transports import AnswerLost, HttpTransport, NotSent

Handler = Callable[[socket.socket, bytes], None]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"


class Server:
    """Reads whole requests from one connection after another and lets `handlers` answer them."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.handlers: list[Handler] = []
        self.requests: list[bytes] = []
        self.connections = 0
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}/SKServer/SKDo"

    def close(self) -> None:
        for connection in self._open:
            connection.close()
        self.listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        while self.handlers and (request := _request(connection)):
            self.requests.append(request)
            self.handlers.pop(0)(connection, request)


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data or not data.endswith(b"</x>"):
        try:
            part = connection.recv(65536)
        except OSError:
            return b""
        if not part:
            return b""
        data += part
    return data


def reply(body: bytes) -> Handler:
    return lambda connection, _: connection.sendall(OK % (len(body), body))


def raw(data: bytes, *, close: bool = True) -> Handler:
    def handle(connection: socket.socket, _: bytes) -> None:
        connection.sendall(data)
        if close:
            connection.close()

    return handle


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture
def transport(server: Server) -> Iterator[HttpTransport]:
    with closing(HttpTransport(server.url, timeout=5)) as opened:
        yield opened


MESSAGE = "<x>税</x>".encode("gbk")


def test_one_connection_for_many_messages(server: Server, transport: HttpTransport) -> None:
    server.handlers += [reply(b"one"), reply(b"two")]
    assert transport.exchange(MESSAGE) == b"one"
    assert transport.exchange(MESSAGE) == b"two"
    assert server.connections == 1
    first = server.requests[0]
    assert first.startswith(b"POST /SKServer/SKDo HTTP/1.1\r\n")
    assert b"Content-Type: text/xml; charset=GBK" in first
    assert first.endswith(MESSAGE)


def test_a_connection_the_server_closed_is_replaced(
    server: Server, transport: HttpTransport
) -> None:
    closed = threading.Event()

    def answer_and_close(connection: socket.socket, request: bytes) -> None:
        reply(b"one")(connection, request)
        connection.close()
        closed.set()

    server.handlers += [answer_and_close, reply(b"two")]
    assert transport.exchange(MESSAGE) == b"one"
    assert closed.wait(5)
    assert transport.exchange(MESSAGE) == b"two"
    assert server.connections == 2


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotSent) as caught:
        HttpTransport(f"http://127.0.0.1:{port}", timeout=2).exchange(MESSAGE)
    assert not caught.value.timed_out


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"no http at all",
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno",
    ],
)
def test_answers_that_do_not_come_whole(
    server: Server, transport: HttpTransport, data: bytes
) -> None:
    server.handlers += [raw(data), reply(b"well again")]
    with pytest.raises(AnswerLost):
        transport.exchange(MESSAGE)
    assert transport.exchange(MESSAGE) == b"well again"


def test_silence(server: Server, transport: HttpTransport) -> None:
    server.handlers.append(raw(b"", close=False))
    with pytest.raises(AnswerLost) as caught:
        transport.exchange(MESSAGE, 0.1)
    assert caught.value.timed_out


def test_an_answer_that_drips_does_not_outlast_the_timeout(
    server: Server, transport: HttpTransport
) -> None:
    stop = threading.Event()

    def drip(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not stop.wait(0.03):
            try:
                connection.sendall(b"x")
            except OSError:
                return

    server.handlers.append(drip)
    with pytest.raises(AnswerLost) as caught:
        transport.exchange(MESSAGE, 0.2)
    stop.set()
    assert caught.value.timed_out


def test_an_endless_answer_is_cut_off(
    server: Server, transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.agent.drivers.transports.MAX_ANSWER_BYTES", 1000)
    server.handlers.append(reply(b"x" * 5000))
    with pytest.raises(AnswerLost, match="过长"):
        transport.exchange(MESSAGE)


def test_the_address_shows_no_query(server: Server) -> None:
    assert (
        HttpTransport("https://host/bureau?key=1", timeout=1).address == "https://host:443/bureau"
    )
