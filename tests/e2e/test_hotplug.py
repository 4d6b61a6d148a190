"""Plugging and unplugging shows on the open page within three seconds, without a reload."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from app.agent.config import AgentConfig
from app.devices import live

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld
    from tests.e2e.harness import SerialSimulation, World

pytestmark = pytest.mark.e2e

LIMIT = 3_000
"""Milliseconds."""


@pytest.fixture(scope="module")
def world(new_shared_world: "NewWorld") -> "World":
    return new_shared_world(devices=1)


@pytest.fixture
def page(browser: Browser, world: "World", password: str) -> Iterator[Page]:
    with browser.new_context(base_url=world.address, locale="zh-CN") as context:
        page = context.new_page()
        page.goto("/login")
        page.get_by_label("用户名").fill("admin")
        page.get_by_label("密码").fill(password)
        page.get_by_role("button", name="登录").click()
        yield page


def open_list(page: Page, number: str) -> Locator:
    """The row of this device; the page is marked, so that a reload would show."""
    page.goto("/devices")
    page.evaluate("window.sameDocument = true")
    row = page.get_by_role("row", name=number)
    expect(row).to_contain_text("已连接", timeout=20_000)
    return row


def assert_not_reloaded(page: Page) -> None:
    assert page.evaluate("window.sameDocument") is True


def test_a_device_of_the_virtual_server(page: Page, world: "World") -> None:
    subject = world.subject("王晓梅")
    row = open_list(page, subject.number)
    world.simulation.patch(subject.number, plugged=False)
    expect(row).to_contain_text("已断开", timeout=LIMIT)
    world.simulation.patch(subject.number, plugged=True)
    expect(row).to_contain_text("已连接", timeout=LIMIT)
    assert_not_reloaded(page)


def test_a_converter_whose_terminal_is_closed(
    page: Page, world: "World", new_serial: Callable[["World"], "SerialSimulation"]
) -> None:
    serial = new_serial(world)
    device = {"driver": "serial_converter", "port": str(serial.port), "password": "88888888"}
    agent = world.remote_agent("串口", [device])
    usual, world.simulation = world.simulation, serial
    world.subject("李四", number=serial.number, agent_id=agent.id, code="S1")
    world.simulation = usual
    row = open_list(page, serial.number)
    serial.send("POST", "/serial/unplug")
    expect(row).to_contain_text("已断开", timeout=LIMIT)
    serial.send("POST", "/serial/plug")
    expect(row).to_contain_text("已连接", timeout=4 * LIMIT)  # it is greeted first
    assert_not_reloaded(page)


def test_the_usual_intervals_leave_room() -> None:
    """The test's agents look more often than usual; the usual ones add up to less than the limit too."""
    assert AgentConfig().probe_seconds + live.LOOK_SECONDS < LIMIT / 1000 - 0.5
