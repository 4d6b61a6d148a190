"""Pinned certificates: the one that was meant is trusted, whatever its names; no other is."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.core import tls

NOW = datetime(2026, 11, 10, tzinfo=UTC)


class Server:
    """Accepts TLS connections on a free port, says hello, and ends with the test."""

    def __init__(self, folder: Path, name: str = "agent") -> None:
        certificate, key = tls.self_signed(["192.0.2.9", "agent.example"], NOW)
        self.certificate = certificate
        paths = folder / f"{name}.pem", folder / f"{name}.key"
        for path, content in zip(paths, (certificate, key), strict=True):
            path.write_bytes(content)
        self.path = paths[0]
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*paths)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            try:
                with self._context.wrap_socket(plain, server_side=True) as secure:
                    secure.sendall(b"hello")
            except OSError:
                plain.close()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.stop()


def blocking(server: Server, context: ssl.SSLContext) -> bytes:
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        return secure.recv(5)


def in_a_loop(server: Server, context: ssl.SSLContext) -> bytes:
    async def read() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
        try:
            return await reader.readexactly(5)
        finally:
            writer.transport.abort()

    return asyncio.run(read())


@pytest.mark.parametrize("connect", [blocking, in_a_loop])
def test_the_pinned_one_is_trusted_under_any_name(server: Server, connect: object) -> None:
    assert callable(connect)
    context = tls.pinned_context(tls.pin_of(server.certificate))
    assert connect(server, context) == b"hello"


@pytest.mark.parametrize("connect", [blocking, in_a_loop])
def test_another_one_is_not(server: Server, connect: object) -> None:
    assert callable(connect)
    with pytest.raises(tls.WrongCertificate):
        connect(server, tls.pinned_context("0" * 64))


def test_without_a_pin_an_authority_has_to_vouch(server: Server) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        blocking(server, tls.trusting())


def test_a_private_authority(server: Server) -> None:
    """A self-made certificate given as the authority is trusted for its own names only."""
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        blocking(server, tls.trusting(server.path))


def test_pins_as_people_copy_them() -> None:
    assert tls.normal_pin("AB:CD " + "0" * 60) == "abcd" + "0" * 60
    for text in ("", "0" * 63, "0" * 65, "g" * 64):
        with pytest.raises(ValueError, match="SHA-256"):
            tls.normal_pin(text)


def test_old_protocols_are_refused() -> None:
    assert tls.pinned_context("0" * 64).minimum_version >= ssl.TLSVersion.TLSv1_2
