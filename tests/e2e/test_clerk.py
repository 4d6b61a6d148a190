"""A clerk's and a reviewer's way through the pages, in a real browser: what fails is finished by the clerk."""

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld, SignIn
    from tests.e2e.harness import Subject, World

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def world(new_shared_world: "NewWorld") -> "World":
    return new_shared_world(devices=4)


def test_a_clerk_finishes_what_failed_after_the_review_without_an_admin(
    world: "World", sign_in: "SignIn", password: str
) -> None:
    subject = world.subject("欧阳晓梅")
    world.simulation.fault(subject.number, "bureau_down")
    clerk, reviewer = sign_in("operator"), sign_in("reviewer")
    request_id = _submitted(world, subject)
    reviewer.goto(f"/clearing/requests/{request_id}")
    reviewer.get_by_role("button", name="通过").click()
    dialog = reviewer.get_by_role("dialog")
    dialog.locator("input[type=password]").fill(password)
    dialog.get_by_role("button", name="通过").click()
    assert world.ended(request_id, "failed")["error"]["code"] == "bureau.unreachable"

    reviewer.goto(f"/clearing/requests/{request_id}")
    expect(reviewer.get_by_role("button", name="重试")).to_have_count(0)
    expect(reviewer.get_by_text("操作员或管理员可以在这里重试")).to_be_visible()

    world.simulation.mend(subject.number)
    clerk.goto(f"/clearing/requests/{request_id}")
    clerk.get_by_role("button", name="重试").click()
    dialog = clerk.get_by_role("dialog")
    dialog.locator("input[type=password]").fill(password)
    dialog.get_by_role("button", name="确定").click()
    expect(clerk.get_by_role("heading", name="清卡成功")).to_be_visible()
    world.assert_cleared_once(subject, request_id)


def _submitted(world: "World", subject: "Subject") -> str:
    with world.signed_in("operator") as clerk:
        answer = clerk.post(
            "/api/v1/clearing-requests",
            json=dict(subject.order),
            headers={"Origin": world.address},
        )
        assert answer.status_code in (201, 202), answer.text
        return str(answer.json()["id"])


def test_an_exceptional_request_is_started_from_the_mismatch_and_completed_on_its_page(
    world: "World", sign_in: "SignIn", password: str
) -> None:
    subject = world.subject("司徒静")
    world.file(subject, "mismatch")
    failed = world.begin(subject)
    assert world.ended(failed, "failed")["error"]["code"] == "bureau.mismatch"
    clerk = sign_in("operator")
    clerk.goto(f"/clearing/requests/{failed}")
    clerk.get_by_role("link", name="按异常清卡提交").click()
    dialog = clerk.get_by_role("dialog")
    expect(dialog.get_by_label("按异常清卡提交，必须由审核员审核")).to_be_checked()
    dialog.get_by_label("申请原因").fill("比对差异已向税务机关说明")
    ask = dialog.get_by_role("button", name=re.compile("提交清卡申请|确定"))
    ask.click()
    understood = dialog.get_by_role("checkbox", name="已了解")
    papers = clerk.get_by_role("button", name="保存清单")
    expect(understood.first.or_(papers)).to_be_visible()
    if understood.count():
        understood.first.check()
        ask.click()
    expect(clerk).to_have_url(re.compile(rf"/clearing/requests/(?!{failed})[-0-9a-f]{{36}}$"))
    for paper in clerk.get_by_role("group", name="已备齐的资料").get_by_role("checkbox").all():
        paper.check()
    clerk.get_by_role("button", name="保存清单").click()
    made = clerk.url.rsplit("/", 1)[-1]
    expect(clerk.get_by_role("checkbox", name="逾期说明")).to_be_checked()
    assert len(world.request(made)["checklist"]) == 6


def test_what_was_typed_before_the_session_ended_comes_back_after_signing_in_and_can_be_submitted(
    world: "World", sign_in: "SignIn", password: str
) -> None:
    subject = world.subject("王晓梅")
    clerk = sign_in("operator")
    clerk.goto(f"/clearing/operators/{subject.operator_id}?confirm=1")
    dialog = clerk.get_by_role("dialog")
    dialog.get_by_label("申请原因").fill("登录失效前写下的原因")
    dialog.get_by_label("联系人").fill("李会计")
    clerk.context.clear_cookies(name="qingka")
    dialog.get_by_role("button", name="提交清卡申请").click()

    expect(clerk).to_have_url(re.compile("/login"))
    expect(clerk.get_by_text("刚才填写的内容尚未提交")).to_be_visible()
    _sign_in_again(clerk, "operator", password)
    expect(clerk).to_have_url(re.compile(f"/clearing/operators/{subject.operator_id}$"))
    expect(dialog.get_by_text("已填回登录失效前填写的内容，尚未提交")).to_be_visible()
    expect(dialog.get_by_label("申请原因")).to_have_value("登录失效前写下的原因")
    expect(dialog.get_by_label("联系人")).to_have_value("李会计")

    dialog.get_by_role("button", name="提交清卡申请").click()
    expect(clerk).to_have_url(re.compile("/clearing/requests/"))
    made = world.request(clerk.url.rsplit("/", 1)[-1])
    assert (made["reason"], made["state"]) == ("登录失效前写下的原因", "submitted")


def test_a_batch_typed_before_the_session_ended_comes_back_to_its_account_only(
    world: "World", sign_in: "SignIn", password: str
) -> None:
    subject = world.subject("欧阳晓梅")
    chosen = f"/clearing/batches/new?operator_ids={subject.operator_id}"
    for name, comes_back in (("operator", True), ("admin", False)):
        clerk = sign_in("operator")
        clerk.goto(chosen)
        clerk.get_by_label("申请原因").fill("整批的原因")
        clerk.context.clear_cookies(name="qingka")
        clerk.locator("main form .primary").click()
        _sign_in_again(clerk, name, password)
        expect(clerk).to_have_url(re.compile("/clearing/batches/new$"))
        expect(clerk.get_by_text("已填回登录失效前填写的内容")).to_have_count(int(comes_back))
        expected = expect(clerk.get_by_label("申请原因"))
        (expected.to_have_value if comes_back else expected.not_to_have_value)("整批的原因")


def _sign_in_again(page: Page, name: str, password: str) -> None:
    page.get_by_label("用户名").fill(name)
    page.get_by_label("密码").fill(password)
    page.get_by_role("button", name="登录").click()
