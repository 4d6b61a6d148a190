"""One request to a stranger: to a checked address, with a deadline for the whole of it, no redirects.

`httpcore` is used directly because it takes a network backend; it follows no redirect and reads no
proxy settings. Only the beginning of the answer is read.
"""

import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpcore

from app.notifications.sending.targets import resolve

TIMEOUT_SECONDS = 15.0
"""For everything: name, connection, TLS, sending, and the answer."""
MAX_ANSWER = 16_384


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and the beginning of the body."""

    status: int
    body: bytes


def post(
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes,
    allow_private: bool,
    timeout: float = TIMEOUT_SECONDS,
) -> Answer:
    """POST once. Raises TargetForbidden, TargetUnresolved, httpcore's errors and OSError."""
    return _send("POST", url, headers, body, allow_private, timeout)


def request(
    method: str, url: str, *, headers: Mapping[str, str], body: bytes, allow_private: bool
) -> Answer:
    """Any request once. Raises what `post` raises."""
    return _send(method, url, headers, body, allow_private, TIMEOUT_SECONDS)


def get(
    url: str,
    *,
    headers: Mapping[str, str],
    allow_private: bool,
    timeout: float = TIMEOUT_SECONDS,
) -> Answer:
    """GET once. Raises what `post` raises."""
    return _send("GET", url, headers, None, allow_private, timeout)


def _send(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
    allow_private: bool,
    timeout: float,
) -> Answer:
    backend = _GuardedBackend(allow_private, time.monotonic() + timeout)
    names = [(name.encode(), value.encode()) for name, value in headers.items()]
    limits = dict.fromkeys(("connect", "read", "write", "pool"), timeout)
    with (
        httpcore.ConnectionPool(ssl_context=_tls(), network_backend=backend) as pool,
        pool.stream(
            method, url, headers=names, content=body, extensions={"timeout": limits}
        ) as response,
    ):
        return Answer(response.status, _beginning(response))


def _beginning(response: httpcore.Response) -> bytes:
    read = b""
    for chunk in response.iter_stream():
        read += chunk
        if len(read) >= MAX_ANSWER:
            break
    return read[:MAX_ANSWER]


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


class _GuardedBackend(httpcore.NetworkBackend):
    """Connects to checked addresses only; TLS still verifies the name."""

    def __init__(self, allow_private: bool, deadline: float) -> None:
        self._allow_private = allow_private
        self._deadline = deadline
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        last: Exception = httpcore.ConnectError(f"no address of {host}")
        for address in resolve(host, port, allow_private=self._allow_private):
            try:
                stream = self._inner.connect_tcp(
                    address, port, _left(self._deadline), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
            else:
                return _DeadlineStream(stream, self._deadline)
        raise last


class _DeadlineStream(httpcore.NetworkStream):
    """A connection whose every step ends at the deadline: an answer byte by byte gains no time."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        secured = self._inner.start_tls(ssl_context, server_hostname, _left(self._deadline))
        return _DeadlineStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the deadline has passed")
    return left
