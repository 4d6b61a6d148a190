"""The agent's own page: who may see it, what it shows, the self-test."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from app.agent.api import create_agent_app
from app.agent.auth import TokenHash
from app.agent.log_tail import LogTail
from app.agent.pages.routes import page_routes
from app.core.http import CrossSiteGuard

if TYPE_CHECKING:
    from tests.agent.conftest import Lab

TOKEN = "t0ken-of-the-agent"
LOCAL = "http://127.0.0.1:8711"
Browse = Callable[..., TestClient]


@pytest.fixture
def browse(lab: Lab) -> Browse:
    """A browser at an address, asking for a host."""
    app = create_agent_app(lab.start(), TokenHash.of(TOKEN))
    lines = ["second", "first <b>line</b>"]
    app.include_router(page_routes(lab.running[-1], lambda: lines, lambda: "已连接 https://x"))
    app.add_middleware(CrossSiteGuard)

    def at(host: str = LOCAL, *, peer: str = "127.0.0.1") -> TestClient:
        return TestClient(app, base_url=host, client=(peer, 4711))

    return at


def basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"x:{password}".encode()).decode()}


@pytest.mark.parametrize("host", [LOCAL, "http://localhost:8711", "http://[::1]:8711"])
def test_whoever_sits_here_sees_it(browse: Browse, host: str) -> None:
    answer = browse(host).get("/")
    assert answer.status_code == 200
    assert "661814461322" in answer.text
    assert "已连接 https://x" in answer.text


@pytest.mark.parametrize(
    ("host", "peer", "headers"),
    [
        (LOCAL, "192.0.2.7", {}),
        ("http://evil.example", "127.0.0.1", {}),
        ("http://127.0.0.1.evil.example", "127.0.0.1", {}),
        (LOCAL, "127.0.0.1", {"X-Forwarded-For": "192.0.2.7"}),
        (LOCAL, "127.0.0.1", {"Forwarded": "for=192.0.2.7"}),
        (LOCAL, "192.0.2.7", basic("wrong")),
        (LOCAL, "192.0.2.7", {"Authorization": "Basic !"}),
        (LOCAL, "127.0.0.1", {"Authorization": "Bearer wrong"}),
    ],
)
def test_others_need_the_token(
    browse: Browse, host: str, peer: str, headers: dict[str, str]
) -> None:
    for path in ("/", "/agent.css"):
        answer = browse(host, peer=peer).get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic")
    test = browse(host, peer=peer).post("/devices/0/self-test", headers=headers)
    assert test.status_code == 401


def test_the_token_is_a_password_for_the_page(browse: Browse) -> None:
    assert browse(peer="192.0.2.7").get("/", headers=basic(TOKEN)).status_code == 200


@pytest.mark.parametrize("headers", [{}, basic(TOKEN)])
def test_sitting_here_opens_no_api(browse: Browse, headers: dict[str, str]) -> None:
    assert browse().get("/agent/v1/status", headers=headers).status_code == 401


def test_nothing_from_elsewhere_and_no_script(browse: Browse) -> None:
    page = browse().get("/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    assert "<script" not in page.text
    assert "style=" not in page.text
    assert "first &lt;b&gt;line&lt;/b&gt;" in page.text
    assert "font" in browse().get("/agent.css").text


def test_operations_with_their_steps(browse: Browse, lab: Lab) -> None:
    lab.run("report")
    lab.world.filing = ("not_filed", "未申报")
    lab.run("clear")
    page = browse().get("/").text
    assert page.index("清卡 2026-10") < page.index("抄报 2026-10"), "newest first"
    assert "SJCB 007：成功" in page
    assert "bureau.not_filed" in page


def test_self_test(browse: Browse, lab: Lab) -> None:
    browser = browse()
    answer = browser.post("/devices/0/self-test", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/#device-0"
    page = browser.get("/").text
    for name in ("联机", "编号", "设备信息"):
        assert f"✓ {name}" in page
    lab.world.plugged = False
    browser.post("/devices/0/self-test")
    page = browser.get("/").text
    assert "✗ 联机" in page
    assert "重新插接" in page
    assert "设备信息：" not in page


def test_self_test_of_no_device(browse: Browse) -> None:
    for place in (1, -1):
        assert browse().post(f"/devices/{place}/self-test").status_code == 404


def test_self_test_by_another_site_is_refused(browse: Browse, lab: Lab) -> None:
    headers = {"Origin": "https://evil.example"}
    assert browse().post("/devices/0/self-test", headers=headers).status_code == 403
    assert {name for name, _ in lab.world.log} <= {"SKSBBH"}, (
        "what is asked without anybody's doing"
    )
    assert browse().get("/").text.count("自检设备") == 1
    assert "通过" not in browse().get("/").text


def test_the_log_tail_keeps_the_newest_lines() -> None:
    tail = LogTail()
    tail.setFormatter(logging.Formatter("%(message)s"))
    for number in range(250):
        record = logging.LogRecord("x", logging.INFO, "", 0, f"\x1b[32mline {number}", None, None)
        tail.handle(record)
    lines = tail.lines()
    assert len(lines) == 200
    assert lines[0] == "line 249"
