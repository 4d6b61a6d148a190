"""Duties are apart by person: nobody reviews what they asked for, through keys or after a hand-over either."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from sqlmodel import select

from app.accounts import service as accounts_service
from app.accounts.principal import ROLE_PERMISSIONS, SYSTEM, Permission, Principal, Role
from app.accounts.service import AccountDraft
from app.audit.models import AuditRecord
from app.clearing import errors, queries
from app.clearing.models import ClearingRequest
from app.clearing.states import RequestState
from app.core.db import Session
from app.requests.pages.request_data import build
from app.requests.service import control, handover, review
from tests.acting import key_of, person_of

if TYPE_CHECKING:
    from tests.office import Office

Person = Callable[..., Principal]


def _key_of(maker: Principal, *, answered_by: UUID | None = None) -> Principal:
    return key_of(
        *Permission, name="ERP", maker_id=maker.id, responsible_id=answered_by or maker.id
    )


def _approve(office: "Office", request_id: UUID, reviewer: Principal) -> None:
    def change(session: Session, request: ClearingRequest) -> None:
        review.approve(
            session,
            request,
            principal=reviewer,
            comment="同意",
            settings=office.settings,
            clock=office.clock,
        )

    office.change(request_id, change)


def _refused(office: "Office", request_id: UUID, reviewer: Principal) -> None:
    with pytest.raises(errors.OwnRequest):
        _approve(office, request_id, reviewer)
    assert office.state(request_id) is RequestState.SUBMITTED


@pytest.mark.parametrize("exceptional", [False, True])
def test_who_asked_does_not_review_through_a_key_of_theirs(
    office: "Office", person: Person, exceptional: bool
) -> None:
    asker = person(Role.ADMIN)
    request_id = office.submit(office.operator(), principal=asker, exceptional=exceptional)
    _refused(office, request_id, _key_of(asker))
    _refused(office, request_id, _key_of(person(Role.ADMIN), answered_by=asker.id))
    _refused(office, request_id, _key_of(asker, answered_by=person(Role.ADMIN).id))


def test_who_asked_through_a_key_does_not_review_in_person(
    office: "Office", person: Person
) -> None:
    maker, other = person(Role.ADMIN), person(Role.REVIEWER)
    key = _key_of(maker)
    request_id = office.submit(office.operator(), principal=key)
    _refused(office, request_id, maker)
    _refused(office, request_id, key)
    _refused(office, request_id, _key_of(maker))
    _approve(office, request_id, other)


def test_a_hand_over_lets_nobody_review_what_they_asked_for(
    office: "Office", person: Person
) -> None:
    asker = _account(office, "asker", Role.ADMIN)
    receiver = _account(office, "receiver", Role.REVIEWER)
    subject = office.operator()
    request_id = office.submit(subject, principal=asker)
    with office.database.transaction() as session:
        handover.hand_over_enterprise(
            session,
            queries.request(session, request_id).enterprise_id,
            from_account=asker.id,
            to_account=receiver.id,
            principal=asker,
            clock=office.clock,
        )
    _refused(office, request_id, asker)
    _refused(office, request_id, receiver)
    with office.database.reading() as session:
        found = queries.request(session, request_id)
        assert (found.asked_by, found.requested_by) == (str(asker.id), str(receiver.id))
        assert (found.asked_for, found.asked_by_kind) == ([str(asker.id)], "account")
    _approve(office, request_id, person(Role.REVIEWER))


def _account(office: "Office", name: str, role: Role) -> Principal:
    draft = AccountDraft(name, frozenset({role}), password="who asked first 1")
    with office.database.transaction() as session:
        made = accounts_service.create_account(
            session, draft, by=SYSTEM, settings=office.settings, clock=office.clock
        )
        account_id = made.account.id
    return person_of(role, id=account_id, name=name, display_name=name)


def test_a_clerk_gives_up_their_own_request_and_no_other(office: "Office", person: Person) -> None:
    clerk, colleague = person(Role.OPERATOR), person(Role.OPERATOR)

    def cancel(request_id: UUID, who: Principal) -> None:
        office.change(
            request_id,
            lambda session, request: control.cancel(
                session, request, principal=who, clock=office.clock
            ),
        )

    request_id = office.submit(office.operator(), principal=clerk)
    for stranger in (colleague, person(Role.AUDITOR)):
        with pytest.raises(errors.NotOwn):
            cancel(request_id, stranger)
    cancel(request_id, clerk)
    assert office.state(request_id) is RequestState.CANCELLED
    for who in (
        replace(_key_of(clerk), permissions=ROLE_PERMISSIONS[Role.OPERATOR]),
        person(Role.REVIEWER),
        person(Role.ADMIN),
    ):
        request_id = office.submit(office.operator(), principal=clerk)
        cancel(request_id, who)
        assert office.state(request_id) is RequestState.CANCELLED


def test_the_page_and_the_trail_say_who_first_asked(office: "Office", person: Person) -> None:
    maker, reader = person(Role.ADMIN), person(Role.ADMIN)
    request_id = office.submit(office.operator(), principal=_key_of(maker))
    with office.database.transaction() as session:
        assert build(session, request_id, reader, office.clock).requested_by == "ERP（密钥）"
        found = queries.request(session, request_id)
        found.requested_by, found.requested_by_name = str(reader.id), "钱会计"
        session.add(found)
        shown = build(session, request_id, reader, office.clock).requested_by
        assert shown == "钱会计（移交前由 ERP（密钥） 提交）"
        wanted = select(AuditRecord.details).where(AuditRecord.action == "clearing.submitted")
        assert str(maker.id) in session.exec(wanted).one()
