"""Command line: qingka serve | worker | agent | virtual | account | api-key | clear | backup | audit | …

What only the server needs is imported where it is used: it would make every other command start slowly.
"""

import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any

from app.startup import putting_together

with putting_together():
    import typer
    from typer.core import TyperGroup

    from app import __version__, features
    from app.agent.config import ConfigError
    from app.clearing.cli import engine
    from app.core import migrate as migrations
    from app.core.db import Database
    from app.core.logging import configure
    from app.files import keep_private
    from app.settings import Settings, StartRefused, load_settings


class _Commands(TyperGroup):
    """What keeps a program from starting is one line and exit code 2, whichever command it is."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except StartRefused as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from error


app = typer.Typer(cls=_Commands, help="清卡管理 Qingka", no_args_is_help=True, add_completion=False)


@app.callback()
def _compose() -> None:
    """清卡管理 Qingka"""
    keep_private()
    with putting_together():
        features.compose()
    engine.fill([_engine_unless_served])


@app.command()
def version() -> None:
    """显示版本。"""
    typer.echo(__version__)


@app.command()
def migrate() -> None:
    """把数据库升级到最新结构。"""
    database = Database(load_settings().resolved_database_url)
    migrations.upgrade(database)
    typer.echo(f"数据库结构：{migrations.current_revision(database)}")
    database.dispose()


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="监听地址")] = None,
    port: Annotated[int | None, typer.Option(help="监听端口，0 为任意空闲端口")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="模拟设备的演示环境")] = False,
) -> None:
    """启动页面、接口、工作流与内置设备代理。"""
    with putting_together():
        from app import serving

    settings = load_settings()
    configure(settings.log_level)
    where = host or settings.host, settings.port if port is None else port
    try:
        if demo:
            serving.serve_demo(*where)
        else:
            serving.serve(settings, *where)
    except (ConfigError, serving.AlreadyRunning) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


@app.command()
def worker() -> None:
    """只执行工作流，用于 PostgreSQL 上的多进程部署。"""
    from app.clearing.workflow.processes import NoSlot
    from app.worker import NeedsPostgres, work

    settings = load_settings()
    configure(settings.log_level)
    try:
        work(settings)
    except (NeedsPostgres, NoSlot) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def _engine_unless_served(settings: Settings, database: Database) -> AbstractContextManager[None]:
    from app import serving

    return serving.engine_unless_served(settings, database)


def _add_commands() -> None:
    groups = {"": app}
    for feature in features.FEATURES:
        for command in feature.commands:
            part, parent = feature.part(command.place, "app"), groups[command.group]
            if isinstance(part, typer.Typer):
                parent.add_typer(part, name=command.name)
                groups[command.name] = part
            else:
                parent.command(command.name)(part)


with putting_together():
    _add_commands()


def main() -> None:
    """Entry point of `python -m app.cli`."""
    app(prog_name=Path(sys.argv[0]).name)


if __name__ == "__main__":
    main()
