"""Where the page of a request leads on to when it has ended."""

import re
from typing import TYPE_CHECKING
from uuid import UUID

from fastapi import FastAPI
from starlette.testclient import TestClient

from app.accounts.principal import SYSTEM, Role
from app.clearing.outcomes import Failure
from app.clearing.states import Stage
from app.devices.models import Device
from app.enterprises import service as enterprises_service
from app.enterprises.schemas import EnterpriseCreate
from app.operators import service as operators_service
from app.operators.models import Operator
from app.operators.schemas import OperatorCreate
from app.requests.service import outcome, progress
from tests.acting import person_of
from tests.requests.test_outcome_words import ORDINARY, SPECIAL, _end, _type

if TYPE_CHECKING:
    from tests.office import Office, Subject


def _fail(office: "Office", subject: "Subject", failure: Failure) -> str:
    request_id = office.submit(subject)
    office.execute(request_id)
    office.change(
        request_id,
        lambda session, request: outcome.fail(session, request, failure, {}, clock=office.clock),
    )
    return f"/clearing/requests/{request_id}"


def _next(html: str) -> tuple[str, str] | None:
    found = re.search(r'href="([^"]+)">(下一位待清卡[^<]*)<', html)
    return (found.group(1), found.group(2)) if found else None


def test_a_success_leads_to_its_certificate_and_to_whoever_is_next(
    app: FastAPI, client: TestClient, office: "Office"
) -> None:
    subjects = [office.operator(), office.operator()]
    elsewhere = _elsewhere(office)
    path = f"/clearing/requests/{_end(office, _type(SPECIAL), _type(ORDINARY)).request_id}"
    page = client.get(path).text
    assert re.search(r'href="/api/v1/clearing-records/[^"]+/certificate">.*?清卡凭证', page)
    ids = {str(one.operator_id) for one in subjects} | {str(elsewhere)}
    for others, limits in ((3, None), (2, frozenset({office.enterprise_id}))):
        app.state.principal = person_of(Role.OPERATOR, enterprise_ids=limits)
        listed = re.findall(
            r'class="name" href="/clearing/operators/([0-9a-f-]{36})"',
            client.get("/clearing?state=due").text,
        )
        first = next(one for one in listed if one in ids)
        found = _next(client.get(path).text)
        assert found is not None
        assert found[0] == f"/clearing/operators/{first}"
        assert f"（{others}）" in found[1]
    app.state.principal = person_of(Role.AUDITOR)
    assert _next(client.get(path).text) is None


def _elsewhere(office: "Office") -> UUID:
    """An operator of another enterprise, who is due as well."""
    with office.database.transaction() as session:
        data = EnterpriseCreate.model_validate(
            {"tax_no": "91320118MA20LU6N3P", "name": "别家公司", "filing_cycle": "monthly"}
        )
        other = enterprises_service.create_enterprise(
            session, data=data, principal=SYSTEM, at=office.clock()
        )
        new = OperatorCreate(code="KP9001", name="别家操作员", enterprise_id=other.id)
        made = operators_service.create_operator(
            session, data=new, principal=SYSTEM, at=office.clock()
        )
        return made.id


def test_a_failure_links_to_what_its_words_name_and_says_its_message_once_above_the_log(
    client: TestClient, office: "Office"
) -> None:
    main, sub = office.operator(), office.operator()
    with office.database.reading() as session:
        device = session.get_one(Device, sub.device_ids[0])
        number, holder = device.number, session.get_one(Operator, device.operator_id)
    message = f"分机 {number} 尚未抄报"
    page = client.get(
        _fail(office, main, Failure("clearing.sub_machines_first", message, "先清分机"))
    ).text
    assert f'href="/devices/{sub.device_ids[0]}">设备 {number}' in page
    assert f'href="/clearing/operators/{holder.id}">操作员 {holder.name}' in page
    assert page.count(message) == 2  # the head of the page, and the log
    assert _next(page) is not None


def test_a_running_stage_says_what_is_being_done(client: TestClient, office: "Office") -> None:
    request_id = office.submit(office.operator())
    office.execute(request_id)
    office.change(
        request_id,
        lambda session, request: progress.begin_stage(
            session, request, Stage.INIT, "正在检查设备", office.clock()
        ),
    )
    page = client.get(f"/clearing/requests/{request_id}").text
    stage = page[page.index('data-stage="init"') :].partition("</li>")[0]
    assert "<small>正在检查设备</small>" in stage
