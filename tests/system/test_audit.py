"""The audit trail over the API, on its page and from the shell."""

import base64
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from httpx import Response
from sqlmodel import col, select
from starlette.testclient import TestClient
from typer.testing import CliRunner

from app import error_handlers
from app.accounts.principal import Permission, Principal, Role
from app.audit import offline, service
from app.audit.actions import AuditAction
from app.audit.actor import SYSTEM
from app.audit.canonical import GENESIS, chain_hash, moment, record_bytes
from app.audit.checkpoint import Signer
from app.audit.merkle import verify_consistency
from app.audit.models import AuditCheckpoint, AuditRecord
from app.core.db import Database
from app.settings import Settings
from app.system import audit_api, audit_cli, audit_pages
from tests.acting import act_as, person_of

SECRET = "a root secret for tests of thirty-two bytes"
START = datetime(2026, 11, 2, 1, 30, tzinfo=UTC)
API = "/api/v1/audit-records"


def _principal(*permissions: Permission) -> Principal:
    return person_of(
        Role.AUDITOR,
        id=UUID(int=9),
        name="shen",
        display_name="沈审计",
        permissions=frozenset(permissions),
        ip="127.0.0.1",
    )


@pytest.fixture
def filled(database: Database) -> Database:
    with database.transaction() as session:
        for number in range(60):
            service.record(
                session,
                actor=SYSTEM,
                action=[AuditAction.DEVICE_READ, AuditAction.BACKUP_CREATED][number % 2],
                object_type="device",
                object_id=f"d{number % 3}",
                at=START + timedelta(hours=number),
                details={"ok": True, "types": ["004", "007"], "note": "<b>&"},
            )
    return database


@pytest.fixture
def app(filled: Database, tmp_path: Path) -> FastAPI:
    app = FastAPI()
    app.state.database = filled
    app.state.settings = Settings(data_dir=tmp_path, secret_key=SECRET)
    app.state.clock = lambda: START + timedelta(days=9)
    app.state.layout = lambda _request: {
        "me": None,
        "nav": [],
        "deadline": None,
        "simulated": False,
        "version": "",
    }
    error_handlers.install(app)
    app.include_router(audit_api.router, prefix="/api/v1")
    app.include_router(audit_pages.router)
    act_as(app, lambda: _principal(Permission.AUDIT_READ))
    return app


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, follow_redirects=False) as client:
        yield client


def _tamper(database: Database, script: str) -> None:
    connection = sqlite3.connect(str(database.url.database), isolation_level=None)
    for name in ("audit_records_no_update", "audit_records_no_delete"):
        connection.execute(f"DROP TRIGGER {name}")
    connection.executescript(script)
    connection.close()


def _actions(database: Database) -> list[str]:
    with database.reading() as session:
        return list(
            session.exec(
                select(col(AuditRecord.action))
                .where(col(AuditRecord.seq) > 60)
                .order_by(col(AuditRecord.seq))
            )
        )


