"""The command line parts."""

from pathlib import Path

import pytest
from sqlmodel import select
from typer.testing import CliRunner

from app.accounts import service
from app.accounts.models import Account, AccountSession
from app.accounts.service import Credentials, SignedIn
from app.audit.actions import AuditAction
from app.audit.models import AuditRecord
from app.cli import app as command_line
from app.core.clock import utc_now
from app.core.db import Database
from app.settings import load_settings

PASSWORD = "correct horse battery"
Run = tuple[int, str, str]


@pytest.fixture(autouse=True)
def environment(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QINGKA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("QINGKA_DATABASE_URL", sqlite_url)


def run(group: str, *args: str, stdin: str = "") -> Run:
    result = CliRunner().invoke(command_line, [group, *args], input=stdin)
    return result.exit_code, result.stdout, result.stderr


def signs_in(url: str, name: str, password: str) -> bool:
    database = Database(url)
    given = Credentials(name=name, password=password)
    result = service.sign_in(database, given, settings=load_settings(), clock=utc_now)
    database.dispose()
    return isinstance(result, SignedIn)


def test_create_with_a_given_password(sqlite_url: str) -> None:
    code, out, _ = run(
        "account",
        *("create", "anna", "--role", "operator", "--role", "reviewer", "--password-stdin"),
        stdin=f"{PASSWORD}\n",
    )
    assert code == 0
    assert PASSWORD not in out
    assert signs_in(sqlite_url, "anna", PASSWORD)
    assert run("account", "list")[1] == "anna\tanna\toperator,reviewer\t启用\n"


def test_create_makes_a_one_time_password(sqlite_url: str) -> None:
    code, out, _ = run("account", "create", "anna", "--role", "admin")
    assert code == 0
    assert signs_in(sqlite_url, "anna", out.split("：")[-1].strip())


@pytest.mark.parametrize(
    ("args", "stdin", "message"),
    [
        (["anna", "--role", "king"], "", "king"),
        (["a b", "--role", "admin"], "", "用户名"),
        (["anna", "--role", "admin", "--password-stdin"], "password123\n", "常见"),
        (["anna", "--role", "admin", "--password-stdin"], "", "至少"),
    ],
)
def test_refusals_say_why(args: list[str], stdin: str, message: str) -> None:
    code, _, err = run("account", "create", *args, stdin=stdin)
    assert code != 0
    assert message in err


def test_passwd_and_disable(sqlite_url: str) -> None:
    run("account", "create", "anna", "--role", "operator")
    assert run("account", "passwd", "ANNA", "--password-stdin", stdin=PASSWORD)[0] == 0
    assert signs_in(sqlite_url, "anna", PASSWORD)
    assert run("account", "disable", "anna")[0] == 0
    assert not signs_in(sqlite_url, "anna", PASSWORD)
    assert "停用" in run("account", "list")[1]


def test_a_lost_second_factor_is_removed_and_open_sessions_end(sqlite_url: str) -> None:
    run("account", "create", "anna", "--role", "admin", "--password-stdin", stdin=PASSWORD)
    assert run("account", "remove-totp", "anna")[0] == 1, "there is none"
    database = Database(sqlite_url)
    with database.transaction() as session:
        account = session.exec(select(Account)).one()
        account.totp_secret, account.totp_confirmed_at = "sealed", utc_now()
        account_id = account.id
        session.add(account)
        session.flush()
        service.open_session(session, account_id, settings=load_settings(), at=utc_now(), ip="")
    assert run("account", "remove-totp", "ANNA")[0] == 0
    with database.reading() as session:
        account = session.get_one(Account, account_id)
        assert (account.totp_secret, account.totp_confirmed_at) == (None, None)
        (closed,) = session.exec(select(AccountSession)).all()
        assert closed.ended_at is not None
        record = session.exec(
            select(AuditRecord).where(AuditRecord.action == AuditAction.ACCOUNT_TOTP_DISABLED)
        ).one()
    assert record.actor_name.startswith("命令行 ")
    database.dispose()


@pytest.mark.parametrize("command", ["passwd", "disable", "remove-totp"])
def test_unknown_names(command: str) -> None:
    code, _, err = run("account", command, "nobody")
    assert (code, err) == (1, "没有账号：nobody\n")


def test_keys() -> None:
    code, out, _ = run("api-key", "create", "ERP", "--scope", "read", "--scope", "audit:read")
    assert code == 0
    assert out.startswith("qk_")
    line = run("api-key", "list")[1].strip().split("\t")
    assert line[1:4] == [out[:11], "ERP", "read audit:read"]
    assert run("api-key", "revoke", line[0])[0] == 0
    assert run("api-key", "list")[1].strip().endswith("已吊销")
