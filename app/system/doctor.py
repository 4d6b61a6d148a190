"""`qingka doctor`: looks at settings, database, backups and agents, and says what to do."""

import typer

from app.core.clock import utc_now
from app.core.db import Database
from app.devices import queries as devices_queries
from app.devices import service as devices_service
from app.devices.models import MOUNTED
from app.errors import QingkaError
from app.settings import load_settings
from app.system.status import Finding, examine

_MARKS = {"ok": "✓", "warning": "!", "blocking": "✕"}


def doctor() -> None:
    """检查运行环境；有问题时退出码为 1。"""
    settings = load_settings()
    database = Database(settings.resolved_database_url)
    try:
        findings = examine(database, settings, utc_now)
        if all(finding.severity == "ok" for finding in findings[:2]):
            findings += _agents(database)
    finally:
        database.dispose()
    for finding in findings:
        typer.echo(f"{_MARKS[finding.severity]} {finding.message}")
        if finding.remedy:
            typer.echo(f"  → {finding.remedy}")
    if any(finding.severity == "blocking" for finding in findings):
        raise typer.Exit(1)


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
