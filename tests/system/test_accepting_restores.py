"""Accepting a restore by page, REST API and command line."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from app.accounts import service as accounts_service
from app.accounts.principal import SYSTEM, Role
from app.accounts.service import AccountDraft
from app.audit import tree
from app.audit.actor import SYSTEM as NOBODY
from app.audit.checkpoint import Signer
from app.core.clock import utc_now
from app.core.db import Database
from app.main import create_app
from app.proof import checkpoints
from app.settings import Settings
from app.system import audit_cli

PASSWORD = "accept a restore 1"
WHY = "恢复自昨日的备份"
API = "/api/v1/audit-records"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate(
        {
            "data_dir": tmp_path / "data",
            "agent": "off",
            "secret_key": "a root secret, 32 bytes at least",
        }
    )


@pytest.fixture
def client(database: Database, settings: Settings) -> Iterator[TestClient]:
    """An admin, whose database has fewer records than a checkpoint outside."""
    draft = AccountDraft(
        "lin", frozenset({Role.ADMIN}), password=PASSWORD, must_change_password=False
    )
    with database.transaction() as session:
        made = accounts_service.create_account(
            session, draft, by=SYSTEM, settings=settings, clock=utc_now
        )
        opened = accounts_service.open_session(
            session, made.account.id, settings=settings, at=utc_now(), ip="testclient"
        )
    _abandon(database, settings)
    app = create_app(settings, clock=utc_now, database=database)
    client = TestClient(app, follow_redirects=False)
    client.cookies.set(accounts_service.cookie_name(settings), opened.token)
    yield client
    client.close()


def _abandon(database: Database, settings: Settings) -> None:
    """A checkpoint goes out of a transaction that never was."""
    with database.reading() as session:
        text = tree.issue(session, Signer(settings.root_secret), actor=NOBODY, at=utc_now()).text
        text = tree.issue(session, Signer(settings.root_secret), actor=NOBODY, at=utc_now()).text
        session.rollback()
    checkpoints.keep(settings, text, utc_now())


def test_by_page(client: TestClient) -> None:
    assert "/audit/restore" in client.get("/audit").text
    asked = client.get("/audit/restore").text
    assert "1</b> 个库外检查点" in asked
    assert re.search(r"（[^至）]*前 \d+ 条[^至）]*）", asked), "of one checkpoint no range is told"
    for form in ({"reason": "", "password": PASSWORD}, {"reason": WHY, "password": "wrong"}):
        refused = client.post("/audit/restore", data=form)
        assert refused.status_code in {403, 422}
        assert form["reason"] in refused.text
    assert not client.get(f"{API}/verify").json()["ok"]
    done = client.post("/audit/restore", data={"reason": WHY, "password": PASSWORD})
    assert (done.status_code, done.headers["location"]) == (303, "/audit/restore")
    found = client.get(f"{API}/verify").json()
    assert (found["ok"], found["restores"][0]["reason"]) == (True, WHY)
    assert "没有需要认可的恢复" in client.get("/audit/restore").text
    trail = client.get("/audit").text
    assert f"认可恢复自较早的备份，原因：{WHY}" in trail


def test_by_api(client: TestClient) -> None:
    assert client.post(f"{API}/restores", json={"reason": WHY}).status_code == 422
    assert client.post(f"{API}/restores", json={"password": PASSWORD}).status_code == 422
    body = {"reason": WHY, "password": PASSWORD}
    done = client.post(f"{API}/restores", json=body)
    assert (done.status_code, done.json()["checkpoints"]) == (201, 1)
    message = client.get(f"{API}/verify").json()["message"]
    assert WHY in message
    assert re.search(r"1 个库外检查点（前 \d+ 条）", message)
    again = client.post(f"{API}/restores", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "audit.nothing_to_accept")


def test_by_command_line(
    client: TestClient, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QINGKA_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("QINGKA_AGENT", "off")
    monkeypatch.setenv("QINGKA_SECRET_KEY", "a root secret, 32 bytes at least")
    monkeypatch.setenv("QINGKA_DATABASE_URL", str(database.url))
    runner = CliRunner()
    asked = runner.invoke(audit_cli.app, ["accept-restore", "--reason", WHY])
    assert (asked.exit_code, "没有认可" in asked.output) == (1, True)
    assert not client.get(f"{API}/verify").json()["ok"]
    done = runner.invoke(audit_cli.app, ["accept-restore", "--reason", WHY, "--yes"])
    assert (done.exit_code, WHY in done.output, "命令行 " in done.output) == (0, True, True)
