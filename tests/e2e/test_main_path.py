"""The main path in a real browser as those who walk it every month: a clerk, and a reviewer."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Locator, Page, expect

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld, SignIn
    from tests.e2e.harness import Subject, World

pytestmark = pytest.mark.e2e

PASSED = re.compile(r"全部通过|\d+ 项通过")
"""Nothing needs care; what only the run can look at is counted apart as 未核对."""


@pytest.fixture(scope="module")
def world(new_shared_world: "NewWorld") -> "World":
    return new_shared_world(devices=5)


def _review_off(world: "World", subject: "Subject") -> None:
    enterprise = world.get(f"/operators/{subject.operator_id}")["enterprise_id"]
    answer = world.api.patch(f"/enterprises/{enterprise}", json={"review_required": False})
    assert answer.status_code == 200, answer.text


def _dialog(page: Page, subject: "Subject") -> Locator:
    page.goto(f"/clearing/operators/{subject.operator_id}")
    page.get_by_role("button", name="清卡操作").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    return dialog


def _request_of(page: Page) -> str:
    expect(page).to_have_url(re.compile("/clearing/requests/"))
    return page.url.rsplit("/", 1)[1]


def test_a_clerk_asks_a_reviewer_approves_and_it_runs(
    sign_in: "SignIn", world: "World", password: str
) -> None:
    subject = world.subject("上官云")
    clerk = sign_in("operator")
    dialog = _dialog(clerk, subject)
    expect(clerk.locator("#checks")).to_contain_text(PASSED)
    expect(dialog).to_contain_text("提交后由审核员审核；通过后立即自动执行")
    expect(dialog.locator("input[type=password]")).to_have_count(0)
    dialog.get_by_role("button", name="提交清卡申请").click()
    request_id = _request_of(clerk)
    assert world.request(request_id)["state"] == "submitted"
    assert not world.simulation.log(subject.number, "JKHC", acted=False)

    reviewer = sign_in("reviewer")
    reviewer.goto(f"/clearing/requests/{request_id}")
    reviewer.get_by_role("button", name="通过", exact=True).first.click()
    approval = reviewer.get_by_role("dialog")
    approval.locator("input[type=password]").fill(password)
    approval.get_by_role("button", name="通过", exact=True).click()
    world.assert_cleared_once(subject, request_id)
    request = world.request(request_id)
    assert request["reviewed_by"] not in (None, request["requested_by"])
    reviewer.goto(f"/clearing/requests/{request_id}")
    expect(reviewer.get_by_role("heading", name="清卡成功")).to_be_visible()


def test_without_review_a_clerk_is_told_so_proves_who_asks_and_it_runs(
    sign_in: "SignIn", world: "World", password: str
) -> None:
    subject = world.subject("东方白")
    _review_off(world, subject)
    clerk = sign_in("operator")
    dialog = _dialog(clerk, subject)
    expect(dialog).to_contain_text("提交后立即执行")
    expect(dialog).not_to_contain_text("提交后由审核员审核")
    dialog.locator("input[type=password]").fill(password + "?")
    dialog.get_by_role("button", name="确定").click()
    expect(clerk.get_by_role("dialog")).to_contain_text("密码不正确")
    assert not world.get("/clearing-requests", operator_id=subject.operator_id)["items"]
    dialog = clerk.get_by_role("dialog")
    dialog.locator("input[type=password]").fill(password)
    dialog.get_by_role("button", name="确定").click()
    world.assert_cleared_once(subject, _request_of(clerk))


def test_a_later_clearing_date_is_said_and_kept_to(
    sign_in: "SignIn", world: "World", password: str
) -> None:
    subject = world.subject("公孙月")
    _review_off(world, subject)
    clerk = sign_in("operator")
    dialog = _dialog(clerk, subject)
    later = date.today() + timedelta(days=2)
    dialog.get_by_label("清卡日期").fill(later.isoformat())
    dialog.get_by_label("清卡日期").press("Tab")
    expect(dialog).to_contain_text(f"提交后于 {later} 09:00 自动执行")
    dialog.locator("input[type=password]").fill(password)
    dialog.get_by_role("button", name="确定").click()
    request = world.request(_request_of(clerk))
    assert (request["state"], request["clearing_date"]) == ("scheduled", later.isoformat())
    expect(clerk.locator("main")).to_contain_text(f"将在 {later} 09:00 自动执行")
    world.post(f"/clearing-requests/{request['id']}/cancel")

    dialog = _dialog(clerk, subject)
    dialog.get_by_label("清卡日期").fill("2019-01-01")
    dialog.locator("input[type=password]").fill(password)
    dialog.get_by_role("button", name="确定").click()
    expect(clerk.get_by_role("dialog")).to_contain_text("清卡日期 2019-01-01 已经过去")
    assert len(world.get("/clearing-requests", operator_id=subject.operator_id)["items"]) == 1


def test_a_known_blocker_stands_in_the_dialog_and_leaves_no_trace(
    sign_in: "SignIn", world: "World"
) -> None:
    subject = world.subject("令狐青")
    with _unplugged(world, subject):
        clerk = sign_in("operator")
        dialog = _dialog(clerk, subject)
        expect(dialog).to_contain_text("现在不能清卡")
        expect(dialog.get_by_role("link", name=f"设备 {subject.number}")).to_be_visible()
        expect(dialog.get_by_role("button", name="提交清卡申请")).to_be_disabled()
    dialog.get_by_role("button", name="取消").click()
    clerk.locator("[data-check-again]").click()
    expect(clerk.locator("#checks")).to_contain_text(PASSED)
    clerk.get_by_role("button", name="清卡操作").click()
    expect(dialog.get_by_role("button", name="提交清卡申请")).to_be_enabled()
    expect(dialog).not_to_contain_text("现在不能清卡")
    assert not world.get("/clearing-requests", operator_id=subject.operator_id)["items"]
    assert world.records(subject) == []


@contextmanager
def _unplugged(world: "World", subject: "Subject") -> Iterator[None]:
    world.simulation.patch(subject.number, plugged=False)
    yield
    world.simulation.patch(subject.number, plugged=True)


def test_without_a_script_the_link_checks_and_submitting_still_refuses(
    sign_in: "SignIn", world: "World"
) -> None:
    subject = world.subject("夏侯安")
    clerk = sign_in("operator", script=False)
    clerk.goto(f"/clearing/operators/{subject.operator_id}")
    clerk.get_by_role("link", name="立即检查").click()
    expect(clerk.locator("#checks")).to_contain_text(PASSED)
    with _unplugged(world, subject):
        clerk.goto(f"/clearing/operators/{subject.operator_id}?confirm=1")
        clerk.get_by_role("button", name="提交清卡申请").click()
        expect(clerk.locator("main")).to_contain_text("现在不能清卡")
    assert not world.get("/clearing-requests", operator_id=subject.operator_id)["items"]
