"""Progress in real browsers: for every role, through lost connections and restarts, while nothing moves."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.free_ports import free_port

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld
    from tests.e2e.harness import World

pytestmark = pytest.mark.e2e

ROLES = ("operator", "reviewer", "auditor", "admin")
PATIENCE = 60_000
"""Milliseconds; the machine may be busy."""


@pytest.fixture(scope="module")
def world(new_shared_world: "NewWorld") -> "World":
    return new_shared_world(devices=4, seconds=1, port=free_port())


@pytest.fixture
def pages(browser: Browser, world: "World", password: str) -> Iterator[dict[str, Page]]:
    """A page of each role, signed in, each in a browser of its own."""
    expect.set_options(timeout=PATIENCE)
    with ExitStack() as stack:
        found = {}
        for role in ROLES:
            context = stack.enter_context(
                browser.new_context(base_url=world.address, locale="zh-CN")
            )
            context.set_default_timeout(PATIENCE)
            page = found[role] = context.new_page()
            page.goto("/login")
            page.get_by_label("用户名").fill(role)
            page.get_by_label("密码").fill(password)
            page.get_by_role("button", name="登录").click()
            expect(page).to_have_url(re.compile("/$"))
        yield found


def _submitted(world: "World", password: str) -> str:
    """A request that waits for its review; gives its id."""
    subject = world.subject()
    with world.signed_in("operator") as operator:
        answer = operator.post("/api/v1/clearing-requests", json=subject.order)
        assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_every_role_sees_a_clearing_live_from_its_review_to_its_end(
    world: "World", pages: dict[str, Page], password: str
) -> None:
    request_id = _submitted(world, password)
    for page in pages.values():
        page.goto(f"/clearing/requests/{request_id}")
        expect(page).to_have_title(re.compile("^待审核"))
        page.evaluate("window.same = true")
    reviewer = pages["reviewer"]
    with world.signed_in("reviewer") as client:
        answer = client.post(
            f"/api/v1/clearing-requests/{request_id}/approve",
            json={"comment": "同意", "password": password},
        )
        assert answer.status_code == 200, answer.text
    expect(reviewer.locator("[data-stage]")).to_have_count(4)
    for role, page in pages.items():
        expect(page.get_by_role("heading", name="清卡成功")).to_be_visible()
        expect(page).to_have_title(re.compile("^清卡成功"))
        assert page.evaluate("window.same"), f"{role}: shown in place, not loaded anew"
    expect(pages["operator"].get_by_role("button", name="确认清卡成功")).to_be_visible()
    expect(pages["auditor"].get_by_role("button", name="确认清卡成功")).to_have_count(0)


def test_a_page_finds_back_by_itself_after_refusals_and_a_restart(
    world: "World", pages: dict[str, Page], password: str
) -> None:
    request_id = _submitted(world, password)
    page = pages["auditor"]
    refused: list[str] = []

    def once(route: Route) -> None:
        refused.append(route.request.url)
        route.fulfill(status=503, body="")

    page.route("**/events*", once, times=1)
    page.goto(f"/clearing/requests/{request_id}")
    expect(page).to_have_title(re.compile("^待审核"))
    with page.expect_response(lambda answer: "/events" in answer.url and answer.status == 200):
        pass
    assert len(refused) == 1
    world.stop()
    expect(page.get_by_text("连接中断，正在重连")).to_be_visible()
    world.start()
    expect(page.get_by_text("连接中断，正在重连")).to_be_hidden()
    world.post(f"/clearing-requests/{request_id}/execute")
    expect(page.get_by_role("heading", name="清卡成功")).to_be_visible()


def test_a_page_says_when_its_session_has_ended(
    world: "World", pages: dict[str, Page], password: str
) -> None:
    request_id = _submitted(world, password)
    page = pages["operator"]
    page.goto(f"/clearing/requests/{request_id}")
    expect(page).to_have_title(re.compile("^待审核"))
    other = page.context.new_page()
    other.goto("/")
    other.get_by_role("button", name="退出登录").click()
    expect(page.get_by_text("登录已失效，或已没有查看的权限")).to_be_visible()


def test_a_program_resumes_a_stream_where_it_was(world: "World") -> None:
    request_id = world.begin(world.subject())
    path = f"/clearing-requests/{request_id}/events"
    lines: list[str] = []
    with world.api.stream("GET", path) as answer:
        for line in answer.iter_lines():
            lines.append(line)
            if line.startswith("id: ") and len(lines) > 12:
                break
    assert lines[0].startswith("retry: ")
    seen = lines[-1].removeprefix("id: ")
    world.ended(request_id, "succeeded")
    rest = world.api.get(path, headers={"Last-Event-ID": seen}).text
    names = [line.removeprefix("event: ") for line in rest.splitlines() if "event: " in line]
    assert names.count("end") == 1
    assert names[-1] == "end"
    told = [json.loads(one.removeprefix("data: ")) for one in rest.splitlines() if "data: " in one]
    assert any("核对" in line["text"] for one in told for line in one.get("lines", []))
    last = [line for line in rest.splitlines() if line.startswith("id: ")][-1]
    again = world.api.get(path, headers={"Last-Event-ID": last.removeprefix("id: ")})
    assert again.status_code == 204
