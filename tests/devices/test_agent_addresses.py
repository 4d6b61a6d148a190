"""Names of agents: they may not lead to a link-local address, neither when entered nor when called."""

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from app.core.tls import self_signed, trusting
from app.devices.agent_addresses import Vetted, is_refused, literal

Name = Callable[..., list[str]]
AGENTS = "/api/v1/agents"


@pytest.fixture
def name(monkeypatch: pytest.MonkeyPatch) -> Name:
    """Makes `agent.lan` a name of these addresses, the last for good; gives the questions asked."""
    resolve = socket.getaddrinfo

    def make(*answers: str) -> list[str]:
        asked: list[str] = []

        def known(host: Any, *rest: Any, **more: Any) -> Any:
            if host == "agent.lan":
                host = answers[min(len(asked), len(answers) - 1)]
                asked.append(host)
            return resolve(host, *rest, **more)

        monkeypatch.setattr(socket, "getaddrinfo", known)
        return asked

    return make


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "::ffff:169.254.1.1", "0.0.0.0"])  # noqa: S104
def test_a_name_that_leads_to_a_link_local_address_is_refused(
    client: TestClient, name: Name, address: str
) -> None:
    name(address)
    entered = {"name": "前台", "base_url": "http://agent.lan:8711"}
    refused = client.post(AGENTS, json=entered)
    assert (refused.status_code, refused.json()["errors"]) == (
        422,
        {"base_url": "不能使用这个地址"},
    )
    name("192.168.1.5")
    made = client.post(AGENTS, json=entered)
    assert made.status_code == 201
    name(address)
    changed = client.patch(made.headers["location"], json={"base_url": "http://agent.lan:8712"})
    assert (changed.status_code, list(changed.json()["errors"])) == (422, ["base_url"])


def test_a_name_that_came_to_lead_there_is_not_called(client: TestClient, name: Name) -> None:
    name("192.168.1.5")
    made = client.post(AGENTS, json={"name": "前台", "base_url": "http://agent.lan:8711"})
    name("169.254.169.254")
    answer = client.post(f"{made.headers['location']}/check")
    assert (answer.status_code, answer.json()["code"]) == (502, "agent.unreachable")


def test_a_name_nobody_knows_may_be_entered(client: TestClient) -> None:
    answer = client.post(AGENTS, json={"name": "前台", "base_url": "http://nobody.invalid:8711"})
    assert answer.status_code == 201


class _Echo(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["content-length"])).decode()
        body = json.dumps({"host": self.headers["host"], "path": self.path, "sent": sent}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def https(tmp_path: Path) -> Iterator[int]:
    """A server with a certificate for `agent.lan`, at 127.0.0.1; its port."""
    made = self_signed(["agent.lan"], datetime.now(UTC))
    for file, content in zip(("cert.pem", "key.pem"), made, strict=True):
        (tmp_path / file).write_bytes(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def _post(url: str, ca: Path) -> httpx.Response:
    async def send() -> httpx.Response:
        inner = httpx.AsyncHTTPTransport(verify=trusting(ca), trust_env=False)
        async with httpx.AsyncClient(transport=Vetted(inner)) as client:
            return await client.post(url, content=b"hello")

    return asyncio.run(send())


def test_the_connection_goes_to_what_was_looked_at(https: int, name: Name, tmp_path: Path) -> None:
    """Asked once; Host and the name the certificate is held against stay those of the agent."""
    asked = name("127.0.0.1", "169.254.169.254")
    answer = _post(f"https://agent.lan:{https}/x?y=1", tmp_path / "cert.pem")
    assert answer.json() == {"host": f"agent.lan:{https}", "path": "/x?y=1", "sent": "hello"}
    assert asked == ["127.0.0.1"]
    with pytest.raises(httpx.ConnectError, match="no agent can have"):
        _post(f"https://agent.lan:{https}/x", tmp_path / "cert.pem")


def test_the_certificate_of_another_name_is_refused(https: int, tmp_path: Path) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        _post(f"https://localhost:{https}/x", tmp_path / "cert.pem")


@pytest.mark.parametrize("host", ["2852039166", "0xa9fea9fe", "fe80::1%eth0", "::ffff:169.254.0.1"])
def test_spellings_of_link_local_addresses(host: str) -> None:
    address = literal(host)
    assert address is not None
    assert is_refused(address)
