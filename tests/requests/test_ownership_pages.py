"""移交 and 注销 on the pages of devices, operators and enterprises: a dialog, what moves, what is refused."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlmodel import select
from starlette.testclient import TestClient

from app.accounts.models import Account, AccountEnterprise
from app.accounts.principal import Principal, PrincipalKind, Role
from app.audit.models import AuditRecord
from app.clearing import queries
from app.clearing.states import RequestState
from app.contracts.devices import DeviceReading
from app.devices import service as devices_service
from app.devices.models import Device, DeviceState
from app.operators.models import Operator

if TYPE_CHECKING:
    from tests.office import Office, Subject


@pytest.fixture
def app(app: FastAPI) -> FastAPI:
    """By key: nobody who could be asked for a password."""
    app.state.principal = replace(app.state.principal, kind=PrincipalKind.API_KEY)
    return app


def _code(office: "Office", subject: "Subject") -> str:
    with office.database.reading() as session:
        return session.get_one(Operator, subject.operator_id).code


def _device(office: "Office", subject: "Subject") -> Device:
    with office.database.reading() as session:
        return session.get_one(Device, subject.device_ids[0])


def _holder(office: "Office", request_id: UUID) -> UUID:
    with office.database.reading() as session:
        return queries.request(session, request_id).operator_id


def _open_dialog(page: str) -> str:
    found = re.search(r"<dialog[^>]* open>.*?</dialog>", page, re.DOTALL)
    assert found is not None
    return found.group()


def test_a_device_is_handed_over_with_its_request(office: "Office", client: TestClient) -> None:
    giver, receiver = office.operator(), office.operator()
    request_id = office.submit(giver)
    url = f"/devices/{giver.device_ids[0]}"
    assert "未完成的清卡申请一并移交" in _open_dialog(
        client.get(url, params={"confirm": "handover"}).text
    )
    done = client.post(f"{url}/hand-over", data={"operator_code": _code(office, receiver)})
    assert (done.status_code, done.headers["location"]) == (303, url)
    assert _device(office, giver).operator_id == receiver.operator_id
    assert _holder(office, request_id) == receiver.operator_id


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("KP9999", "没有这个工号的操作员"),
        ("", "没有这个工号的操作员"),
        ("KP0001", "已由该操作员持有"),
    ],
)
def test_who_cannot_receive_a_device_is_said(
    office: "Office", client: TestClient, code: str, said: str
) -> None:
    giver = office.operator()
    answer = client.post(f"/devices/{giver.device_ids[0]}/hand-over", data={"operator_code": code})
    assert answer.status_code == 422
    assert said in _open_dialog(answer.text)
    assert _device(office, giver).operator_id == giver.operator_id


def test_what_is_being_cleared_is_not_handed_over(office: "Office", client: TestClient) -> None:
    giver, receiver = office.operator(), office.operator()
    office.execute(office.submit(giver))
    data = {"operator_code": _code(office, receiver)}
    answer = client.post(f"/devices/{giver.device_ids[0]}/hand-over", data=data)
    assert answer.status_code == 409
    assert "正在执行，结束后再移交" in _open_dialog(answer.text)
    whole = client.post(
        f"/settings/operators/{giver.operator_id}/hand-over",
        data={"receiver_code": data["operator_code"]},
    )
    assert whole.status_code == 409
    assert "正在执行，结束后再移交" in _open_dialog(whole.text)
    assert _device(office, giver).operator_id == giver.operator_id


def test_a_device_is_retired_only_once_it_is_cleared(
    office: "Office", client: TestClient, reading: Callable[..., DeviceReading]
) -> None:
    subject = office.operator()
    url = f"/devices/{subject.device_ids[0]}"
    assert "注销后不能恢复" in _open_dialog(client.get(url, params={"confirm": "retire"}).text)
    refused = client.post(f"{url}/retire")
    assert refused.status_code == 409
    assert "尚未抄报清卡" in _open_dialog(refused.text)
    device = _device(office, subject)
    with office.database.transaction() as session:
        cleared = reading(device.number, monitor=_CLEARED)
        row = session.get_one(Device, device.id)
        devices_service.store_reading(session, row, cleared, at=office.clock())
    assert client.post(f"{url}/retire").status_code == 303
    assert _device(office, subject).state is DeviceState.RETIRED
    page = client.get(url).text
    assert "retire-dialog" not in page
    assert "handover-dialog" not in page


_CLEARED = {"lock_date": "2026-12-15", "last_reported_at": "2026-11-09T09:00:00"}


def test_all_devices_of_an_operator_are_handed_over(office: "Office", client: TestClient) -> None:
    giver, receiver = office.operator(machines=(0, 1)), office.operator()
    url = f"/settings/operators/{giver.operator_id}"
    assert "全部 2 台设备" in _open_dialog(client.get(url, params={"confirm": "1"}).text)
    done = client.post(f"{url}/hand-over", data={"receiver_code": _code(office, receiver)})
    assert (done.status_code, done.headers["location"]) == (303, url)
    with office.database.reading() as session:
        held = {session.get_one(Device, one).operator_id for one in giver.device_ids}
    assert held == {receiver.operator_id}
    assert "移交设备" not in client.get(url).text, "nothing is left to hand over"


@pytest.mark.parametrize(
    ("code", "said"), [("KP0001", "不能移交给本人"), ("nobody", "没有这个工号的操作员")]
)
def test_an_operators_devices_need_a_receiver(
    office: "Office", client: TestClient, code: str, said: str
) -> None:
    giver = office.operator()
    answer = client.post(
        f"/settings/operators/{giver.operator_id}/hand-over", data={"receiver_code": code}
    )
    assert answer.status_code == 422
    dialog = _open_dialog(answer.text)
    assert said in dialog
    assert f'value="{code}"' in dialog


def test_an_enterprise_goes_from_one_accountant_to_another(
    office: "Office", client: TestClient
) -> None:
    giver, receiver = _accountant(office, "zhao"), _accountant(office, "qian")
    with office.database.transaction() as session:
        session.add(AccountEnterprise(account_id=giver, enterprise_id=office.enterprise_id))
    request_id = office.submit(office.operator())
    office.change(request_id, lambda _, request: setattr(request, "requested_by", str(giver)))
    url = f"/settings/enterprises/{office.enterprise_id}"
    assert "其未完成的申请改由接收账号负责" in _open_dialog(
        client.get(url, params={"confirm": "1"}).text
    )
    wrong = client.post(f"{url}/hand-over", data={"from_account": "zhao", "to_account": "sun"})
    assert wrong.status_code == 422
    assert "没有这个用户名的账号" in _open_dialog(wrong.text)
    done = client.post(f"{url}/hand-over", data={"from_account": "zhao", "to_account": "qian"})
    assert (done.status_code, done.headers["location"]) == (303, url)
    with office.database.reading() as session:
        links = session.exec(select(AccountEnterprise.account_id)).all()
        actions = {one.action for one in session.exec(select(AuditRecord))}
        assert queries.request(session, request_id).requested_by == str(receiver)
    assert links == [receiver]
    assert {"enterprise.handed_over", "clearing.handed_over"} <= actions
    assert office.state(request_id) is RequestState.SUBMITTED


def _accountant(office: "Office", name: str) -> UUID:
    with office.database.transaction() as session:
        account = Account(
            name=name,
            display_name=name,
            password_hash="-",
            password_changed_at=office.clock(),
            all_enterprises=False,
            created_at=office.clock(),
        )
        session.add(account)
        session.flush()
        return account.id


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.REVIEWER, Role.AUDITOR])
def test_who_may_not_change_is_shown_no_dialog(
    app: FastAPI,
    office: "Office",
    client: TestClient,
    person: Callable[..., Principal],
    role: Role,
) -> None:
    subject = office.operator()
    app.state.principal = person(role)
    for url in (
        f"/devices/{subject.device_ids[0]}",
        f"/settings/operators/{subject.operator_id}",
        f"/settings/enterprises/{office.enterprise_id}",
    ):
        page = client.get(url, params={"confirm": "1"})
        assert page.status_code == 200
        assert "<dialog" not in page.text
        assert client.post(f"{url}/hand-over", data={}).status_code == 403


@pytest.mark.parametrize("of", ["operators", "enterprises"])
def test_a_person_hands_over_only_with_the_password(
    office: "Office", app: FastAPI, client: TestClient, of: str
) -> None:
    app.state.principal = replace(app.state.principal, kind=PrincipalKind.ACCOUNT)
    subject = office.operator()
    which = subject.operator_id if of == "operators" else office.enterprise_id
    data = {"receiver_code": "x", "from_account": "zhao", "to_account": "qian"}
    answer = client.post(f"/settings/{of}/{which}/hand-over", data=data)
    assert answer.status_code == 422
    assert "请输入密码" in _open_dialog(answer.text)


def test_a_person_hands_a_device_over_only_with_the_password(
    office: "Office", app: FastAPI, client: TestClient
) -> None:
    app.state.principal = replace(app.state.principal, kind=PrincipalKind.ACCOUNT)
    giver, receiver = office.operator(), office.operator()
    device = giver.device_ids[0]
    assert 'type="password"' in _open_dialog(client.get(f"/devices/{device}?confirm=handover").text)
    answer = client.post(
        f"/devices/{device}/hand-over", data={"operator_code": _code(office, receiver)}
    )
    assert answer.status_code == 422
    assert "请输入密码" in _open_dialog(answer.text)
    assert _device(office, giver).operator_id == giver.operator_id
