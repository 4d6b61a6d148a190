"""The pages in a real browser: sign in, find the operator, clear, see it succeed, see it on record."""

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld
    from tests.e2e.harness import Subject, World

pytestmark = pytest.mark.e2e

CONVERSATION = ("SKSBQTYXXCX", "SJCB", "WLCB", "QLJS", "JKHC", "QLJSJGQR")
STAGES = ("初始化", "数据备份", "执行清卡", "完成")
PATIENCE = 30_000
"""Milliseconds; the machine may be busy."""


@pytest.fixture(scope="module")
def world(new_shared_world: "NewWorld") -> "World":
    return new_shared_world(devices=5, seconds=2)


@pytest.fixture
def context(browser: Browser, world: "World") -> Iterator[BrowserContext]:
    with browser.new_context(base_url=world.address, locale="zh-CN") as context:
        context.set_default_timeout(PATIENCE)
        yield context


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=PATIENCE)


def _sign_in(page: Page, password: str) -> None:
    page.goto("/login")
    page.get_by_label("用户名").fill("admin")
    page.get_by_label("密码").fill(password)
    page.get_by_role("button", name="登录").click()


def _open_dialog(page: Page) -> None:
    page.get_by_role("button", name="清卡操作").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def _confirm(page: Page, password: str) -> None:
    page.get_by_label("管理员密码").fill(password)
    page.get_by_role("dialog").get_by_role("button", name="确定").click()


def _untouched(world: "World", subject: "Subject") -> None:
    """Nothing asked for, and no message of a conversation reached device or bureau."""
    assert not world.get("/clearing-requests", operator_id=subject.operator_id)["items"]
    assert not world.simulation.log(subject.number, *CONVERSATION, acted=False)


def test_from_signing_in_to_the_record(page: Page, world: "World", password: str) -> None:
    subject = world.subject("欧阳晓梅")
    _sign_in(page, password + "?")
    expect(page.get_by_role("alert")).to_contain_text("用户名或密码不正确")
    expect(page).to_have_url(re.compile("/login$"))
    _sign_in(page, password)
    expect(page).to_have_url(re.compile("/$"))

    page.goto("/clearing")
    page.get_by_role("searchbox", name="搜索操作员").press_sequentially("oyxm")
    rows = page.locator("#rows tbody tr")
    expect(rows).to_have_count(1)
    rows.get_by_role("link", name="欧阳晓梅").click()

    _open_dialog(page)
    page.get_by_role("dialog").get_by_role("button", name="取消").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    _untouched(world, subject)

    _open_dialog(page)
    page.get_by_label("申请原因").fill("申报完成后按期清卡（十一月）")
    _confirm(page, password + "?")
    expect(page.get_by_role("dialog")).to_contain_text("密码不正确")
    expect(page.get_by_label("申请原因")).to_have_value("申报完成后按期清卡（十一月）")
    expect(page.get_by_label("管理员密码")).to_have_value("")
    _untouched(world, subject)

    _confirm(page, password)
    request_id = _request_of(page)
    expect(page.get_by_role("heading", name="清卡成功")).to_be_visible()
    for name in STAGES:
        expect(page.locator("[data-stage][data-state=done]", has_text=name)).to_be_visible()
    world.assert_cleared_once(subject, request_id)
    _assert_conversation(world, subject)
    _assert_on_record(page, world, subject)
    _assert_no_second_time(page, world, subject)


def test_what_needs_care_is_accepted_by_hand(page: Page, world: "World", password: str) -> None:
    subject = world.subject("司徒静")
    world.simulation.patch(subject.number, clock_offset_seconds=600)
    _sign_in(page, password)
    page.goto(f"/clearing/operators/{subject.operator_id}")
    _open_dialog(page)
    _confirm(page, password)
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("设备时钟与系统相差")
    _untouched(world, subject)
    dialog.get_by_role("checkbox", name="已了解").check()
    _confirm(page, password)
    request_id = _request_of(page)
    expect(page.get_by_role("heading", name="清卡成功")).to_be_visible()
    expect(page.locator("[data-log]")).to_contain_text("（已确认）")
    world.assert_cleared_once(subject, request_id)


