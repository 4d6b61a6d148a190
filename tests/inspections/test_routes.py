"""Pages and REST API of inspections, and the report as PDF."""

import re
import zlib
from base64 import a85decode
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.accounts.principal import Principal, Role
from app.core.db import Database
from app.core.metrics import RequestMetrics
from app.core.process import Process
from app.inspections import pdf, service
from app.inspections.section import Section, Severity
from app.settings import Settings

API = "/api/v1/inspections"


@pytest.fixture
def run(database: Database, settings: Settings, clock: Any) -> Callable[[], int]:
    """Makes what waits."""
    context = Process(database, settings, clock, RequestMetrics())
    return lambda: service.run_waiting(context)


def test_over_the_api(client: TestClient, run: Callable[[], int]) -> None:
    asked = client.post(API)
    assert (asked.status_code, asked.json()["state"]) == (202, "pending")
    address = asked.headers["location"]
    assert client.get(address).json()["sections"] == []
    run()
    done = client.get(address).json()
    assert (done["state"], len(done["sections"])) == ("done", 8)
    assert {section["severity"] for section in done["sections"]} <= {"ok", "warning"}
    assert client.get(API).json()["items"][0]["id"] == done["id"]
    printed = client.get(f"{address}/report")
    assert printed.headers["content-type"] == "application/pdf"
    assert printed.content.startswith(b"%PDF-")


def test_pages(client: TestClient, run: Callable[[], int]) -> None:
    assert "还没有检查" in client.get("/inspections").text
    started = client.post("/inspections")
    address = started.headers["location"]
    assert "检查正在进行，还有 8 项" in client.get(address).text
    run()
    page = client.get(address).text
    for title in ("未清卡设备", "失败原因", "时钟偏差", "备份", "数据库", "响应时间", "审计链"):
        assert f">{title}</h2>" in page
    listed = client.get("/inspections").text
    assert "手工检查 2026-12-09" in listed
    assert f'href="{address}/report.pdf"' in listed
    assert client.get(f"{address}/report.pdf").content.startswith(b"%PDF-")


def test_only_admins_start_one(
    app: FastAPI, client: TestClient, make_principal: Callable[..., Principal]
) -> None:
    app.state.principal = make_principal(Role.AUDITOR)
    assert client.post(API).status_code == 403
    assert client.post("/inspections").status_code == 403
    page = client.get("/inspections")
    assert page.status_code == 200
    assert "立即检查" not in page.text
    assert "系统维护" not in page.text


def test_who_sees_some_enterprises_sees_no_report(
    app: FastAPI, client: TestClient, make_principal: Callable[..., Principal]
) -> None:
    app.state.principal = make_principal(Role.AUDITOR, enterprise_ids=frozenset({UUID(int=1)}))
    assert client.get(API).status_code == 403
    assert client.get("/inspections").status_code == 403


def test_an_inspection_that_is_not(client: TestClient) -> None:
    answer = client.get(f"{API}/{UUID(int=7)}")
    assert (answer.status_code, answer.json()["code"]) == (404, "inspection.not_found")


def test_confirmation_works_without_a_script(client: TestClient) -> None:
    page = client.get("/inspections", params={"confirm": "vacuum"}).text
    assert re.search(r'<dialog[^>]*id="vacuum"[^>]* open', page)
    assert not re.search(r'<dialog[^>]*id="clean"[^>]* open', page)


def test_report_prints_every_section_and_escapes(clock: Any) -> None:
    sections = [
        Section(
            "备份<b>", Severity.WARNING, "摘要 & 其他", "怎么办", "", ("甲", "乙"), (("1", "2"),), 3
        )
    ]
    report = pdf.Report("月度检查报告 2026-12", clock(), "由系统发起", sections)
    content = pdf.render(report)
    assert content == pdf.render(report), "the same report gives the same bytes"
    text = _text(content)
    for word in ("月度检查报告", "备份<b>", "需留意", "摘要", "另有"):
        assert word in text


def _text(content: bytes) -> str:
    """What the page's streams show; CID fonts write UTF-16 in hex or octal."""
    shown = ""
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", content, re.DOTALL):
        page = zlib.decompress(
            a85decode(stream.strip(), adobe=True) if stream.strip().endswith(b"~>") else stream
        )
        for literal in re.findall(rb"\((.*?)(?<!\\)\) Tj", page, re.DOTALL):
            shown += _unescaped(literal).decode("utf-16-be", "replace")
    return shown


def _unescaped(literal: bytes) -> bytes:
    names = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}

    def one(match: re.Match[bytes]) -> bytes:
        code = match.group(1)
        return bytes([int(code, 8)]) if code[:1].isdigit() else names.get(code, code)

    return re.sub(rb"\\([0-7]{1,3}|.)", one, literal, flags=re.DOTALL)
