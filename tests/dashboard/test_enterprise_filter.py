"""The filter of the list by enterprise: a select of few; among many the name or tax number is typed."""

import re
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.accounts.principal import Role
from app.enterprises.models import Enterprise
from app.enterprises.queries import FEW
from tests.acting import person_of

if TYPE_CHECKING:
    from tests.office import Office, Subject

ROWS = {"X-Fragment": "rows"}
OWN = "91310115MA1K4B2X7C"


def enterprise(office: "Office", name: str, tax_no: str) -> Enterprise:
    now = office.clock()
    return Enterprise(name=name, tax_no=tax_no, created_at=now, updated_at=now)


@pytest.fixture
def subject(office: "Office") -> "Subject":
    """Somebody of the first enterprise, which gets a name of its own."""
    subject = office.operator()
    with office.database.transaction() as session:
        row = session.get_one(Enterprise, office.enterprise_id)
        row.name, row.tax_no = "北京特别商贸有限公司", OWN
    return subject


@pytest.fixture
def many(office: "Office", subject: "Subject") -> "Subject":
    """More enterprises than a select may offer."""
    with office.database.transaction() as session:
        session.add_all(
            enterprise(office, f"上海第{n:03d}商贸有限公司", f"3101150000{n:05d}")
            for n in range(FEW)
        )
    return subject


def shown(client: TestClient, subject: "Subject", query: str) -> bool:
    """Whether the list shows that operator."""
    return f"/clearing/operators/{subject.operator_id}" in client.get(f"/clearing{query}").text


def test_few_are_offered(client: TestClient, office: "Office", subject: "Subject") -> None:
    page = client.get("/clearing").text
    assert f'<option value="{office.enterprise_id}">北京特别商贸有限公司</option>' in page
    assert 'name="enterprise"' not in page
    assert shown(client, subject, f"?enterprise_id={office.enterprise_id}")


def test_of_many_one_is_typed(client: TestClient, many: "Subject") -> None:
    page = client.get("/clearing").text
    assert 'name="enterprise"' in page
    assert 'name="enterprise_id"' not in page
    assert "上海第001商贸" not in page
    for text in ("特别", "北京 商贸", "北京特别商贸有限公司", OWN, OWN.lower(), OWN[:10], " 特别 "):
        assert shown(client, many, f"?enterprise={text}"), text
    assert not shown(client, many, "?enterprise=第003")
    filtered = client.get("/clearing?enterprise=特别&state=due").text
    assert 'value="特别"' in filtered
    assert re.search(r'href="/clearing\?enterprise=%E7%89%B9%E5%88%AB&amp;state=locked"', filtered)


def test_what_means_several_is_asked_back(client: TestClient, many: "Subject") -> None:
    answer = client.get("/clearing?enterprise=商贸&q=a", headers=ROWS).text
    assert "超过 20 家企业符合“商贸”，请选择" in answer
    links = re.findall(r'<a href="(/clearing\?q=a&amp;limit=50&amp;enterprise=\w+)">', answer)
    assert len(links) == 20
    assert not shown(client, many, "?enterprise=商贸")
    exact = client.get("/clearing?enterprise=第00", headers=ROWS).text
    assert "10 家企业符合" in exact
    assert "超过" not in exact
    assert not shown(client, many, links[0].replace("&amp;", "&").partition("/clearing")[2])


def test_those_of_one_name_are_told_apart(
    client: TestClient, office: "Office", many: "Subject"
) -> None:
    with office.database.transaction() as session:
        session.add(enterprise(office, "北京特别商贸有限公司", "110105000012345"))
    answer = client.get("/clearing?enterprise=北京特别商贸有限公司", headers=ROWS).text
    assert "2 家企业符合" in answer
    assert {OWN, "110105000012345"} <= set(re.findall(r'<small class="num">(\w+)</small>', answer))
    page = client.get(f"/clearing?enterprise={OWN}&state=locked").text
    assert "企业：<b>北京特别商贸有限公司</b>" in page, "also when nobody is shown"
    assert 'href="/clearing?state=locked&amp;limit=50">取消筛选' in page


def test_what_means_none_says_so(client: TestClient, many: "Subject") -> None:
    answer = client.get("/clearing?enterprise=<没有>").text
    assert "没有名称或税号符合“&lt;没有&gt;”的企业" in answer
    assert not shown(client, many, "?enterprise=没有")
    assert client.get("/clearing?enterprise=%00").status_code == 200


def test_a_link_by_id_stays(client: TestClient, office: "Office", many: "Subject") -> None:
    page = client.get(f"/clearing?enterprise_id={office.enterprise_id}").text
    assert f"/clearing/operators/{many.operator_id}" in page
    assert f'value="{OWN}"' in page
    assert f"enterprise_id={office.enterprise_id}" in page, "what is exported"
    assert f"/clearing?enterprise={OWN}&amp;state=due" in page


def test_those_of_others_are_not_found(
    client: TestClient, app: FastAPI, office: "Office", many: "Subject"
) -> None:
    with office.database.transaction() as session:
        others = [
            enterprise(office, f"自己{n}号商贸", f"3101160000{n:05d}") for n in range(FEW + 1)
        ]
        session.add_all(others)
        session.flush()
        own = frozenset(one.id for one in others)
    app.state.principal = person_of(Role.OPERATOR, enterprise_ids=own)
    assert "没有名称或税号符合" in client.get("/clearing?enterprise=特别").text
    page = client.get(f"/clearing?enterprise_id={office.enterprise_id}").text
    assert OWN not in page
    assert "北京特别" not in page
