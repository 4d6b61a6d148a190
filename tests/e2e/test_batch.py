"""A batch in a real browser and through kill -9: rows change in place, and every operator is made exactly once."""

import re
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, Page, expect

from app.accounts.principal import SYSTEM
from app.contracts.devices import DeviceKind
from app.core.clock import utc_now
from app.devices import service as devices_service
from app.devices.schemas import DeviceCreate
from app.enterprises import service as enterprises_service
from app.enterprises.schemas import EnterpriseCreate
from app.operators import service as operators_service
from app.operators.schemas import OperatorCreate

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld
    from tests.e2e.harness import World

pytestmark = pytest.mark.e2e

PATIENCE = 60_000
"""Milliseconds; the machine may be busy."""
MANY = 120


@pytest.fixture
def world(new_world: "NewWorld") -> "World":
    return new_world(devices=3, seconds=1)


@pytest.fixture
def page(browser: Browser, world: "World", password: str) -> Iterator[Page]:
    expect.set_options(timeout=PATIENCE)
    with browser.new_context(base_url=world.address, locale="zh-CN") as context:
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto("/login")
        page.get_by_label("用户名").fill("auditor")
        page.get_by_label("密码").fill(password)
        page.get_by_role("button", name="登录").click()
        expect(page).to_have_url(re.compile("/$"))
        yield page


def test_focus_and_selection_stay_while_the_rows_of_a_batch_change(
    world: "World", page: Page
) -> None:
    subjects = [world.subject(f"测试员{index}") for index in range(3)]
    body = {"operator_ids": [one.operator_id for one in subjects], "reason": "月末"}
    batch_id = world.prepared(world.post("/clearing-batches", body)["id"])["id"]
    page.goto(f"/clearing/batches/{batch_id}")
    row = page.locator("#batch-rows tr").nth(2)
    expect(row).to_be_visible()
    page.evaluate("window.same = true")
    row.get_by_role("link", name="测试员2").focus()
    page.evaluate(
        "getSelection().selectAllChildren(document.querySelector('#batch-rows tr:nth-child(2) a'))"
    )
    selected = page.evaluate("String(getSelection())")
    expect(row.locator(".badge")).to_have_text("清卡成功")
    expect(page.locator("#batch-head .badge")).to_have_text("全部清卡成功")
    expect(page).to_have_title(re.compile("^全部清卡成功"))
    assert page.evaluate("document.activeElement.textContent") == "测试员2"
    assert page.evaluate("String(getSelection())") == selected
    assert selected
    assert page.evaluate("window.same"), "not loaded anew"


def _operators(world: "World", count: int) -> list[str]:
    """Operators with a device each that was never read, so that nothing is cleared; gives their ids."""
    ids = []
    with world.database.transaction() as session:
        enterprise = enterprises_service.create_enterprise(
            session,
            data=EnterpriseCreate(tax_no="91420111LQHQ3ULKA4", name="武汉源华环保科技股份有限公司"),
            principal=SYSTEM,
            at=utc_now(),
        )
        for place in range(count):
            operator = operators_service.create_operator(
                session,
                data=OperatorCreate(
                    code=f"M{place:04d}", name=f"多{place}", enterprise_id=enterprise.id
                ),
                principal=SYSTEM,
                at=utc_now(),
            )
            devices_service.register_device(
                session,
                data=DeviceCreate(
                    number=f"7718{place:08d}",
                    kind=DeviceKind.TAX_DISK,
                    operator_id=operator.id,
                    machine_no=place + 1,
                ),
                principal=SYSTEM,
                at=utc_now(),
            )
            ids.append(str(operator.id))
    return ids


def test_a_batch_goes_on_after_kill_9_and_makes_every_operator_exactly_once(
    world: "World", until: Callable[..., Any]
) -> None:
    ids = _operators(world, MANY)
    with world.signed_in("operator") as clerk:
        body = {"operator_ids": ids, "reason": "月末"}
        answer = clerk.post("/api/v1/clearing-batches", json=body)
    assert answer.status_code == 202, answer.text
    batch_id = answer.json()["id"]
    assert answer.json()["waiting"] == MANY
    for pause in (0.05, 0.15):
        time.sleep(pause)
        world.kill()
        world.start()
    made = world.prepared(batch_id)
    operators = [one["operator_id"] for one in made["requests"]]
    assert sorted(operators) == sorted(ids)
    assert (made["skipped"], made["total"]) == ([], MANY)
