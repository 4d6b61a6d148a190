"""Transports of the XML messages: bytes out, bytes in (docs/protocols.md, sections 5 and 13).

A transport knows nothing of the messages. It tells apart whether a message certainly never reached the
other side (`NotSent`) or may have been acted upon though no answer came (`AnswerLost`); what follows
from that is for the caller, who knows whether the message changes anything.
"""

import contextlib
import http.client
import select
import ssl
import time
from functools import cache
from typing import Protocol
from urllib.parse import urlsplit

MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""An answer longer than this is cut off and refused: no real message comes near it."""


class TransportError(Exception):
    """No answer was received. `timed_out`: the other side was silent, rather than gone."""

    def __init__(self, message: str, *, timed_out: bool = False) -> None:
        super().__init__(message)
        self.timed_out = timed_out


class NotSent(TransportError):
    """The message certainly did not reach the other side."""


class AnswerLost(TransportError):
    """The message was sent, at least in part; whether it was acted upon is not known."""


class XmlTransport(Protocol):
    """One physical way to a device or to the bureau. Called from one thread at a time."""

    address: str
    """Where it leads, for people; without secrets."""

    def exchange(self, message: bytes, timeout: float | None = None) -> bytes:
        """Send one message and return the answer.

        `timeout` in seconds overrides the transport's own. Raises `NotSent` or `AnswerLost`.
        """

    def close(self) -> None: ...


@cache
def _tls_context() -> ssl.SSLContext:
    return ssl.create_default_context()


class HttpTransport:
    """POST of one message as text/xml in GBK, over a connection that is kept open between messages."""

    def __init__(self, url: str, *, timeout: float) -> None:
        parts = urlsplit(url)
        self.address = f"{parts.scheme}://{parts.hostname}:{parts.port or _default_port(parts.scheme)}{parts.path}"
        self._tls = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or _default_port(parts.scheme)
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None

    def exchange(self, message: bytes, timeout: float | None = None) -> bytes:
        """The body of the answer with status 200."""
        limit = self._timeout if timeout is None else timeout
        deadline = time.monotonic() + limit
        connection = self._connected(limit)
        try:
            return self._converse(connection, message, deadline)
        except TimeoutError as error:
            self.close()
            raise AnswerLost(f"{self.address} 超时", timed_out=True) from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise AnswerLost(f"{self.address} 连接中断：{error or type(error).__name__}") from error
        except AnswerLost:
            self.close()
            raise

    def close(self) -> None:
        """Drop the connection; the next exchange opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _converse(
        self, connection: http.client.HTTPConnection, message: bytes, deadline: float
    ) -> bytes:
        headers = {"Content-Type": "text/xml; charset=GBK", "Accept": "text/xml"}
        connection.request("POST", self._path, body=message, headers=headers)
        response = connection.getresponse()
        body = self._read(connection, response, deadline)
        if response.status != http.client.OK:
            raise AnswerLost(f"{self.address} 返回 HTTP {response.status}")
        if response.will_close:
            self.close()
        return body

    def _read(
        self,
        connection: http.client.HTTPConnection,
        response: http.client.HTTPResponse,
        deadline: float,
    ) -> bytes:
        parts: list[bytes] = []
        size = 0
        while part := response.read1(65536):
            parts.append(part)
            size += len(part)
            if size > MAX_ANSWER_BYTES:
                raise AnswerLost(f"{self.address} 的应答过长")
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            if connection.sock is not None:
                connection.sock.settimeout(left)
        if response.length:
            raise AnswerLost(f"{self.address} 的应答不完整")
        response.close()
        return b"".join(parts)

    def _connected(self, timeout: float) -> http.client.HTTPConnection:
        connection = self._connection
        if connection is not None and _alive(connection):
            connection.sock.settimeout(timeout)
            return connection
        self.close()
        connection = self._new_connection(timeout)
        try:
            connection.connect()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            timed_out = isinstance(error, TimeoutError)
            raise NotSent(f"无法连接 {self.address}：{error}", timed_out=timed_out) from error
        self._connection = connection
        return connection

    def _new_connection(self, timeout: float) -> http.client.HTTPConnection:
        if self._tls:
            context = _tls_context()
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=timeout, context=context
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=timeout)


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _alive(connection: http.client.HTTPConnection) -> bool:
    """Whether the other side kept an idle connection open: an open one has nothing to read."""
    if connection.sock is None:
        return False
    with contextlib.suppress(OSError, ValueError):
        poll = select.poll() if hasattr(select, "poll") else None
        if poll is not None:
            poll.register(connection.sock, select.POLLIN)
            return not poll.poll(0)
        return not select.select([connection.sock], [], [], 0)[0]
    return False
