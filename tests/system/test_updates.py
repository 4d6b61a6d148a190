"""更新提示: a real server answers what the newest version is, or something else, and the notice follows."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app import __version__, error_handlers
from app.accounts.principal import Role
from app.background import Background
from app.core.db import Database
from app.core.metrics import RequestMetrics
from app.jobs.scheduler import JobPlan, Scheduler, daily
from app.notifications import queries as notifications_queries
from app.settings import Settings
from app.system import api, pages, updates
from app.system.rules import Rules
from tests.acting import act_as, person_of

NOW = datetime(2026, 12, 9, 2, 0, tzinfo=UTC)
NEWER = {"version": "99.1", "url": "https://example.com/99.1", "notes": "<b>修复</b>\n新增导出"}
HUGE = 100 << 20
READER = person_of(Role.OPERATOR, name="he", display_name="何静")


def _clock() -> datetime:
    return NOW


@dataclass
class Publisher:
    """What the address answers, and what it was asked."""

    address: str = ""
    status: int = 200
    body: bytes = b""
    location: str = ""
    drip: bool = False
    padding: int = 0
    asked: list[str] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def says(self, **document: Any) -> None:
        self.status, self.body = 200, json.dumps(document).encode()


class _Handler(BaseHTTPRequestHandler):
    publisher: Publisher

    def do_GET(self) -> None:
        said = self.publisher
        said.asked.append(self.path)
        self.send_response(said.status)
        if said.location:
            self.send_header("location", said.location)
        self.send_header("content-length", str(len(said.body) + said.padding))
        self.end_headers()
        try:
            while said.drip and not said.closing.wait(0.05):
                self.wfile.write(b" ")
            self.wfile.write(said.body)
            for _ in range(said.padding >> 16):
                self.wfile.write(b" " * (1 << 16))
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    said = Publisher()
    handler = type("Handler", (_Handler,), {"publisher": said})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    said.address = f"http://127.0.0.1:{server.server_port}/newest.json"
    try:
        yield said
    finally:
        said.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def settings(tmp_path: Path, publisher: Publisher) -> Settings:
    """The publisher stands on loopback."""
    return Settings(data_dir=tmp_path, update_url=publisher.address, webhook_allow_private=True)


@pytest.fixture
def look(any_database: Database, settings: Settings) -> Callable[[], str]:
    """Runs the job as the scheduler does; gives its result."""

    def run() -> str:
        plan = JobPlan(
            updates.JOB,
            lambda run: updates.look(any_database, settings, run),
            daily(datetime.min.time()),
        )
        scheduler = Scheduler(any_database, _clock, [plan])
        scheduler.register()
        scheduler.hurry(updates.JOB)
        assert scheduler.run_due() == [updates.JOB]
        with any_database.reading() as session:
            (job,) = notifications_queries.jobs(session)
        assert job.failures == 0
        return job.last_result

    return run


@pytest.fixture
def client(any_database: Database, settings: Settings) -> Iterator[TestClient]:
    app = FastAPI()
    app.state.database, app.state.settings, app.state.clock = any_database, settings, _clock
    app.state.started_at, app.state.simulated = NOW, False
    app.state.layout = lambda _: {
        "me": None, "nav": [], "deadline": None, "simulated": False, "version": "",
    }  # fmt: skip
    act_as(app, lambda: READER)
    error_handlers.install(app)
    app.include_router(pages.router)
    app.include_router(api.router, prefix="/api/v1")
    with TestClient(app) as client:
        yield client


def _notice(client: TestClient) -> tuple[str, str, str]:
    found = client.get("/api/v1/system").json()
    return found["update_notice"], found["update_url"], found["update_notes"]


def test_a_newer_version_is_shown(
    client: TestClient, publisher: Publisher, look: Callable[[], str]
) -> None:
    assert _notice(client) == ("", "", "")
    assert "还没有检查过更新" in client.get("/about").text
    publisher.says(**NEWER)
    assert look() == "最新版本 99.1"
    text = f"有新版本 99.1（当前 {__version__}）"
    assert _notice(client) == (text, NEWER["url"], NEWER["notes"])
    page = client.get("/about").text
    assert f'{text}</b> <a href="https://example.com/99.1"' in page
    assert "&lt;b&gt;修复&lt;/b&gt;<br>新增导出" in page
    assert "上次成功 2026-12-09 10:00" in page


@pytest.mark.parametrize("version", [__version__, "0.0.9", f"{__version__}rc1"])
def test_no_newer_version_is_no_notice(
    client: TestClient, publisher: Publisher, look: Callable[[], str], version: str
) -> None:
    publisher.says(**NEWER | {"version": version})
    assert look() == f"最新版本 {version}"
    assert _notice(client) == ("", "", "")
    page = client.get("/about").text
    assert "没有新版本，上次成功 2026-12-09 10:00" in page
    assert "有新版本 " not in page


@pytest.mark.parametrize(
    "document",
    [
        NEWER | {"url": "javascript:alert(1)"},
        NEWER | {"url": "https://user:secret@example.com/"},
        NEWER | {"url": ""},
        NEWER | {"version": "newest"},
        NEWER | {"version": "9" * 41},
        NEWER | {"version": 99},
        NEWER | {"notes": "x" * 2001},
        {"version": "99.1"},
        {},
    ],
)
def test_what_is_no_release_is_refused_and_the_last_answer_stays(
    client: TestClient, publisher: Publisher, look: Callable[[], str], document: dict[str, Any]
) -> None:
    publisher.says(**NEWER)
    look()
    publisher.says(**document)
    assert look() == "更新检查失败：应答不是版本信息"
    assert _notice(client)[0] == f"有新版本 99.1（当前 {__version__}）"
    page = client.get("/about")
    assert page.status_code == 200
    assert "更新检查失败：应答不是版本信息（上次成功 2026-12-09 10:00）" in page.text


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"body": b"<html>"}, "应答不是版本信息"),
        ({"body": b"\xff\x00"}, "应答不是版本信息"),
        ({"body": b"[" * 16_000}, "应答不是版本信息"),
        ({"body": b"{", "padding": HUGE}, "应答不是版本信息"),
        ({"status": 500}, "应答 500"),
        ({"status": 302, "location": "/elsewhere"}, "应答 302"),
    ],
    ids=["html", "bytes", "deep", "huge", "broken", "redirect"],
)
def test_a_hostile_answer_is_harmless(
    client: TestClient,
    publisher: Publisher,
    look: Callable[[], str],
    answer: dict[str, Any],
    reason: str,
) -> None:
    for name, value in answer.items():
        setattr(publisher, name, value)
    assert look() == f"更新检查失败：{reason}"
    assert publisher.asked == ["/newest.json"], "no redirect is followed"
    assert _notice(client) == ("", "", "")
    assert f"{reason}（还没有成功过）" in client.get("/about").text


def test_a_slow_answer_is_given_up(
    publisher: Publisher, look: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte by byte it would never end."""
    monkeypatch.setattr(updates, "TIMEOUT_SECONDS", 0.5)
    publisher.drip, publisher.padding = True, HUGE
    assert look() == "更新检查失败：没有在规定时间内应答"


