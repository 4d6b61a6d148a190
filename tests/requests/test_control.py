"""Execute, retry, cancel, confirm: from which state, by whom, and once however many try."""

from collections import Counter
from collections.abc import Callable, Iterator
from threading import Barrier, Thread
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from sqlmodel import select

from app.accounts.principal import SYSTEM, Principal, Role
from app.audit.actions import AuditAction
from app.audit.models import AuditRecord
from app.clearing import errors, queries
from app.clearing.models import ClearingRequest
from app.clearing.states import (
    EXECUTABLE_STATES,
    RETRYABLE_STATES,
    TRANSITIONS,
    RequestState,
    StageState,
    TargetState,
)
from app.core.db import Database, Session
from app.errors import Forbidden, NotFound, QingkaError
from app.operators.models import Attention, Operator
from app.requests import dispatch
from app.requests.service import control
from app.settings import Settings

if TYPE_CHECKING:
    from tests.office import MovableClock, Office

Person = Callable[..., Principal]
Change = Callable[[Session, ClearingRequest], object]
Starts = list[tuple[UUID, int]]
MakeOffice = Callable[[Database, Settings, "MovableClock"], "Office"]


@pytest.fixture
def starts() -> Iterator[Starts]:
    """The attempts that are handed over to be run."""
    handed: Starts = []
    hooks = dispatch.Hooks(
        start=lambda found, attempt: handed.append((found, attempt)), look=lambda: None
    )
    dispatch.install(hooks)
    yield handed
    dispatch.uninstall()


@pytest.fixture
def request_id(office: "Office") -> UUID:
    """A submitted request."""
    return office.submit(office.operator())


def _retry(office: "Office", principal: Principal = SYSTEM) -> Change:
    return lambda session, request: control.retry(
        session, request, principal=principal, clock=office.clock
    )


def _cancel(office: "Office", principal: Principal = SYSTEM) -> Change:
    return lambda session, request: control.cancel(
        session, request, principal=principal, clock=office.clock
    )


def _confirm(office: "Office", principal: Principal = SYSTEM) -> Change:
    return lambda session, request: control.confirm(
        session, request, principal=principal, clock=office.clock
    )


@pytest.mark.parametrize("state", RequestState)
def test_execute_only_what_waits_to_run(
    office: "Office", request_id: UUID, state: RequestState
) -> None:
    office.put(request_id, state)
    if state in EXECUTABLE_STATES:
        office.execute(request_id)
        assert office.state(request_id) is RequestState.RUNNING
        return
    with pytest.raises(errors.RequestState):
        office.execute(request_id)
    assert office.state(request_id) is state


@pytest.mark.parametrize("state", RequestState)
def test_retry_only_what_failed_or_is_not_known(
    office: "Office", request_id: UUID, state: RequestState
) -> None:
    office.put(request_id, state)
    if state in RETRYABLE_STATES:
        office.change(request_id, _retry(office))
        assert office.state(request_id) is RequestState.RUNNING
        return
    with pytest.raises(errors.RequestState):
        office.change(request_id, _retry(office))
    assert office.state(request_id) is state


@pytest.mark.parametrize("state", RequestState)
def test_cancel_only_before_it_runs(
    office: "Office", request_id: UUID, state: RequestState
) -> None:
    office.put(request_id, state)
    if RequestState.CANCELLED in TRANSITIONS[state]:
        office.change(request_id, _cancel(office))
        assert office.state(request_id) is RequestState.CANCELLED
        with office.database.reading() as session:
            assert not any(target.open for target in queries.targets(session, request_id))
        return
    with pytest.raises(errors.RequestState):
        office.change(request_id, _cancel(office))


def test_an_execution_is_an_attempt_with_all_stages_ahead(
    office: "Office", request_id: UUID, person: Person
) -> None:
    admin = person(Role.ADMIN)
    office.execute(request_id, principal=admin)
    with office.database.reading() as session:
        request = queries.request(session, request_id)
        assert (request.attempt, request.progress, request.started_at) == (1, 0, office.clock())
        assert (request.executed_by, request.executed_by_name) == (str(admin.id), "admin")
        assert {s.state for s in queries.stages(session, request_id)} == {StageState.WAITING}
        operator = session.get_one(Operator, request.operator_id)
        assert operator.attention is Attention.RUNNING


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.REVIEWER, Role.AUDITOR])
def test_who_may_not_execute_needs_a_review(
    office: "Office", request_id: UUID, person: Person, role: Role
) -> None:
    with pytest.raises(errors.ReviewRequired):
        office.execute(request_id, principal=person(role))
    assert office.state(request_id) is RequestState.SUBMITTED


def test_an_exceptional_request_is_reviewed_first(office: "Office", person: Person) -> None:
    request_id = office.submit(office.operator(), exceptional=True)
    with pytest.raises(errors.ReviewRequired):
        office.execute(request_id, principal=person(Role.ADMIN))
    assert office.state(request_id) is RequestState.SUBMITTED


