"""Who has some of the enterprises only, in a real browser: the leader of an agency's group, and a clerk of one client."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from app.accounts import service as accounts_service
from app.accounts.principal import SYSTEM, Role
from app.accounts.service import AccountDraft
from app.core.clock import utc_now
from app.settings import Settings

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld, SignIn
    from tests.e2e.harness import Subject, World

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def world(new_shared_world: "NewWorld") -> "World":
    return new_shared_world(devices=4)


@pytest.fixture(scope="module")
def clients(world: "World") -> "list[Subject]":
    """One operator of each enterprise; 端木兰 is nobody's here but the admin's."""
    return [world.subject(name) for name in ("上官云", "东方白", "公孙月", "端木兰")]


def _enterprise(world: "World", subject: "Subject") -> UUID:
    return UUID(world.get(f"/operators/{subject.operator_id}")["enterprise_id"])


def _account(
    world: "World", name: str, password: str, roles: set[Role], sees: "Iterable[Subject]"
) -> None:
    draft = AccountDraft(
        name,
        frozenset(roles),
        password=password,
        must_change_password=False,
        enterprise_ids=frozenset(_enterprise(world, subject) for subject in sees),
    )
    settings = Settings(data_dir=world.data_dir)
    with world.database.transaction() as session:
        accounts_service.create_account(session, draft, by=SYSTEM, settings=settings, clock=utc_now)


def _sees_only(page: Page, seen: "Iterable[Subject]", hidden: "Iterable[Subject]") -> None:
    """The list has these; the addresses of the others are those of nothing."""
    page.goto("/clearing")
    rows = page.locator("#rows")
    for subject in seen:
        expect(rows.get_by_text(subject.name)).to_be_visible()
    for subject in hidden:
        expect(page.get_by_text(subject.name)).to_have_count(0)
        for path in (
            f"/clearing/operators/{subject.operator_id}",
            f"/devices/{subject.device_id}",
            f"/settings/operators/{subject.operator_id}",
        ):
            answer = page.goto(path)
            assert answer is not None
            assert answer.status == 404, path
            assert subject.name not in page.content()


def test_a_clerk_of_one_client_asks_and_the_leader_of_three_reviews_and_clears_the_others(
    world: "World",
    clients: "list[Subject]",
    sign_in: "SignIn",
    password: str,
) -> None:
    own, second, third, foreign = clients
    _account(world, "clerk", password, {Role.OPERATOR}, [own])
    _account(world, "leader", password, {Role.OPERATOR, Role.REVIEWER}, [own, second, third])

    clerk = sign_in("clerk")
    _sees_only(clerk, [own], [second, third, foreign])
    request_id = _asked_for(clerk, own)

    leader = sign_in("leader")
    _sees_only(leader, [own, second, third], [foreign])
    leader.goto(f"/clearing/requests/{request_id}")
    leader.get_by_role("button", name="通过", exact=True).first.click()
    approval = leader.get_by_role("dialog")
    approval.locator("input[type=password]").fill(password)
    approval.get_by_role("button", name="通过", exact=True).click()
    expect(leader.get_by_role("heading", name="清卡成功")).to_be_visible()
    world.assert_cleared_once(own, request_id)
    clerk.goto(f"/clearing/requests/{request_id}")
    expect(clerk.get_by_role("heading", name="清卡成功")).to_be_visible()

    for subject in (second, third):
        path = f"/enterprises/{_enterprise(world, subject)}"
        changed = world.api.patch(path, json={"review_required": False})
        assert changed.status_code == 200, changed.text
    _clears_at_once(world, leader, [second, third], password)
    assert world.get("/clearing-requests", operator_id=foreign.operator_id)["items"] == []
    answer = clerk.goto(leader.url)
    assert answer is not None
    assert answer.status == 404
    assert not any(subject.name in clerk.content() for subject in (second, third))


def _asked_for(page: Page, subject: "Subject") -> str:
    page.goto(f"/clearing/operators/{subject.operator_id}")
    page.get_by_role("button", name="清卡操作").click()
    page.get_by_role("dialog").get_by_role("button", name="提交清卡申请").click()
    expect(page).to_have_url(re.compile("/clearing/requests/"))
    return page.url.rsplit("/", 1)[1]


def _clears_at_once(world: "World", page: Page, subjects: "list[Subject]", password: str) -> None:
    """A batch of all that is due to this person: these, and nobody else."""
    page.goto("/clearing")
    page.get_by_role("link", name="批量清卡").click()
    foretold = page.get_by_label("将要清卡的操作员")
    expect(foretold.locator("tbody tr")).to_have_count(len(subjects))
    page.get_by_label("申请原因").fill("按期清卡")
    page.locator("input[type=password]").fill(password)
    page.get_by_role("button", name="确定").click()
    expect(page).to_have_url(re.compile("/clearing/batches/[0-9a-f-]+$"))
    world.prepared(page.url.rsplit("/", 1)[1])
    for subject in subjects:
        (request,) = world.get("/clearing-requests", operator_id=subject.operator_id)["items"]
        world.assert_cleared_once(subject, request["id"])
        expect(page.locator("main").get_by_text(subject.name).first).to_be_visible()
