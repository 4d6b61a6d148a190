"""`qingka audit`: verify, export and checkpoint from a shell."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from app.accounts.principal import at_the_shell
from app.audit.actor import shell_actor
from app.audit.checkpoint import Signer
from app.audit.operations import export_now
from app.audit.queries import AuditFilter
from app.core.clock import utc_now
from app.core.db import Database
from app.core.installation import opened
from app.errors import QingkaError
from app.proof import checkpoints
from app.proof.restores import accept_restore, contradiction
from app.proof.service import prove
from app.settings import Settings, load_settings

app = typer.Typer(help="审计链：验证、导出、签发检查点", no_args_is_help=True)

KeptOption = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint", exists=True, dir_okay=False, help="另行保存的检查点文件，一并核对"
    ),
]
OutputOption = Annotated[Path | None, typer.Option("--output", "-o", help="写入文件，默认标准输出")]


@contextmanager
def _opened() -> Iterator[tuple[Database, Signer]]:
    """The database and key of the settings. An error of ours ends the command with exit code 1."""
    settings: Settings = load_settings()
    try:
        with opened(settings) as database:
            yield database, Signer(settings.root_secret)
    except QingkaError as error:
        typer.echo(f"{error.title}：{error.detail}", err=True)
        raise typer.Exit(1) from error


@app.command()
def verify(checkpoint: KeptOption = None) -> None:
    """验证审计链，并与清卡记录、审核、核对处理及数据库保护比对；有不符时退出码为 1，并逐项指出。"""
    kept = None if checkpoint is None else checkpoint.read_text(encoding="utf-8")
    with _opened() as (database, _):
        result = prove(database, load_settings(), kept=kept)
    typer.echo(result.sentence, err=not result.ok)
    if not result.ok:
        raise typer.Exit(1)


@app.command("accept-restore")
def accept_restored(
    reason: Annotated[str, typer.Option(help="为何恢复自较早的备份", prompt="恢复的原因")],
    yes: Annotated[bool, typer.Option("--yes", help="不再询问")] = False,
) -> None:
    """认可恢复自较早的备份：与记录不符的库外检查点不再比对；此事永久记入审计链，验证时都会说明。"""
    if not reason.strip():
        typer.echo("请填写原因", err=True)
        raise typer.Exit(1)
    settings = load_settings()
    with _opened() as (database, _):
        found = contradiction(database, settings)
        typer.echo(
            f"{len(found.checkpoints)} 个库外检查点（{found.reach}）"
            f"与现有的 {found.records} 条记录不符；与前 {found.fits} 条一致"
        )
        if not yes and not (sys.stdin.isatty() and typer.confirm("认可这次恢复？")):
            typer.echo("没有认可；确认无误后加 --yes 运行", err=True)
            raise typer.Exit(1)
        accept_restore(
            database, settings, principal=at_the_shell(), reason=reason.strip(), clock=utc_now
        )
        typer.echo(prove(database, settings).sentence)


@app.command()
def export(output: OutputOption = None) -> None:
    """以 JSON Lines 导出全部审计记录，附检查点，供离线验证。"""
    with _opened() as (database, signer):
        lines = export_now(database, signer, AuditFilter(), actor=shell_actor(), clock=utc_now)
        _write(lines, output)


@app.command()
def checkpoint(output: OutputOption = None) -> None:
    """签发检查点，存入数据库、数据目录和备份目标；把输出另行保管，公钥写到标准错误。"""
    with _opened() as (database, signer):
        issued = checkpoints.issue(database, load_settings(), actor=shell_actor(), at=utc_now())
        _write(iter([issued.text]), output)
        typer.echo(signer.verifier_key, err=True)


def _write(lines: Iterator[str], output: Path | None) -> None:
    if output is None:
        sys.stdout.writelines(lines)
        return
    with output.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(lines)