def test_a_changed_choice_is_previewed_before_it_is_confirmed(
    page: Page, world: "World", password: str
) -> None:
    subject = world.subject("澹台敏")
    world.simulation.patch(subject.number, version="V2.1.0")
    _sign_in(page, password)
    page.goto(f"/clearing/operators/{subject.operator_id}")
    _open_dialog(page)
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("抄报后清卡")
    dialog.get_by_label("清卡类型").select_option("tax")
    expect(dialog).to_contain_text("税务清卡不在此抄报")
    dialog.get_by_label("清卡类型").select_option("device")
    dialog.get_by_label("清卡方式").select_option("update")
    expect(dialog).to_contain_text("设备版本 V2.0.1 → V2.1.0")
    dialog.get_by_label("清卡范围").select_option("partial")
    expect(dialog).to_contain_text("请选择要清卡的发票类型")
    dialog.get_by_label("007 增值税普通发票").check()
    expect(dialog).to_contain_text("只抄报，不清卡")
    _confirm(page, password)
    request_id = _request_of(page)
    expect(page.get_by_role("heading", name="部分清卡完成")).to_be_visible()
    request = world.request(request_id)
    assert (request["mode"], request["invoice_types"]) == ("update", ["007"])
    assert world.simulation.cleared(subject.number) == {"007": 1}


def _request_of(page: Page) -> str:
    expect(page).to_have_url(re.compile("/clearing/requests/"))
    return page.url.rsplit("/", 1)[1]


def _assert_conversation(world: "World", subject: "Subject") -> None:
    messages = world.simulation.log(subject.number, *CONVERSATION)
    assert messages == [
        ("SKSBQTYXXCX", ""),
        ("SJCB", "004"),
        ("SJCB", "007"),
        ("WLCB", "004,007"),
        ("SKSBQTYXXCX", ""),
        ("QLJS", "004,007"),
        ("JKHC", "004"),
        ("JKHC", "007"),
        ("QLJSJGQR", "004,007"),
    ]


def _assert_on_record(page: Page, world: "World", subject: "Subject") -> None:
    lock_date = world.simulation.view(subject.number)["lock_date"]
    expect(page.locator("main")).to_contain_text(lock_date)
    page.get_by_role("link", name="第 1 次").click()
    main = page.locator("main")
    expect(main).to_contain_text(subject.number)
    expect(main).to_contain_text(lock_date)
    expect(main).to_contain_text("清卡成功")
    expect(main).to_contain_text("JKHC")
    page.goto("/audit")
    for words in ("提交清卡申请", "执行清卡", "创建备份", "清卡成功", "验证用户身份失败"):
        expect(page.locator("tbody")).to_contain_text(words)
    page.get_by_role("button", name="验证审计链").click()
    expect(page.get_by_text("首尾相接")).to_be_visible()


def _assert_no_second_time(page: Page, world: "World", subject: "Subject") -> None:
    page.goto(f"/clearing/operators/{subject.operator_id}")
    _open_dialog(page)
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("请勿重复清卡")
    expect(dialog.get_by_role("button", name="确定")).to_be_disabled()
    assert len(world.get("/clearing-requests", operator_id=subject.operator_id)["items"]) == 1
    _assert_conversation(world, subject)


def test_the_progress_survives_a_reload(page: Page, world: "World", password: str) -> None:
    subject = world.subject("司马青")
    _sign_in(page, password)
    page.goto(f"/clearing/operators/{subject.operator_id}")
    _open_dialog(page)
    _confirm(page, password)
    request_id = _request_of(page)
    running = page.locator("[data-stage=clear][data-state=running]")
    expect(running).to_be_visible()
    page.reload()
    expect(running).to_be_visible()
    expect(page.locator("[data-stage=backup][data-state=done]")).to_be_visible()
    assert world.request(request_id)["state"] == "running"
    expect(page.get_by_role("heading", name="清卡成功")).to_be_visible()
    world.assert_cleared_once(subject, request_id)


def test_without_a_script(
    browser: Browser, world: "World", password: str, until: Callable[..., Any]
) -> None:
    subject = world.subject("诸葛明")
    with browser.new_context(base_url=world.address, java_script_enabled=False) as context:
        page = context.new_page()
        _sign_in(page, password)
        page.goto(f"/clearing/operators/{subject.operator_id}")
        page.get_by_role("button", name="清卡操作").click()
        expect(page).to_have_url(re.compile(r"\?confirm=1"))
        _confirm(page, password)
        request_id = _request_of(page)

        def refreshed() -> bool:
            if page.get_by_role("heading", name="清卡成功").count():
                return True
            page.get_by_role("link", name="刷新").click()
            return False

        until(refreshed, what="清卡成功 on the page")
    world.assert_cleared_once(subject, request_id)
