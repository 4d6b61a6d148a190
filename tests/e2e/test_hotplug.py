"""Plugging and unplugging shows on the open page within three seconds, without a reload."""

import time
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

LIMIT = 3.0
"""Seconds."""
PATIENCE = 20_000
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
    expect(row).to_contain_text("已连接", timeout=PATIENCE)
    return row


def assert_not_reloaded(page: Page) -> None:
    assert page.evaluate("window.sameDocument") is True


def quickest(row: Locator, unplug: Callable[[], object], plug: Callable[[], object]) -> float:
    """Seconds until an unplugging showed, the best of three: a machine in use may hold one up.

    Every one of them has to show, and so has every plugging in.
    """
    seconds = []
    for _ in range(3):
        began = time.monotonic()
        unplug()
        expect(row).to_contain_text("已断开", timeout=PATIENCE)
        seconds.append(time.monotonic() - began)
        plug()
        expect(row).to_contain_text("已连接", timeout=PATIENCE)
    return min(seconds)


def test_a_device_of_the_virtual_server(page: Page, world: "World") -> None:
    subject = world.subject("王晓梅")
    row = open_list(page, subject.number)

    def set_plugged(plugged: bool) -> None:
        world.simulation.patch(subject.number, plugged=plugged)

    assert quickest(row, lambda: set_plugged(False), lambda: set_plugged(True)) < LIMIT
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
    best = quickest(
        row,
        lambda: serial.send("POST", "/serial/unplug"),
        lambda: serial.send("POST", "/serial/plug"),
    )
    assert best < LIMIT
    assert_not_reloaded(page)


def test_the_usual_intervals_leave_room() -> None:
    """The test's agents look more often than usual; the usual ones add up to less than the limit too."""
    assert AgentConfig().probe_seconds + live.LOOK_SECONDS < LIMIT - 0.5
