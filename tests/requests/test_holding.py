"""Who comes second is told which open request has the device, as far as they may see it."""

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from app.accounts.principal import SYSTEM, Role
from app.clearing import errors
from app.clearing.models import ClearingRequest
from app.clearing.states import RequestState
from app.core.db import Session
from app.requests.service import control, holding
from tests.acting import person_of
from tests.office import DUE

if TYPE_CHECKING:
    from tests.office import Office


def test_a_program_is_told_the_id_the_number_and_where_the_request_is(
    office: "Office", client: TestClient
) -> None:
    subject = office.operator()
    first = office.submit(subject)
    body = {"operator_id": str(subject.operator_id), "period": DUE, "reason": "按期清卡"}
    answer = client.post("/api/v1/clearing-requests", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "clearing.in_progress")
    with office.database.reading() as session:
        number = session.get_one(ClearingRequest, first).number
    problem = answer.json()
    assert (problem["request_id"], problem["request_number"]) == (str(first), number)
    assert answer.headers["Location"] == f"/api/v1/clearing-requests/{first}"
    assert client.get(answer.headers["Location"]).json()["number"] == number


def test_a_person_is_given_a_link_to_it(office: "Office", client: TestClient) -> None:
    subject = office.operator()
    first = office.submit(subject)
    form = {"period": DUE, "reason": "按期清卡", "key": "k" * 36}
    page = client.post(f"/clearing/operators/{subject.operator_id}", data=form)
    assert page.status_code == 409
    dialog = page.text.split("<dialog", 1)[1]
    assert f'href="/clearing/requests/{first}">打开申请 ' in dialog.split("</dialog>")[0]


def test_a_retry_that_comes_second_names_the_newer_request(office: "Office") -> None:
    subject = office.operator()
    failed = office.submit(subject)

    def end(session: Session, request: ClearingRequest) -> None:
        control.release(session, request)
        request.state = RequestState.FAILED

    office.change(failed, end)
    newer = office.submit(subject)
    with pytest.raises(errors.ClearingInProgress) as refused:
        office.change(
            failed,
            lambda session, request: control.retry(
                session, request, principal=SYSTEM, clock=office.clock
            ),
        )
    assert refused.value.extensions["request_id"] == str(newer)


def test_who_may_not_see_the_request_is_told_no_more_than_that_there_is_one(
    office: "Office",
) -> None:
    subject = office.operator()
    office.submit(subject)
    stranger = person_of(Role.OPERATOR, enterprise_ids=frozenset({uuid4()}))
    with office.database.reading() as session, pytest.raises(errors.ClearingInProgress) as refused:
        holding.require_free(session, subject.device_ids, principal=stranger)
    assert (refused.value.extensions, refused.value.headers) == ({}, {})
    with office.database.reading() as session:
        numbers = session.exec(select(ClearingRequest.number)).all()
    assert not any(number in refused.value.detail for number in numbers)
