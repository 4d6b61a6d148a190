"""On a phone, in a real browser: what the bar has no room for is in the menu, and a device tells two facts apart."""

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld, SignIn
    from tests.e2e.harness import World

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def world(new_shared_world: "NewWorld") -> "World":
    return new_shared_world(devices=1)


def _on_a_phone(page: Page, path: str) -> Page:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360, "nothing is cut off"
    return page


def test_ones_own_account_is_reached_from_the_menu(sign_in: "SignIn") -> None:
    page = _on_a_phone(sign_in("operator"), "/")
    expect(page.locator(".top .who")).to_be_hidden()
    menu = page.get_by_role("navigation", name="主导航")
    expect(menu).to_be_hidden()
    page.get_by_role("button", name="菜单").click()
    menu.get_by_role("link", name="我的账号").click()
    expect(page).to_have_url(re.compile("/account$"))
    expect(page.get_by_role("heading", name="登录中的设备")).to_be_visible()
    expect(menu).to_be_hidden()


def test_connection_and_lock_change_apart_and_live(sign_in: "SignIn", world: "World") -> None:
    subject = world.subject()
    page = _on_a_phone(sign_in("operator"), f"/devices/{subject.device_id}")
    page.evaluate("window.sameDocument = true")
    connection, clearing = page.locator("[data-device]"), page.locator("[data-clearing]")
    before = clearing.inner_text()
    assert before != "已锁死"
    expect(connection).to_have_text("已连接")

    world.simulation.patch(subject.number, plugged=False)
    expect(connection).to_have_text("已断开")
    expect(clearing).to_have_text(before)
    world.simulation.patch(subject.number, plugged=True)
    expect(connection).to_have_text("已连接")

    world.simulation.patch(subject.number, locked=True)
    world.post(f"/devices/{subject.device_id}/refresh")
    expect(clearing).to_have_text("已锁死")
    expect(connection).to_have_text("已连接")
    world.simulation.patch(subject.number, plugged=False)
    expect(connection).to_have_text("已断开")
    expect(clearing).to_have_text("已锁死")
    assert page.evaluate("window.sameDocument"), "shown in place, not loaded anew"
