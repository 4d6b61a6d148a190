"""The page of the filing calendar: any year, notices entered and removed."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlmodel import select
from starlette.testclient import TestClient

from app.accounts.principal import Role
from app.audit.models import AuditRecord
from app.calendar import pages
from app.calendar.models import CalendarOverride
from app.core.db import Database
from app.settings import Settings
from tests.acting import app_of, person_of

URL = "/settings/calendar"
NOTICE = {
    "month": "2026-02",
    "region": "131",
    "deadline": "2026-02-28",
    "notice": "沪税函〔2026〕9号",
}


@pytest.fixture
def app(database: Database, tmp_path: Path) -> FastAPI:
    principal = person_of(id=UUID(int=1), name="lin", display_name="林会计")
    return app_of(
        database,
        Settings(data_dir=tmp_path),
        lambda: datetime(2026, 11, 10, 2, tzinfo=UTC),
        principal,
        pages=[pages.router],
    )


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, follow_redirects=False) as client:
        yield client


def _rows(page: str) -> list[str]:
    """The months as text: month, deadline, source."""
    table = page[page.index("<tbody>") : page.index("</tbody>")]
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in table.split("</tr>")[:-1]]


def test_this_year_is_shown_and_any_other_can_be(client: TestClient) -> None:
    page = client.get(URL).text
    assert len(_rows(page)) == 12
    assert _rows(page)[0].startswith("2026-01 ")
    assert 'href="/settings/calendar?year=2027"' in page
    assert "推算" in _rows(client.get(URL, params={"year": 2099}).text)[11]
    assert "下一年" not in client.get(URL, params={"year": 2099}).text
    assert "上一年" not in client.get(URL, params={"year": 2000}).text


@pytest.mark.parametrize("year", ["2100", "1999", "next", "٢٠٢٦"])
def test_a_year_the_calendar_does_not_know_is_said(client: TestClient, year: str) -> None:
    answer = client.get(URL, params={"year": year})
    assert answer.status_code == 422
    assert "calendar.year_out_of_range" in answer.text
    assert _rows(answer.text)[0].startswith("2026-01 "), "this year is shown instead"


def test_a_notice_moves_the_deadline_of_its_region_until_it_is_removed(
    client: TestClient, database: Database
) -> None:
    made = client.post(f"{URL}/overrides", data=NOTICE)
    assert (made.status_code, made.headers["location"]) == (303, f"{URL}?year=2026")
    there = client.get(URL, params={"year": 2026, "region": "13101"}).text
    assert _rows(there)[1] == "2026-02 2026-02-28 通知调整 沪税函〔2026〕9号"
    assert "2026-02-28" not in _rows(client.get(URL).text)[1]
    with database.reading() as session:
        override_id = session.exec(select(CalendarOverride)).one().id
    dialog = client.get(URL, params={"year": 2026, "confirm": str(override_id)}).text
    assert re.search(rf'<dialog[^>]*id="remove-{override_id}"[^>]* open', dialog)
    assert client.post(f"{URL}/overrides/{override_id}/remove").status_code == 303
    assert "2026-02-28" not in client.get(URL, params={"region": "131"}).text
    with database.reading() as session:
        actions = [one.action for one in session.exec(select(AuditRecord))]
    assert actions == ["calendar.overridden", "calendar.override_removed"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"notice": ""}, "必填"),
        ({"month": "2026-2"}, "YYYY-MM"),
        ({"month": ""}, "YYYY-MM"),
        ({"region": "上海"}, "格式不正确"),
        ({"deadline": ""}, "日期"),
        ({"deadline": "2026-12-31"}, "申报期限与月份不符"),
    ],
)
def test_a_wrong_notice_is_said_next_to_its_field_and_kept(
    client: TestClient, database: Database, change: dict[str, str], said: str
) -> None:
    answer = client.post(f"{URL}/overrides", data=NOTICE | change)
    assert answer.status_code == 422
    dialog = answer.text[answer.text.index("<dialog") : answer.text.index("</dialog>")]
    assert " open" in dialog[: dialog.index(">")]
    assert said in dialog
    assert dialog.count('class="error"') == 1
    assert next(iter(change.values())) in dialog
    with database.reading() as session:
        assert session.exec(select(CalendarOverride)).all() == []


def test_who_may_not_change_only_looks(app: FastAPI, client: TestClient) -> None:
    client.post(f"{URL}/overrides", data=NOTICE)
    app.state.principal = person_of(Role.OPERATOR)
    page = client.get(URL).text
    assert "沪税函〔2026〕9号" in page
    assert "<dialog" not in page
    assert "移除" not in page
    assert client.post(f"{URL}/overrides", data=NOTICE).status_code == 403