def _ok(response: Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


def test_list_by_cursor(client: TestClient) -> None:
    first = _ok(client.get(API, params={"limit": 25}))
    second = _ok(client.get(API, params={"limit": 25, "cursor": first["next_cursor"]}))
    assert [item["seq"] for item in first["items"] + second["items"]] == list(range(60, 10, -1))
    item = first["items"][0]
    assert item["actor"] == {"kind": "system", "id": "", "name": "系统"}
    assert item["details"] == {"ok": True, "types": ["004", "007"], "note": "<b>&"}
    assert item["at"] == "2026-11-04T12:30:00Z"
    assert set(item) >= {"action", "object_type", "object_id", "ip", "prev_hash", "hash"}


def test_list_filters(client: TestClient) -> None:
    wanted = {"action": "device.read", "object_id": "d0", "from": "2026-11-03", "to": "2026-11-03"}
    items = _ok(client.get(API, params=wanted))["items"]
    assert [item["seq"] for item in items] == [37, 31, 25, 19]


@pytest.mark.parametrize(
    "params", [{"from": "yesterday"}, {"q": "a\x00"}, {"limit": "0"}, {"actor": "x" * 101}]
)
def test_bad_filters_are_refused(client: TestClient, params: dict[str, str]) -> None:
    response = client.get(API, params=params)
    assert (response.status_code, response.json()["code"]) == (422, "invalid")
    assert set(response.json()["errors"]) == set(params)


def test_verify(client: TestClient, filled: Database) -> None:
    found = _ok(client.get(f"{API}/verify"))
    assert (found["ok"], found["checked"], found["first_bad_seq"]) == (True, 60, None)
    assert len(found["head"]) == 64
    _tamper(filled, "UPDATE audit_records SET ip = 'x' WHERE seq = 31")
    found = _ok(client.get(f"{API}/verify"))
    assert (found["ok"], found["checked"], found["first_bad_seq"]) == (False, 30, 31)
    assert _actions(filled) == []


def test_checkpoint_with_consistency(client: TestClient, filled: Database) -> None:
    old = _ok(client.get(f"{API}/checkpoint"))
    assert (old["size"], old["consistency"]) == (60, None)
    assert Signer(SECRET.encode()).open(old["text"]).size == 60
    client.post("/audit/verify")
    new = _ok(client.get(f"{API}/checkpoint", params={"old_size": 60}))
    proof = [base64.b64decode(node) for node in new["consistency"]]
    roots = [base64.b64decode(found["root"]) for found in (old, new)]
    assert verify_consistency(60, new["size"], proof, *roots)
    refused = client.get(f"{API}/checkpoint", params={"old_size": 99})
    assert (refused.status_code, refused.json()["code"]) == (422, "audit.size")


def test_checkpoint_of_a_broken_trail_is_refused(client: TestClient, filled: Database) -> None:
    _tamper(filled, "UPDATE audit_records SET ip = 'x' WHERE seq = 31")
    for path in ("checkpoint", "export"):
        response = client.get(f"{API}/{path}")
        assert (response.status_code, response.json()["code"]) == (409, "audit.chain_broken")


@pytest.mark.parametrize("action", ["", "device.read"])
def test_export_verifies_offline_and_is_on_record(
    client: TestClient, filled: Database, action: str
) -> None:
    response = client.get(f"{API}/export", params={"action": action})
    assert response.headers["content-type"] == "application/jsonl"
    lines = response.text.splitlines()
    kept = json.loads(lines[0])
    assert offline.verify(lines, kept["checkpoint"], kept["key"])
    assert len(lines) == (32 if action else 63)
    assert _actions(filled) == ["audit.exported"]


def test_without_permission(app: FastAPI, client: TestClient, filled: Database) -> None:
    act_as(app, lambda: _principal(Permission.READ))
    for path in ("", "/verify", "/checkpoint", "/export"):
        response = client.get(f"{API}{path}")
        assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    assert client.get("/audit").status_code == 403
    assert client.post("/audit/verify").status_code == 403
    assert _actions(filled) == ["access.refused"] * 6


def test_page_lists_and_filters(client: TestClient) -> None:
    page = client.get("/audit", params={"q": "", "from": "", "action": "device.read", "limit": 20})
    assert page.status_code == 200
    assert page.text.count("<tr>") == 21
    assert "&lt;b&gt;&amp;" in page.text
    assert "系统 读取设备" in page.text
    assert 'value="device.read" selected' in page.text
    assert "/api/v1/audit-records/export?action=device.read" in page.text
    following = re.search(r'rel="next" href="([^"]+)"', page.text)
    assert following is not None
    second = client.get(following[1].replace("&amp;", "&"))
    assert second.text.count("<tr>") == 11
    assert "第一页" in second.text


def test_page_without_records(client: TestClient) -> None:
    page = client.get("/audit", params={"q": "nothing like that"})
    assert "没有符合条件的审计记录" in page.text


def _verify_on_page(client: TestClient) -> str:
    response = client.post("/audit/verify")
    assert (response.status_code, response.headers["location"]) == (303, "/audit")
    text: str = client.get("/audit").text
    return text


def test_verify_on_the_page(client: TestClient, filled: Database) -> None:
    assert "审计记录 60 条，首尾相接" in _verify_on_page(client)
    assert _actions(filled) == ["audit.verified", "audit.checkpointed"]
    with filled.reading() as session:
        assert session.exec(select(AuditCheckpoint)).one().size == 61
    assert "审计记录 62 条，首尾相接" in _verify_on_page(client)


TAMPERINGS: list[tuple[str, str, list[str]]] = [
    (
        "UPDATE audit_records SET ip = 'x' WHERE seq = 31",
        "第 31 条记录与链不符",
        ["audit.verification_failed"],
    ),
    ("DELETE FROM audit_records WHERE seq > 50", "第 51 条记录与链不符", []),
    ("DELETE FROM audit_head", "第 1 条记录与链不符", []),
]


@pytest.mark.parametrize(("script", "sentence", "actions"), TAMPERINGS)
def test_verify_a_broken_trail_on_the_page(
    client: TestClient, filled: Database, script: str, sentence: str, actions: list[str]
) -> None:
    _tamper(filled, script)
    assert sentence in _verify_on_page(client)
    assert _actions(filled) == actions


@pytest.fixture
def shell(filled: Database, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setenv("QINGKA_DATABASE_URL", filled.url.render_as_string())
    monkeypatch.setenv("QINGKA_DATA_DIR", str(Path(str(filled.url.database)).parent))
    monkeypatch.setenv("QINGKA_SECRET_KEY", SECRET)

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        result = CliRunner().invoke(audit_cli.app, [str(argument) for argument in arguments])
        return result.exit_code, result.stdout, result.stderr

    return run


def test_verify_from_the_shell(
    shell: Callable[..., tuple[int, str, str]], filled: Database
) -> None:
    code, out, err = shell("verify")
    assert (code, err) == (0, "")
    assert out.startswith("审计记录 60 条，首尾相接")
    assert "没有库外检查点" in out
    _tamper(filled, "UPDATE audit_records SET ip = 'x' WHERE seq = 31")
    code, out, err = shell("verify")
    assert (code, out) == (1, "")
    assert err.startswith("第 31 条记录与链不符")


def test_checkpoint_and_export_from_the_shell(
    shell: Callable[..., tuple[int, str, str]], filled: Database, tmp_path: Path
) -> None:
    kept, export = tmp_path / "kept", tmp_path / "audit.jsonl"
    code, out, key = shell("checkpoint", "--output", kept)
    assert (code, out) == (0, "")
    assert shell("export", "-o", export)[0] == 0
    assert offline.main([str(export), str(kept), key.strip()]) == 0
    code, out, _ = shell("verify", "--checkpoint", kept)
    assert code == 0
    assert "与 3 个库外检查点一致，前 60 条自签发以来未被改写，其后 2 条尚无库外检查点" in out
    assert _actions(filled) == ["audit.checkpointed", "audit.exported"]
    kept.write_text("nonsense", encoding="utf-8")
    code, _, err = shell("verify", "--checkpoint", kept)
    assert (code, err[:6]) == (1, "检查点无效：")


def test_export_and_checkpoint_to_standard_output(
    shell: Callable[..., tuple[int, str, str]],
) -> None:
    code, out, _ = shell("export")
    assert (code, len(out.splitlines())) == (0, 63)
    code, out, err = shell("checkpoint")
    assert (code, Signer(SECRET.encode()).open(out).size) == (0, 61)
    assert err.startswith("qingka/audit+")


def test_a_kept_checkpoint_is_downloaded_and_compared_on_the_page(
    client: TestClient, filled: Database
) -> None:
    kept = client.get("/audit/checkpoint.txt")
    assert kept.headers["content-disposition"] == 'attachment; filename="qingka-audit-60.txt"'
    assert Signer(SECRET.encode()).open(kept.text).size == 60

    def compare(text: str) -> str:
        response = client.post("/audit/compare", data={"checkpoint": text})
        assert (response.status_code, response.headers["location"]) == (303, "/audit")
        page: str = client.get("/audit").text
        return page

    pasted = kept.text.replace("\n", "\r\n").strip()
    assert "与 1 个库外检查点一致，前 60 条自签发以来未被改写" in compare(pasted)
    assert "检查点无效" in compare("something else")
    _rewrite(filled)
    assert "与库外保存的检查点不符，此前的记录被改写，提交核对的检查点" in compare(kept.text)


def test_a_kept_checkpoint_is_compared_by_the_api(client: TestClient, filled: Database) -> None:
    kept = client.get("/audit/checkpoint.txt").text
    found = _ok(client.post(f"{API}/verify", json={"checkpoint": kept}))
    assert (found["ok"], found["anchors"], found["anchored"]) == (True, 1, 60)
    refused = client.post(f"{API}/verify", json={"checkpoint": "x"})
    assert (refused.status_code, refused.json()["code"]) == (422, "audit.checkpoint_invalid")
    _rewrite(filled)
    found = _ok(client.post(f"{API}/verify", json={"checkpoint": kept}))
    assert (found["ok"], found["problem"]) == (False, "anchor")
    assert _ok(client.get(f"{API}/verify"))["problem"] is None


def _rewrite(database: Database) -> None:
    """Alter a record and compute every hash anew, as who has the file can."""
    rows = []
    with database.reading() as session:
        rows = [one.model_dump() for one in session.exec(select(AuditRecord))]
    previous = GENESIS
    script = []
    for row in sorted(rows, key=lambda row: int(row["seq"])):
        row["actor_name"] = "别人"
        names = ("actor_kind", "actor_id", "actor_name", "action", "object_type", "object_id")
        texts = {name: row[name] for name in (*names, "ip", "details")}
        new = chain_hash(previous, record_bytes(seq=row["seq"], at=moment(row["at"]), **texts))
        script.append(
            f"UPDATE audit_records SET actor_name = '别人', prev_hash = '{previous}',"
            f" hash = '{new}' WHERE seq = {row['seq']};"
        )
        previous = new
    _tamper(database, "".join(script) + f"UPDATE audit_head SET hash = '{previous}'")
