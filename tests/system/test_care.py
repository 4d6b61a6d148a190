"""Maintenance and the diagnostic bundle."""

import io
import json
import logging
import os
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlmodel import select
from starlette.testclient import TestClient
from typer.testing import CliRunner

from app import error_handlers
from app.accounts import service as accounts_service
from app.accounts.models import Account, AccountSession, SignInAttempt
from app.accounts.principal import Permission, Role
from app.audit.actions import AuditAction
from app.audit.actor import SYSTEM
from app.audit.models import AuditRecord
from app.cli import app as command_line
from app.core import logging as core_logging
from app.core.db import Database
from app.devices import service as devices_service
from app.enterprises.models import Enterprise
from app.notifications.kinds import SUBSCRIBABLE, EventKind
from app.notifications.models import ChannelKind, Event
from app.notifications.service import Subject, channels, publish, webhooks
from app.notifications.service.channels import ChannelDraft
from app.notifications.service.spread import spread_waiting
from app.settings import Settings
from app.system import care, diagnostics, maintenance
from app.system.maintenance import Task
from app.system.models import IdempotencyKey
from app.system.queries import KEPT_FOR
from app.system.scrubbing import Scrubber
from tests.acting import act_as, person_of

NOW = datetime(2026, 12, 9, 2, 0, tzinfo=UTC)
ADMIN = person_of(name="lin", display_name="林会计")


def _clock() -> datetime:
    return NOW


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path, secret_key=SecretStr("a root secret for tests of thirty-two bytes")
    )


@pytest.fixture
def client(database: Database, settings: Settings) -> Iterator[TestClient]:
    app = FastAPI()
    app.state.database = database
    app.state.settings = settings
    app.state.clock = _clock
    app.state.principal = ADMIN
    app.state.layout = lambda _: {
        "me": None,
        "nav": [],
        "deadline": None,
        "simulated": False,
        "version": "",
    }

    act_as(app, lambda: app.state.principal)
    error_handlers.install(app)
    app.include_router(care.router)
    app.include_router(care.api_router, prefix="/api/v1")
    with TestClient(app, follow_redirects=False) as client:
        yield client


def _count(database: Database, table: Any) -> int:
    with database.reading() as session:
        return len(session.exec(select(table)).all())


def _fill(database: Database, settings: Settings) -> None:
    """One of everything that is old, and one that is new."""
    with database.transaction() as session:
        account = Account(
            name="zhao",
            display_name="赵伟",
            password_hash="-",
            password_changed_at=NOW,
            created_at=NOW,
        )
        session.add(account)
        session.flush()
        for index, age in enumerate((timedelta(days=400), timedelta(minutes=5))):
            at = NOW - age
            session.add_all(
                [
                    AccountSession(
                        token_hash=f"{index}",
                        account_id=account.id,
                        created_at=at,
                        last_seen_at=at,
                        expires_at=at,
                    ),
                    SignInAttempt(name_hash=f"{index}", address="1.1.1.1", last_at=at),
                    IdempotencyKey(
                        owner="o",
                        key=f"{index}",
                        fingerprint="f",
                        rights="r",
                        answered_at=at,
                        status=201,
                        headers="[]",
                        body="b",
                    ),
                ]
            )
            publish(
                session,
                EventKind.BACKUP_FAILED,
                subject=Subject("backup", f"b{index}"),
                data={"message": "磁盘已满"},
                at=at,
            )
    spread_waiting(database, _clock)


def test_clean_takes_the_old_and_leaves_the_new(any_database: Database, settings: Settings) -> None:
    _fill(any_database, settings)
    spool = settings.resolved_backup_spool_dir
    spool.mkdir()
    # New by the file system's clock and by the test's, which may be ahead of it.
    for name, age in (("old", 2 * 86400), ("new", -400 * 86400)):
        (spool / name).write_bytes(b"x")
        moment = (spool / name).stat().st_mtime - age
        os.utime(spool / name, (moment, moment))
    done = maintenance.run(any_database, settings, Task.CLEAN, actor=SYSTEM, clock=_clock)
    assert (
        done.sentence
        == "清理会话 1 个、登录尝试 1 条、幂等键 1 个、通知 1 条、临时文件 1 个，过期备份 0 份"
    )
    for table in (AccountSession, SignInAttempt, IdempotencyKey, Event):
        assert _count(any_database, table) == 1, table
    assert [path.name for path in spool.iterdir()] == ["new"]
    assert timedelta(days=1) <= KEPT_FOR < timedelta(days=400)


