"""The agent's side of an enrollment: what it refuses to send, and what it keeps."""

import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from app.agent import enrollment
from app.agent.auth import TokenHash
from app.agent.cli import agent
from app.agent.config import ConfigError
from app.agent.enrollment import EnrollmentFailed, Server, enroll, load

CODE = "ABCD-EFGH-JKLM"


def now() -> datetime:
    return datetime(2026, 11, 10, 2, 0, tzinfo=UTC)


class Answering:
    """The server, as httpx.post reaches it."""

    def __init__(self, status: int, body: Any) -> None:
        self.status, self.body = status, body
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def post(self, url: str, *, json: dict[str, Any], **more: Any) -> httpx.Response:
        self.asked.append((url, json))
        return httpx.Response(self.status, json=self.body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Answering:
    answering = Answering(200, {"id": "01a2", "name": "门店一"})
    monkeypatch.setattr("app.agent.enrollment.httpx.post", answering.post)
    return answering


def test_one_that_dials_keeps_its_token(tmp_path: Path, server: Answering) -> None:
    made = enroll(Server("https://qingka.example/"), CODE, data_dir=tmp_path, clock=now)
    ((url, body),) = server.asked
    assert url == "https://qingka.example/api/v1/agents/enroll"
    assert body["code"] == CODE
    assert "base_url" not in body
    assert made.token.get_secret_value() == body["token"]
    assert load(tmp_path) == made
    kept = (tmp_path / enrollment.TOKEN_FILE).read_text(encoding="utf-8").strip()
    assert TokenHash.parse(kept).matches(body["token"])
    assert body["token"] not in kept
    if os.name == "posix":
        for path in tmp_path.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_one_that_is_called_keeps_a_hash_and_gives_its_pin(
    tmp_path: Path, server: Answering
) -> None:
    listen = "https://192.0.2.9:8711"
    enroll(Server("https://qingka.example"), CODE, data_dir=tmp_path, listen=listen, clock=now)
    enroll(Server("https://qingka.example"), CODE, data_dir=tmp_path, listen=listen, clock=now)
    first, second = (body for _, body in server.asked)
    assert first["base_url"] == listen
    assert len(first["pin"]) == 64
    assert first["pin"] == second["pin"], "the certificate is made once"
    assert first["token"] != second["token"]
    for path in tmp_path.iterdir():
        assert second["token"].encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://qingka.example", "--allow-http"),
        ("ftp://qingka.example", "https://"),
        ("qingka.example", "https://"),
    ],
)
def test_addresses_that_are_refused(
    tmp_path: Path, server: Answering, url: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        enroll(Server(url), CODE, data_dir=tmp_path, clock=now)
    assert server.asked == []


@pytest.mark.parametrize(
    "known",
    [
        Server("http://127.0.0.1:8000"),
        Server("http://qingka.example", allow_http=True),
        Server("https://qingka.example", pin="AB" * 32),
    ],
)
def test_addresses_that_are_not(tmp_path: Path, server: Answering, known: Server) -> None:
    assert enroll(known, CODE, data_dir=tmp_path, clock=now).mode == "dial"


def test_a_pin_that_is_none(tmp_path: Path, server: Answering) -> None:
    with pytest.raises(ConfigError, match="SHA-256"):
        enroll(Server("https://qingka.example", pin="x"), CODE, data_dir=tmp_path, clock=now)


def test_a_refusal_is_told_in_words_and_nothing_is_kept(tmp_path: Path, server: Answering) -> None:
    server.status = 403
    server.body = {"title": "登记码无效", "remedy": "请重新生成登记码。", "code": "x"}
    with pytest.raises(EnrollmentFailed, match="登记码无效。请重新生成登记码"):
        enroll(Server("https://qingka.example"), CODE, data_dir=tmp_path, clock=now)
    assert load(tmp_path) is None


def test_a_broken_file_says_to_enroll_again(tmp_path: Path) -> None:
    (tmp_path / enrollment.FILE).write_text(json.dumps({"server": 1}), encoding="utf-8")
    with pytest.raises(ConfigError, match="重新登记"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tls-cert", "a.pem"], "同时给出"),
        (["--tls-cert", "a.pem", "--tls-key", "b.pem"], "无法使用"),
        (["--dial"], "qingka agent enroll"),
    ],
)
def test_what_serve_cannot_do(tmp_path: Path, arguments: list[str], message: str) -> None:
    command = ["serve", "--port", "0", "--data-dir", str(tmp_path), *arguments]
    result = CliRunner().invoke(agent, command, env={"QINGKA_AGENT_TOKEN": "t"})
    assert result.exit_code == 2
    assert message in result.output
