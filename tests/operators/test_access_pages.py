"""可见企业: an account or a key reaches the enterprises chosen by typing, and its operator is named by code."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlmodel import select
from starlette.testclient import TestClient
from typer.testing import CliRunner

from app.accounts import service as accounts_service
from app.accounts.models import Account, AccountEnterprise, ApiKey, ApiKeyEnterprise
from app.accounts.principal import SYSTEM, Role
from app.accounts.service import AccountDraft
from app.cli import app as command_line
from app.contracts.tax_numbers import check_character
from app.core.db import Database
from app.enterprises import service as enterprises_service
from app.enterprises.schemas import EnterpriseCreate
from app.main import create_app
from app.operators import service as operators_service
from app.operators.schemas import OperatorCreate
from app.settings import AgentMode, Settings

NOW = datetime(2026, 11, 5, 2, 0, tzinfo=UTC)
PASSWORD = "whose clients are whose 1"
NAMES = ("晨光商贸", "晨曦餐饮", "远山机械")


def _clock() -> datetime:
    return NOW


@pytest.fixture
def enterprises(database: Database) -> dict[str, UUID]:
    """Three enterprises and an operator of the first, W001."""
    found: dict[str, UUID] = {}
    with database.transaction() as session:
        for place, name in enumerate(NAMES):
            stem = f"91310115MA1K3YB{place:02}"
            data = EnterpriseCreate(tax_no=stem + check_character(stem), name=name)
            made = enterprises_service.create_enterprise(
                session, data=data, principal=SYSTEM, at=NOW
            )
            found[name] = made.id
        operator = OperatorCreate(code="W001", name="王晓梅", enterprise_id=found[NAMES[0]])
        operators_service.create_operator(session, data=operator, principal=SYSTEM, at=NOW)
    return found


@pytest.fixture
def client(database: Database, tmp_path: Path) -> Iterator[TestClient]:
    """Signed in as the admin boss."""
    settings = Settings(
        data_dir=tmp_path,
        agent=AgentMode.OFF,
        secret_key=SecretStr("a root secret for tests of thirty-two bytes"),
    )
    draft = AccountDraft(
        "boss", frozenset({Role.ADMIN}), password=PASSWORD, must_change_password=False
    )
    with database.transaction() as session:
        made = accounts_service.create_account(
            session, draft, by=SYSTEM, settings=settings, clock=_clock
        )
        opened = accounts_service.open_session(
            session, made.account.id, settings=settings, at=NOW, ip="testclient"
        )
    client = TestClient(
        create_app(settings, clock=_clock, database=database), follow_redirects=False
    )
    client.cookies.set(accounts_service.cookie_name(settings), opened.token)
    yield client
    client.close()


def _seen_by(database: Database, account_id: UUID) -> set[UUID]:
    with database.reading() as session:
        wanted = select(AccountEnterprise.enterprise_id).where(
            AccountEnterprise.account_id == account_id
        )
        return set(session.exec(wanted))


def _clerk(database: Database) -> Account:
    with database.reading() as session:
        return session.exec(select(Account).where(Account.name == "clerk")).one()


def test_a_new_account_sees_nothing_until_enterprises_are_chosen_by_typing(
    client: TestClient, database: Database, enterprises: dict[str, UUID]
) -> None:
    page = client.get("/settings/accounts", params={"confirm": "1"})
    assert 'name="reach" value="chosen" checked' in page.text
    form = {"name": "clerk", "roles": "operator", "reach": "chosen", "password": PASSWORD}
    made = client.post("/settings/accounts", data=form)
    assert made.status_code == 201
    clerk = _clerk(database)
    url = f"/settings/accounts/{clerk.id}/access"
    assert f'href="{url}"' in made.text
    assert (clerk.all_enterprises, _seen_by(database, clerk.id)) == (False, set())

    assert client.get(url).status_code == 200
    looked = client.post(url, data={"q": "晨", "action": "search", "reach": "chosen"})
    assert looked.status_code == 200
    assert NAMES[0] in looked.text
    assert NAMES[1] in looked.text
    assert NAMES[2] not in looked.text
    chosen = {"add": [str(enterprises[NAMES[0]]), str(enterprises[NAMES[1]])], "reach": "chosen"}
    more = client.post(url, data={**chosen, "q": "远山", "action": "search"})
    assert more.text.count(" checked> 晨") == 2, "what is ticked stays ticked"
    assert _seen_by(database, clerk.id) == set(), "looking changes nothing"
    refused = client.post(url, data={**chosen, "password": "wrong"})
    assert (refused.status_code, _seen_by(database, clerk.id)) == (422, set())
    done = client.post(url, data={**chosen, "password": PASSWORD, "operator_code": "W001"})
    assert (done.status_code, done.headers["location"]) == (303, f"/settings/accounts/{clerk.id}")
    assert _seen_by(database, clerk.id) == {enterprises[NAMES[0]], enterprises[NAMES[1]]}
    assert _clerk(database).operator_id is not None
    assert 'value="W001"' in client.get(url).text
    less = {"remove": [str(enterprises[NAMES[1]])], "reach": "chosen", "password": PASSWORD}
    client.post(url, data=less)
    assert _seen_by(database, clerk.id) == {enterprises[NAMES[0]]}


def test_an_unknown_operator_and_a_role_that_knows_no_enterprise_are_refused(
    client: TestClient, database: Database, enterprises: dict[str, UUID]
) -> None:
    form = {"name": "clerk", "roles": "auditor", "reach": "chosen", "password": PASSWORD}
    refused = client.post("/settings/accounts", data=form)
    assert refused.status_code == 422
    assert "不能限定可见企业" in refused.text
    client.post("/settings/accounts", data={**form, "roles": "operator"})
    url = f"/settings/accounts/{_clerk(database).id}/access"
    wrong = client.post(url, data={"operator_code": "X9", "password": PASSWORD})
    assert wrong.status_code == 422
    assert "没有工号为 X9 的操作员" in wrong.text


def test_a_key_is_bound_to_enterprises_and_handed_over_on_its_page(
    client: TestClient, database: Database, enterprises: dict[str, UUID]
) -> None:
    client.post(
        "/settings/accounts", data={"name": "clerk", "roles": "admin", "password": PASSWORD}
    )
    form = {"name": "ERP", "scopes": "read", "reach": "chosen", "password": PASSWORD}
    made = client.post("/settings/api-keys", data=form)
    assert made.status_code == 201
    with database.reading() as session:
        key = session.exec(select(ApiKey)).one()
    url = f"/settings/api-keys/{key.id}"
    assert f'href="{url}/access"' in made.text
    chosen = {"add": [str(enterprises[NAMES[2]])], "reach": "chosen", "password": PASSWORD}
    assert client.post(f"{url}/access", data=chosen).status_code == 303
    with database.reading() as session:
        assert session.exec(select(ApiKeyEnterprise.enterprise_id)).all() == [enterprises[NAMES[2]]]
    assert (
        "没有这个用户名"
        in client.post(f"{url}/hand-over", data={"to_account": "nobody", "password": PASSWORD}).text
    )
    done = client.post(f"{url}/hand-over", data={"to_account": "clerk", "password": PASSWORD})
    assert done.status_code == 303
    page = client.get(f"/settings/accounts/{_clerk(database).id}")
    assert "1 个 API 密钥（ERP）同时停止工作" in page.text


def test_the_command_line_names_enterprises_by_tax_number(
    database: Database,
    sqlite_url: str,
    enterprises: dict[str, UUID],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QINGKA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("QINGKA_DATABASE_URL", sqlite_url)
    stem = "91310115MA1K3YB00"
    tax_no = stem + check_character(stem)
    run = CliRunner().invoke
    words = "account create clerk --role operator"
    made = run(
        command_line,
        [*words.split(), "--enterprise", tax_no, "--operator", "W001"],
    )
    assert made.exit_code == 0, made.output
    clerk = _clerk(database)
    assert _seen_by(database, clerk.id) == {enterprises[NAMES[0]]}
    assert clerk.operator_id is not None
    wrong = run(command_line, ["api-key", "create", "x", "--scope", "read", "--enterprise", "9131"])
    assert wrong.exit_code == 1
    assert "没有税号为 9131 的企业" in wrong.output
    key = run(command_line, ["api-key", "create", "x", "--scope", "read", "--enterprise", tax_no])
    assert key.exit_code == 0, key.output
    with database.reading() as session:
        assert session.exec(select(ApiKeyEnterprise.enterprise_id)).all() == [enterprises[NAMES[0]]]
