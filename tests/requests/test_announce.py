"""What becomes of a request is told: one event a change, in its transaction, with the facts."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from sqlmodel import col, select

from app.accounts.principal import SYSTEM, Principal, Role
from app.clearing import errors
from app.clearing.outcomes import Failure
from app.clearing.schemas import RequestCreate
from app.core.db import Database
from app.enterprises.models import Enterprise
from app.notifications.kinds import EventKind
from app.notifications.models import Event
from app.notifications.texts import message_of
from app.requests.reminders import WAITS, remind_of_reviews
from app.requests.run import stage_done
from app.requests.service import control, outcome, review, submit

if TYPE_CHECKING:
    from tests.office import Office

DUE = "2026-10"
Person = Callable[..., Principal]
FAILURE = Failure("bureau.not_filed", "税务端未申报", "先完成申报", "-101", "未申报")


def _events(database: Database) -> list[Event]:
    with database.reading() as session:
        return list(session.exec(select(Event).order_by(col(Event.at), col(Event.id))))


def _kinds(database: Database) -> list[str]:
    return sorted(event.kind.value for event in _events(database))


def test_a_success_tells_the_lock_dates(any_office: "Office") -> None:
    request_id = any_office.submit(any_office.operator(machines=(0, 1)))
    any_office.execute(request_id)
    any_office.clear_on_device(request_id)
    any_office.change(
        request_id,
        lambda session, request: outcome.succeed(
            session, request, stage_done.evidence_of(session, request), clock=any_office.clock
        ),
    )
    assert _kinds(any_office.database) == [
        "clearing.started",
        "clearing.submitted",
        "clearing.succeeded",
    ]
    (event,) = [
        one for one in _events(any_office.database) if one.kind is EventKind.CLEARING_SUCCEEDED
    ]
    assert event.object_id == str(request_id)
    assert event.data["lock_date_before"] == "2026-11-16"
    assert event.data["lock_date_after"] == "2026-12-15"
    assert len(event.data["devices"]) == 2
    words = message_of(
        event.kind, object_type=event.object_type, object_id=event.object_id, data=event.data
    )
    assert words.title.startswith("清卡成功：")
    assert "清卡后锁死日期：2026-12-15" in words.text
    assert words.link == f"/clearing/requests/{request_id}"


def test_a_failure_tells_code_and_remedy(any_office: "Office") -> None:
    request_id = any_office.submit(any_office.operator())
    any_office.execute(request_id)
    any_office.change(
        request_id,
        lambda session, request: outcome.fail(
            session, request, FAILURE, {}, clock=any_office.clock
        ),
    )
    (event,) = [
        one for one in _events(any_office.database) if one.kind is EventKind.CLEARING_FAILED
    ]
    told = {name: event.data[name] for name in ("code", "message", "remedy", "device_message")}
    assert told == {
        "code": "bureau.not_filed",
        "message": "税务端未申报",
        "remedy": "先完成申报",
        "device_message": "未申报",
    }


def test_a_backup_that_failed_is_told_by_itself_too(office: "Office") -> None:
    request_id = office.submit(office.operator())
    office.execute(request_id)
    failure = Failure("backup.disk_full", "磁盘已满", "清理磁盘")
    office.change(
        request_id,
        lambda session, request: outcome.fail(session, request, failure, {}, clock=office.clock),
    )
    assert {"backup.failed", "clearing.failed"} <= set(_kinds(office.database))


def test_an_unknown_outcome_is_told_once(office: "Office") -> None:
    request_id = office.submit(office.operator())
    office.execute(request_id)
    for _ in range(2):
        office.change(
            request_id,
            lambda session, request: outcome.need_attention(
                session, request, FAILURE, clock=office.clock
            ),
        )
    assert _kinds(office.database).count("clearing.needs_attention") == 1


@pytest.mark.parametrize("approves", [True, False])
def test_a_review_is_told_with_its_comment(
    office: "Office", person: Person, approves: bool
) -> None:
    request_id = office.submit(office.operator(), principal=person(Role.OPERATOR))
    reviewer = person(Role.REVIEWER)
    if approves:
        office.change(
            request_id,
            lambda session, request: review.approve(
                session,
                request,
                principal=reviewer,
                comment="资料齐全",
                settings=office.settings,
                clock=office.clock,
            ),
        )
    else:
        office.change(
            request_id,
            lambda session, request: review.reject(
                session, request, principal=reviewer, comment="资料齐全", clock=office.clock
            ),
        )
    kind = EventKind.CLEARING_APPROVED if approves else EventKind.CLEARING_REJECTED
    (event,) = [one for one in _events(office.database) if one.kind is kind]
    assert event.data["comment"] == "资料齐全"
    assert event.data["reviewed_by"] == reviewer.display_name


def test_what_is_refused_is_not_told(office: "Office", person: Person) -> None:
    own = person(Role.REVIEWER)
    request_id = office.submit(office.operator(), principal=own)
    before = _kinds(office.database)
    with pytest.raises(errors.OwnRequest):
        office.change(
            request_id,
            lambda session, request: review.reject(
                session, request, principal=own, comment="", clock=office.clock
            ),
        )
    assert _kinds(office.database) == before


def test_unreviewed_requests_are_reminded_of_once_a_day(any_office: "Office") -> None:
    waiting: UUID = any_office.submit(any_office.operator())
    cancelled = any_office.submit(any_office.operator())
    any_office.change(
        cancelled,
        lambda session, request: control.cancel(
            session, request, principal=SYSTEM, clock=any_office.clock
        ),
    )
    told = []
    for _ in range(3):
        now = any_office.clock()
        told.append(remind_of_reviews(any_office.database, now))
        told.append(remind_of_reviews(any_office.database, now))
        any_office.clock.move(days=1)
    assert told == [0, 0, 1, 0, 1, 0]
    assert timedelta(0) < WAITS < timedelta(days=1)
    events = [
        one for one in _events(any_office.database) if one.kind is EventKind.CLEARING_REVIEW_WAITING
    ]
    assert {event.object_id for event in events} == {str(waiting)}


@pytest.mark.parametrize(
    ("asked", "direct", "required", "awaits"),
    [
        ({}, False, True, True),
        ({}, False, False, False),
        ({}, True, True, False),
        ({"exceptional": True}, True, False, True),
    ],
)
def test_a_submission_says_whether_somebody_has_to_review_it(
    office: "Office", asked: dict[str, bool], direct: bool, required: bool, awaits: bool
) -> None:
    with office.database.transaction() as session:
        session.get_one(Enterprise, office.enterprise_id).review_required = required
    wanted = {"period": DUE, "reason": "按期清卡", "operator_id": office.operator().operator_id}
    with office.database.transaction() as session:
        submit.submit_request(
            session,
            principal=SYSTEM,
            clock=office.clock,
            data=RequestCreate.model_validate(wanted | asked),
            direct=direct,
        )
    (event,) = _events(office.database)
    assert event.data["awaits_review"] is awaits


def test_reviewers_hear_of_a_batch_only_where_they_have_to_review_it(
    office: "Office", person: Person
) -> None:
    for role in (Role.ADMIN, Role.OPERATOR):
        office.open_batch(office.operator(), principal=person(role))
        office.carry_out()
    submitted = [e for e in _events(office.database) if e.kind is EventKind.CLEARING_SUBMITTED]
    assert [event.data["awaits_review"] for event in submitted] == [False, True]