def test_private_targets_are_as_forbidden_as_to_webhooks(
    publisher: Publisher, settings: Settings, look: Callable[[], str]
) -> None:
    settings.webhook_allow_private = False
    assert look().startswith("更新检查失败：127.0.0.1")
    assert publisher.asked == []


@pytest.mark.parametrize("address", ["ftp://example.com/x", "file:///etc/passwd", "nonsense"])
def test_only_the_web_is_asked(settings: Settings, look: Callable[[], str], address: str) -> None:
    settings.update_url = address
    assert look() == "更新检查失败：应为 http:// 或 https:// 开头的完整地址"


def test_another_address_or_none_forgets_what_the_first_said(
    client: TestClient, publisher: Publisher, settings: Settings, look: Callable[[], str]
) -> None:
    publisher.says(**NEWER)
    look()
    for address in ("https://example.org/", ""):
        settings.update_url = address
        assert _notice(client) == ("", "", "")
    assert "更新" not in client.get("/about").text


@pytest.mark.parametrize("asks", [True, False])
def test_the_job_exists_only_with_an_address(
    database: Database, settings: Settings, asks: bool
) -> None:
    if not asks:
        settings.update_url = ""
    background = Background(database, settings, _clock, RequestMetrics(), Rules(settings))
    assert (updates.JOB in background.long.jobs) is asks
