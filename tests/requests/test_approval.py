"""Trying again within an approval: by whom, after which failures, and what has to be decided anew."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from sqlmodel import select

from app.accounts.principal import Principal, Role
from app.audit.actions import AuditAction
from app.audit.models import AuditRecord
from app.clearing import errors, queries
from app.clearing.errors import RetryNeedsDecision
from app.clearing.outcomes import Failure
from app.clearing.states import ChecklistItem, RequestState
from app.contracts.faults import FAULTS, is_transient
from app.core.ids import new_id
from app.enterprises.models import Enterprise
from app.errors import Forbidden, NotFound
from app.requests import dispatch
from app.requests.pages.request_data import build
from app.requests.service import approval, attachments, outcome

if TYPE_CHECKING:
    from tests.office import Office

Person = Callable[..., Principal]


@pytest.fixture(autouse=True)
def _nothing_runs() -> Iterator[None]:
    dispatch.install(dispatch.Hooks(start=lambda found, attempt: None, look=lambda: None))
    yield
    dispatch.uninstall()


@pytest.fixture
def clerk(person: Person) -> Principal:
    return person(Role.OPERATOR)


def _failed(office: "Office", clerk: Principal, code: str, **changes: object) -> UUID:
    """A request that was approved and failed with this code."""
    request_id = office.submit(office.operator(), principal=clerk, **changes)
    office.put(request_id, RequestState.RUNNING)
    kind = FAULTS.get(code)
    failure = Failure(code, "失败", kind.remedy if kind else "处理后重试。")
    office.change(
        request_id,
        lambda session, request: outcome.fail(session, request, failure, {}, clock=office.clock),
    )
    return request_id


def _retry(office: "Office", request_id: UUID, by: Principal, *accepted: str) -> None:
    with office.database.transaction() as session:
        request = queries.request_for_change(session, request_id, by)
        approval.retry(
            session,
            request,
            principal=by,
            accepted_warnings=list(accepted),
            clock=office.clock,
        )


def _review_off(office: "Office") -> None:
    with office.database.transaction() as session:
        session.get_one(Enterprise, office.enterprise_id).review_required = False


@pytest.mark.parametrize(
    "code", ["bureau.unreachable", "device.disconnected", "internal", "bureau.not_filed"]
)
def test_a_clerk_tries_an_approved_request_again_without_a_second_review(
    office: "Office", clerk: Principal, code: str
) -> None:
    request_id = _failed(office, clerk, code)
    _retry(office, request_id, clerk)
    assert office.state(request_id) is RequestState.RUNNING
    with office.database.reading() as session:
        retried = session.exec(
            select(AuditRecord).where(AuditRecord.action == AuditAction.CLEARING_RETRIED)
        ).one()
        assert retried.actor_id == str(clerk.id)


@pytest.mark.parametrize("code", ["bureau.mismatch", "clearing.warnings", "device.several_periods"])
def test_what_was_not_known_when_it_was_approved_is_decided_anew(
    office: "Office", clerk: Principal, person: Person, code: str
) -> None:
    request_id = _failed(office, clerk, code)
    with pytest.raises(RetryNeedsDecision):
        _retry(office, request_id, clerk)
    _retry(office, request_id, person(Role.ADMIN))
    assert office.state(request_id) is RequestState.RUNNING


def test_a_clerk_accepts_no_further_warning_of_an_approved_request(
    office: "Office", clerk: Principal
) -> None:
    request_id = _failed(office, clerk, "bureau.unreachable")
    with pytest.raises(RetryNeedsDecision):
        _retry(office, request_id, clerk, "device.clock")


def test_where_no_review_is_needed_a_clerk_decides_about_every_retry(
    office: "Office", clerk: Principal
) -> None:
    request_id = _failed(office, clerk, "clearing.warnings")
    _review_off(office)
    _retry(office, request_id, clerk, "device.clock")
    assert office.state(request_id) is RequestState.RUNNING


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.AUDITOR])
def test_who_may_not_submit_does_not_try_again(
    office: "Office", clerk: Principal, person: Person, role: Role
) -> None:
    request_id = _failed(office, clerk, "bureau.unreachable")
    with pytest.raises(Forbidden):
        _retry(office, request_id, person(role))
    assert office.state(request_id) is RequestState.FAILED


def test_of_another_enterprise_there_is_nothing_to_try_again(
    office: "Office", clerk: Principal, person: Person
) -> None:
    request_id = _failed(office, clerk, "bureau.unreachable")
    with pytest.raises(NotFound):
        _retry(office, request_id, person(Role.OPERATOR, enterprise_ids=frozenset({new_id()})))


def test_what_is_transient_comes_from_the_catalogue() -> None:
    assert all(is_transient(code) is kind.retryable for code, kind in FAULTS.items())
    assert is_transient("internal")
    assert not is_transient("clearing.warnings")


@pytest.mark.parametrize(
    ("role", "code", "button", "says"),
    [
        (Role.OPERATOR, "bureau.unreachable", True, ""),
        (Role.REVIEWER, "bureau.unreachable", False, "requester"),
        (Role.OPERATOR, "bureau.mismatch", False, "admin"),
        (Role.ADMIN, "bureau.mismatch", True, ""),
    ],
)
def test_the_page_offers_the_retry_to_who_may_and_tells_the_others_who_may(
    office: "Office",
    clerk: Principal,
    person: Person,
    role: Role,
    code: str,
    button: bool,
    says: str,
) -> None:
    request_id = _failed(office, clerk, code)
    with office.database.reading() as session:
        page = build(session, request_id, person(role), office.clock)
    assert (page.actions.retry, page.retry_by) == (button, says)


# -- 异常清卡 ------------------------------------------------------------------------------------------


def test_an_incomplete_checklist_is_completed_by_who_asked_while_it_waits(
    office: "Office", clerk: Principal, person: Person
) -> None:
    request_id = office.submit(
        office.operator(), principal=clerk, exceptional=True, checklist=["licence"]
    )

    def tick(by: Principal) -> None:
        office.change(
            request_id,
            lambda session, request: attachments.tick(
                session, request, set(ChecklistItem), principal=by, clock=office.clock
            ),
        )

    with pytest.raises(Forbidden):
        tick(person(Role.OPERATOR))
    tick(clerk)
    tick(clerk)
    with office.database.reading() as session:
        assert set(queries.request(session, request_id).checklist) == set(ChecklistItem)
        changed = select(AuditRecord).where(
            AuditRecord.action == AuditAction.CLEARING_CHECKLIST_CHANGED
        )
        assert len(session.exec(changed).all()) == 1, "the same ticks again change nothing"
    office.put(request_id, RequestState.APPROVED)
    with pytest.raises(errors.RequestState):
        tick(clerk)


def test_a_mismatch_of_an_exceptional_request_does_not_advise_to_make_one(
    office: "Office", clerk: Principal
) -> None:
    plain = _failed(office, clerk, "bureau.mismatch")
    exceptional = _failed(office, clerk, "bureau.mismatch", exceptional=True)
    with office.database.reading() as session:
        assert "异常清卡" in str(queries.request(session, plain).error_remedy)
        assert "异常清卡" not in str(queries.request(session, exceptional).error_remedy)
        assert build(session, plain, clerk, office.clock).actions.ask_exception
        assert not build(session, exceptional, clerk, office.clock).actions.ask_exception
