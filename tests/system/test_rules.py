"""Settings that admins may change at run time."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from app.audit.actor import SYSTEM
from app.audit.models import AuditRecord
from app.backups import service as backups
from app.backups.models import Backup, BackupKind, BackupState
from app.core.db import Database
from app.enterprises.api import router as enterprises_api
from app.enterprises.pages import router as enterprises_pages
from app.settings import Settings
from app.system import maintenance
from app.system.maintenance import Task
from app.system.rules import RULES, Rules
from app.system.rules_pages import api_router, router
from tests.acting import app_of, person_of

NOW = datetime(2026, 12, 9, 2, 0, tzinfo=UTC)
ADMIN = person_of(name="lin", display_name="林会计")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """`peak_window` is given by the environment."""
    return Settings(data_dir=tmp_path, peak_window="09:00-11:30")


@pytest.fixture
def client(database: Database, settings: Settings) -> Iterator[TestClient]:
    app = app_of(
        database,
        settings,
        lambda: NOW,
        ADMIN,
        api=[api_router, enterprises_api],
        pages=[router, enterprises_pages],
    )
    with TestClient(app, follow_redirects=False) as client:
        yield client


def test_a_change_holds_at_once_and_is_on_record(
    client: TestClient, settings: Settings, database: Database
) -> None:
    answer = client.patch(
        "/api/v1/settings", json={"reminder_days": "7, 2", "notification_keep_days": 30}
    )
    assert answer.status_code == 200, answer.text
    assert (settings.reminder_days, settings.notification_keep_days) == ("7,2", 30)
    shown = {one["name"]: one for one in client.get("/api/v1/settings").json()}
    assert (shown["reminder_days"]["value"], shown["reminder_days"]["default"]) == ("7,2", "5,3,1")
    with database.reading() as session:
        records = session.exec(select(AuditRecord)).all()
    assert {(one.action, one.object_id) for one in records} == {
        ("setting.changed", "reminder_days"),
        ("setting.changed", "notification_keep_days"),
    }


def test_environment_wins(client: TestClient, settings: Settings) -> None:
    answer = client.patch("/api/v1/settings", json={"peak_window": "12:00-13:00"})
    assert (answer.status_code, answer.json()["code"]) == (409, "setting.fixed")
    assert settings.peak_window == "09:00-11:30"
    page = client.get("/settings/rules").text
    assert re.search(r'name="peak_window"[^>]*readonly', page)
    form = {"peak_window": "09:00-11:30", "reminder_days": "4"}
    assert client.post("/settings/rules", data=form).status_code == 303
    assert settings.reminder_days == "4"


def test_other_processes_follow(client: TestClient, database: Database, tmp_path: Path) -> None:
    other = Settings(data_dir=tmp_path)
    rules = Rules(other)
    client.patch("/api/v1/settings", json={"min_days_between_clearings": 10})
    rules.refresh(database)
    assert other.min_days_between_clearings == 10
    again = Settings(data_dir=tmp_path, min_days_between_clearings=3)
    Rules(again).refresh(database)
    assert again.min_days_between_clearings == 3, "given by the environment"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("reminder_days", "x"),
        ("peak_window", "9-11"),
        ("min_days_between_clearings", "-1"),
        ("min_days_between_clearings", "1000"),
        ("notification_keep_days", "0"),
        ("inspection_schedule", "weekly"),
        ("review_required_default", "perhaps"),
        ("backup_keep_days", "system"),
        ("backup_keep_days", "everything=7"),
        ("backup_keep_days", "system=-1"),
        ("backup_keep_days", "system=99999999999"),
        ("backup_keep_newest", "0"),
        ("backup_keep_record_years", "101"),
        ("database_url", "sqlite://"),
    ],
)
def test_wrong_values_say_why(client: TestClient, database: Database, name: str, text: str) -> None:
    answer = client.patch("/api/v1/settings", json={name: text})
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [name])
    with database.reading() as session:
        assert session.exec(select(AuditRecord)).all() == []


def test_page_keeps_what_was_typed(client: TestClient) -> None:
    answer = client.post("/settings/rules", data={"reminder_days": "later"})
    assert answer.status_code == 422
    assert 'value="later"' in answer.text
    assert "应为以逗号分隔的天数" in answer.text


@pytest.mark.parametrize("name", sorted(RULES))
def test_default_is_a_value_the_rule_takes(name: str, tmp_path: Path) -> None:
    default: Any = getattr(Settings(data_dir=tmp_path), name)
    assert RULES[name].parse(str(default)) == default


def test_new_enterprises_follow_the_rule_unless_they_say_otherwise(
    client: TestClient, settings: Settings
) -> None:
    url, name = "/api/v1/enterprises", "南京德茂商贸有限公司"
    client.patch("/api/v1/settings", json={"review_required_default": False})
    assert settings.review_required_default is False
    made = client.post(url, json={"tax_no": "91320118MA20LU6N3P", "name": name}).json()
    said = {"tax_no": "91420111LQHQ3ULKA4", "name": name, "review_required": True}
    assert made["review_required"] is False
    assert client.post(url, json=said).json()["review_required"] is True
    page = client.get("/settings/enterprises?confirm=1").text
    box = re.search(r'<input[^>]*name="review_required"[^>]*>', page)
    assert box is not None
    assert "checked" not in box.group()
    client.patch("/api/v1/settings", json={"review_required_default": True})
    box = re.search(
        r'<input[^>]*name="review_required"[^>]*>',
        client.get("/settings/enterprises?confirm=1").text,
    )
    assert box is not None
    assert "checked" in box.group()


def test_the_page_offers_what_may_be_chosen(client: TestClient, settings: Settings) -> None:
    page = client.get("/settings/rules").text
    assert re.search(r'<select[^>]*name="review_required_default"', page)
    assert '<option value="True" selected>需要审核</option>' in page
    assert (
        client.post("/settings/rules", data={"review_required_default": "False"}).status_code == 303
    )
    assert settings.review_required_default is False


def test_retention_follows_the_rule(
    client: TestClient, database: Database, settings: Settings
) -> None:
    """The daily maintenance deletes by what admins have set, here backups of two days and older."""
    now = [NOW]
    ages = (400, 30, 3, 1)
    for age in ages:
        now[0] = NOW - timedelta(days=age)
        content = backups.Content(BackupKind.ON_DEMAND, f"made-{age}", ())
        storage = backups.storage_of(settings)
        backups.create(database, storage, content, actor=SYSTEM, clock=lambda: now[0])
    now[0] = NOW

    def left() -> int:
        maintenance.run(database, settings, Task.CLEAN, actor=SYSTEM, clock=lambda: NOW)
        with database.reading() as session:
            rows = session.exec(select(Backup).where(Backup.state == BackupState.VERIFIED))
            return len(rows.all())

    assert left() == len(ages), "ten of a kind are kept however old"
    values = {"backup_keep_newest": 1, "backup_keep_days": "on_demand=2"}
    assert client.patch("/api/v1/settings", json=values).status_code == 200
    assert settings.backup_keep_days == "pre_clearing=0;post_clearing=0;on_demand=2;system=0"
    assert left() == 1
