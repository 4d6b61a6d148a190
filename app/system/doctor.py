"""`qingka doctor`: looks at settings, database, backups and agents, and says what to do."""

from pathlib import Path
from typing import Annotated

import typer

from app.accounts import queries as accounts_queries
from app.audit.actor import shell_actor
from app.core.clock import utc_now
from app.core.db import Database
from app.devices import queries as devices_queries
from app.devices import service as devices_service
from app.devices.models import MOUNTED
from app.errors import QingkaError
from app.proof.service import prove
from app.settings import Settings, load_settings
from app.system import diagnostics
from app.system.status import Finding, examine

_MARKS = {"ok": "✓", "warning": "!", "blocking": "✕"}


def doctor(
    bundle: Annotated[
        Path | None, typer.Option(help="把诊断信息（不含密钥与口令）写入这个 zip 文件")
    ] = None,
) -> None:
    """检查运行环境；有问题时退出码为 1。"""
    settings = load_settings()
    database = Database(settings.resolved_database_url)
    try:
        findings = examine(database, settings, utc_now)
        if all(finding.severity == "ok" for finding in findings[:3]):
            findings += _limited(database)
            findings += [*_proof(database, settings), *_agents(database)]
            if bundle is not None:
                _write_bundle(bundle, database, settings)
    finally:
        database.dispose()
    for finding in findings:
        typer.echo(f"{_MARKS[finding.severity]} {finding.message}")
        if finding.remedy:
            typer.echo(f"  → {finding.remedy}")
    if any(finding.severity == "blocking" for finding in findings):
        raise typer.Exit(1)


def _write_bundle(path: Path, database: Database, settings: Settings) -> None:
    """The log of a running server is in its own process: its page gives a bundle with it."""
    path.write_bytes(diagnostics.collect(database, settings, actor=shell_actor(), clock=utc_now))
    typer.echo(f"诊断包：{path}")


def _limited(database: Database) -> list[Finding]:
    """Accounts of an older version whose role and limits do not go together."""
    with database.reading() as session:
        return [
            Finding(
                "warning",
                f"账号 {account.name} 限定了企业，它的管理员或审计员角色不起作用",
                "在“账号”中改为操作员或审核员，或设为全部企业可见。",
            )
            for account in accounts_queries.limited_with_system_roles(session)
        ]


def _proof(database: Database, settings: Settings) -> list[Finding]:
    """Each thing that does not fit the audit trail; or how far it proves that all does."""
    proof = prove(database, settings)
    if proof.ok:
        return [Finding("ok", proof.sentence)]
    remedy = "保全数据库文件，与另行保管的检查点比对，并联系技术支持。"
    return [Finding("blocking", one.message, remedy) for one in proof.findings]


def _agents(database: Database) -> list[Finding]:
    """Agents elsewhere answer for themselves; the mounted one lives inside the server's process."""
    settings = load_settings()
    findings: list[Finding] = []
    with database.reading() as session:
        agents = [a for a in devices_queries.all_agents(session) if a.base_url != MOUNTED]
    for agent in agents:
        try:
            status = devices_service.check_agent(
                database, agent.id, settings=settings, clock=utc_now
            )
        except QingkaError as error:
            findings.append(
                Finding("warning", f"设备代理 {agent.name}：{error.detail}", error.remedy)
            )
        else:
            findings.append(
                Finding("ok", f"设备代理 {agent.name}：{status.version}，{status.devices} 台设备")
            )
    return findings
