"""`qingka secret`: which root secret this is, and going on with another one when it is truly lost."""

from typing import Annotated

import typer

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.actor import shell_actor
from app.core import installation, migrate
from app.core.clock import utc_now
from app.core.db import Database
from app.settings import load_settings

app = typer.Typer(help="系统密钥：查看指纹；确实丢失时换用新的", no_args_is_help=True)


@app.command()
def show() -> None:
    """显示本机系统密钥与数据的指纹；不一致时退出码为 2。"""
    settings = load_settings()
    with installation.opened(settings) as database:
        typer.echo(f"系统密钥与数据一致（指纹 {installation.kept_fingerprint(database)}）")


@app.command()
def replace(
    yes: Annotated[bool, typer.Option("--yes", help="已确认原来的系统密钥找不回来")] = False,
) -> None:
    """原来的系统密钥确实丢失时，以本机的（没有则新生成）继续；写入审计。"""
    settings = load_settings()
    database = Database(settings.resolved_database_url)
    try:
        installation.require_database(database, settings)
        migrate.upgrade(database)
        if installation.secret_trouble(database, settings) is None:
            typer.echo("系统密钥与数据一致，不需要更换")
            return
        if not yes:
            typer.echo(f"{installation.BREAKS}。", err=True)
            typer.echo("  → 确认原来的系统密钥找不回来后，加 --yes 运行", err=True)
            raise typer.Exit(1)
        before, actor, at = installation.kept_fingerprint(database), shell_actor(), utc_now()
        with database.transaction() as session:
            installation.keep_fingerprint(session, settings, by=actor.name, at=at)
            audit.record(
                session,
                actor=actor,
                action=AuditAction.ROOT_KEY_REPLACED,
                object_type="system",
                object_id="root_secret",
                at=at,
                details={"before": before, "after": installation.fingerprint(settings)},
            )
        typer.echo(f"已换用指纹为 {installation.fingerprint(settings)} 的系统密钥。接下来：")
        typer.echo("  重新登记设备代理、通知渠道与 Webhook；请各账号重新绑定动态验证码；")
        typer.echo("  运行 qingka audit checkpoint，另行保存新的检查点")
    finally:
        database.dispose()