def test_the_peak_hours_need_an_override(
    office: "Office", settings: Settings, person: Person
) -> None:
    office.settings = settings.model_copy(update={"peak_window": "09:00-11:30"})
    plain = office.submit(office.operator())
    with pytest.raises(errors.PeakWindow):
        office.execute(plain)
    anyway = office.submit(office.operator(), override_window=True)
    office.execute(anyway)
    assert office.state(anyway) is RequestState.RUNNING
    office.clock.move(hours=2)
    office.execute(plain)
    assert office.state(plain) is RequestState.RUNNING


def test_a_retry_takes_the_devices_again_but_not_those_that_are_done(office: "Office") -> None:
    subject = office.operator(machines=(0, 1))
    request_id = office.submit(subject)

    def end(session: Session, request: ClearingRequest) -> None:
        control.release(session, request)
        request.state = RequestState.FAILED
        queries.targets(session, request.id)[0].state = TargetState.SUCCEEDED

    office.change(request_id, end)
    office.change(request_id, _retry(office))
    with office.database.reading() as session:
        assert [t.open for t in queries.targets(session, request_id)] == [False, True]
        assert queries.request(session, request_id).attempt == 1


def test_a_retry_gives_way_to_a_newer_request(office: "Office") -> None:
    subject = office.operator()
    failed = office.submit(subject)

    def end(session: Session, request: ClearingRequest) -> None:
        control.release(session, request)
        request.state = RequestState.FAILED

    office.change(failed, end)
    office.submit(subject)
    with pytest.raises(errors.ClearingInProgress):
        office.change(failed, _retry(office))
    assert office.state(failed) is RequestState.FAILED


def test_the_requester_or_an_admin_confirms(office: "Office", person: Person) -> None:
    requester, other, admin = person(Role.OPERATOR), person(Role.OPERATOR), person(Role.ADMIN)
    mine, theirs = (
        office.submit(office.operator(), principal=requester),
        office.submit(office.operator(), principal=requester),
    )
    for request_id in (mine, theirs):
        office.put(request_id, RequestState.SUCCEEDED)
    with pytest.raises(Forbidden):
        office.change(mine, _confirm(office, other))
    office.change(mine, _confirm(office, requester))
    office.change(theirs, _confirm(office, admin))
    assert {office.state(mine), office.state(theirs)} == {RequestState.CONFIRMED}


def test_a_request_of_an_enterprise_one_does_not_see_is_not_there(
    office: "Office", request_id: UUID, person: Person
) -> None:
    stranger = person(Role.ADMIN, enterprise_ids=frozenset({UUID(int=7)}))
    with office.database.transaction() as session, pytest.raises(NotFound):
        queries.request_for_change(session, request_id, stranger)


def _execute_at_once(count: int, execute: Callable[[], None]) -> Counter[str]:
    """What came of it, by code; `started` for those that went through."""
    outcomes: Counter[str] = Counter()

    def attempt() -> None:
        try:
            execute()
            outcomes["started"] += 1
        except QingkaError as error:
            outcomes[error.code] += 1

    threads = [Thread(target=attempt) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_twenty_executes_at_once_are_one(any_office: "Office", starts: Starts) -> None:
    request_id = any_office.submit(any_office.operator())
    barrier = Barrier(20)

    def execute() -> None:
        barrier.wait()
        any_office.execute(request_id)

    outcomes = _execute_at_once(20, execute)
    assert outcomes == {"started": 1, "request.state": 19}
    assert starts == [(request_id, 1)]
    with any_office.database.reading() as session:
        executed = select(AuditRecord).where(AuditRecord.action == AuditAction.CLEARING_EXECUTED)
        assert len(session.exec(executed).all()) == 1


def test_what_was_seen_before_the_lock_was_had_does_not_count(
    postgres_url: str, settings: Settings, clock: "MovableClock", make_office: MakeOffice
) -> None:
    """Where several may read at once: all see the request before the first one changes it."""
    database = Database(postgres_url)
    office = make_office(database, settings, clock)
    request_id = office.submit(office.operator())
    barrier = Barrier(5)

    def execute() -> None:
        with database.transaction() as session:
            seen = queries.visible_request(session, request_id, SYSTEM)
            barrier.wait()
            request = queries.request_for_change(session, request_id, SYSTEM)
            assert request is seen
            control.execute(session, request, principal=SYSTEM, settings=settings, clock=clock)

    outcomes = _execute_at_once(5, execute)
    database.dispose()
    assert outcomes == {"started": 1, "request.state": 4}


def test_nothing_is_started_when_the_transaction_fails(
    office: "Office", request_id: UUID, clock: "MovableClock", starts: Starts
) -> None:

    def change(session: Session, request: ClearingRequest) -> None:
        control.execute(session, request, principal=SYSTEM, settings=office.settings, clock=clock)
        raise LookupError("the disk is full")

    with pytest.raises(LookupError):
        office.change(request_id, change)
    assert starts == []
    assert office.state(request_id) is RequestState.SUBMITTED