def test_an_event_still_to_be_delivered_stays(any_database: Database, settings: Settings) -> None:
    settings.webhook_allow_private = True
    with any_database.transaction() as session:
        webhooks.create_webhook(
            session,
            url="http://127.0.0.1:9/",
            kinds=SUBSCRIBABLE,
            principal=ADMIN,
            settings=settings,
            clock=_clock,
        )
    _fill(any_database, settings)
    maintenance.run(any_database, settings, Task.CLEAN, actor=SYSTEM, clock=_clock)
    assert _count(any_database, Event) == 2


@pytest.mark.parametrize("task", [Task.OPTIMIZE, Task.VACUUM])
def test_database_is_kept_whole(any_database: Database, settings: Settings, task: Task) -> None:
    _fill(any_database, settings)
    done = maintenance.run(any_database, settings, task, actor=SYSTEM, clock=_clock)
    assert done.sentence
    assert _count(any_database, Event) == 2
    with any_database.reading() as session:
        record = session.exec(select(AuditRecord)).all()[-1]
    assert (record.action, record.object_id) == (AuditAction.MAINTENANCE_RUN, task.value)


def test_vacuum_waits_for_clearings(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    monkeypatch.setattr("app.clearing.queries.count_running", lambda session: 1)
    answer = client.post("/api/v1/system/maintenance", json={"task": "vacuum"})
    assert (answer.status_code, answer.json()["code"]) == (409, "maintenance.clearing_running")
    page = client.post("/system/maintenance/vacuum")
    assert page.headers["location"] == "/inspections"
    assert _count(database, AuditRecord) == 0


def test_maintenance_over_page_and_api(client: TestClient) -> None:
    assert client.post("/system/maintenance/clean").status_code == 303
    answer = client.post("/api/v1/system/maintenance", json={"task": "optimize"})
    assert answer.json()["task"] == "optimize"
    assert client.post("/system/maintenance/format").status_code == 404


@pytest.mark.parametrize(
    "path",
    ["/system/maintenance/clean", "/system/diagnostics", "/api/v1/system/maintenance", "/api/v1/system/diagnostics"],
)  # fmt: skip
def test_care_is_for_admins(client: TestClient, path: str) -> None:
    app: Any = client.app
    app.state.principal = person_of(Role.AUDITOR, name="shen", display_name="沈审计")
    assert client.post(path, json={"task": "clean"}).status_code == 403


@pytest.fixture
def logs() -> Iterator[None]:
    """The program's own logging, until the test ends."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    core_logging.configure("INFO")
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def secrets_of_everything(database: Database, settings: Settings, logs: None) -> dict[str, str]:
    """Sets up everything that has a secret, and logs each of them where a careless hand might."""
    settings.webhook_allow_private = True
    settings.backup_key = SecretStr("YmFja3VwLWtleS1iYWNrdXAta2V5LWJhY2t1cC1rZXk=")
    settings.backup_old_keys = SecretStr(
        "b2xkLWtleS1vbmUtb2xkLWtleS1vbmUtb2xkLWtleS0=;b2xkLWtleS10d28="
    )
    settings.backup_s3_secret_key = SecretStr("s3-secret-key-of-storage")
    settings.backup_s3_access_key = SecretStr("s3-access-key-of-storage")
    settings.backup_targets = "s3=s3://user:targetpass@bucket/prefix"
    found = {
        "root": "a root secret for tests of thirty-two bytes",
        "backup key": settings.backup_key.get_secret_value(),
        "old key": "b2xkLWtleS1vbmUtb2xkLWtleS1vbmUtb2xkLWtleS0=",
        "s3 secret": "s3-secret-key-of-storage",
        "s3 access": "s3-access-key-of-storage",
        "target": "targetpass",
        "agent token": "agent-token-0123456789abcdef",
        "smtp password": "smtp-pa55word",
        "robot key": "12345678-1234-1234-1234-1234567890ab",
        "account password": "Correct-Horse-42",
    }
    with database.transaction() as session:
        devices_service.ensure_mounted(
            session, token=found["agent token"], settings=settings, at=NOW, simulated=False
        )
        found["webhook"] = webhooks.create_webhook(
            session,
            url="http://127.0.0.1:9/hook?token=url-token-4711",
            kinds=SUBSCRIBABLE,
            principal=ADMIN,
            settings=settings,
            clock=_clock,
        ).secret
        found["webhook url"] = "url-token-4711"
        for kind, url in (
            (ChannelKind.EMAIL, f"smtp://u:{found['smtp password']}@127.0.0.1?from=a@b.cn"),
            (ChannelKind.ROBOT, f"wecombot://{found['robot key']}"),
        ):
            draft = ChannelDraft("渠道", kind, url, SUBSCRIBABLE)
            channels.create_channel(
                session, draft, principal=ADMIN, settings=settings, clock=_clock
            )
        key = accounts_service.create_api_key(
            session,
            by=ADMIN,
            name="erp",
            scopes=frozenset({Permission.READ}),
            expires_at=None,
            at=NOW,
        )
        found["api key"] = key.key
        session.add(
            Enterprise(
                tax_no="91320100MA1N5Q0P2L"[:18].replace("L", "0"),
                name="南京德茂商贸有限公司",
                contact_phone="025-84110021",
                created_at=NOW,
                updated_at=NOW,
            )
        )
    found["enterprise"] = "南京德茂商贸有限公司"
    found["telephone"] = "025-84110021"
    log = logging.getLogger("careless")
    for name, value in found.items():
        if name not in ("account password", "enterprise", "telephone"):
            log.warning("connecting with %s", value)
    core_logging.get_logger("careful").warning("sign in", password=found["account password"])
    log.warning("Authorization: Bearer %s", found["api key"])
    log.warning("POST http://127.0.0.1:9/hook?token=url-token-4711 failed")
    return found


def _texts(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as bundle:
        assert bundle.testzip() is None
        return {name: bundle.read(name).decode() for name in bundle.namelist()}


def test_bundle_holds_what_support_needs_and_no_secret(
    client: TestClient, secrets_of_everything: dict[str, str], database: Database
) -> None:
    answer = client.post("/system/diagnostics")
    assert answer.headers["content-type"] == "application/zip"
    assert (
        'filename="qingka-diagnostics-20261209-020000.zip"' in answer.headers["content-disposition"]
    )
    texts = _texts(answer.content)
    assert set(texts) == {
        "versions.json", "settings.json", "health.json", "agents.json", "jobs.json",
        "deliveries.json", "failures.json", "counts.json", "log.txt",
    }  # fmt: skip
    whole = "\n".join(texts.values())
    known = {name: value for name, value in secrets_of_everything.items() if name != "api key"}
    for name, secret in known.items():
        assert secret not in whole, name
    assert f"Bearer {secrets_of_everything['api key']}" not in whole
    versions = json.loads(texts["versions.json"])
    assert versions["schema"] == versions["schema_wanted"]
    assert "SQLite" in versions["database"]
    assert "fastapi" in versions["packages"]
    assert json.loads(texts["settings.json"])["backup_key"] == "***"
    assert json.loads(texts["agents.json"])[0]["name"] == "本机设备代理"
    assert json.loads(texts["counts.json"])["webhooks"] == 1
    assert "connecting with ***" in texts["log.txt"]
    with database.reading() as session:
        actions = session.exec(select(AuditRecord.action)).all()
    assert AuditAction.DIAGNOSTICS_COLLECTED in actions


def test_bundle_of_a_broken_part_says_so(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(session: object) -> None:
        raise RuntimeError("表损坏")

    monkeypatch.setattr("app.system.queries.rows_of_tables", broken)
    texts = _texts(diagnostics.collect(database, settings, actor=SYSTEM, clock=_clock))
    assert json.loads(texts["counts.json"]) == {"error": "RuntimeError: 表损坏"}
    assert "versions.json" in texts


def test_doctor_writes_a_bundle(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QINGKA_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("QINGKA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("QINGKA_SECRET_KEY", "a root secret for tests of thirty-two bytes")
    path = tmp_path / "bundle.zip"
    done = CliRunner().invoke(command_line, ["doctor", "--bundle", str(path)])
    assert done.exit_code == 0, done.output
    texts = _texts(path.read_bytes())
    assert "a root secret for tests of thirty-two bytes" not in "\n".join(texts.values())
    assert json.loads(texts["settings.json"])["secret_key"] == "***"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("postgresql://qingka:pw@db/qingka", "postgresql://***@db/qingka"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw ok", "*** ok"),
        ("Authorization: bearer abc.def-1", "Authorization: bearer ***"),
        ("smtp://u:p@h?from=a@b", "***"),
        ("aes-256-gcm$AAAA_-=", "***"),
        ("$argon2id$v=19$m=65536,t=3,p=4$abc$def", "***"),
        ("known-secret here", "*** here"),
        ("设备 661814461322 忙", "设备 661814461322 忙"),
    ],
)
def test_scrubbing(text: str, clean: str) -> None:
    assert Scrubber(["known-secret", "", "ab"]).clean(text) == clean
