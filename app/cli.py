"""Command line: qingka serve | worker | agent | virtual | account | api-key | clear | backup | audit | …

A command is imported when it is asked for, and what it needs inside it: a shell that asks for the version
does not wait for the server's hundreds of modules.
"""

import sys
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from app import __version__, features
from app.feature import Command, Feature
from app.files import keep_private
from app.startup import StartRefused, putting_together

if TYPE_CHECKING:
    from app.core.db import Database
    from app.settings import Settings

_ALONE = frozenset(
    {"version", *(c.name for f in features.FEATURES for c in f.commands if not c.composed)}
)
"""Commands that touch no data of the server: they do without the product's tables and hooks."""


class _Commands(TyperGroup):
    """The commands here and those of all features, each feature's imported when it is named.

    What keeps a program from starting is one line and exit code 2, whichever command it is.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *_places()]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        own = super().get_command(ctx, cmd_name)
        return _loaded(cmd_name) if own is None and cmd_name in _places() else own

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except StartRefused as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from error


@cache
def _places() -> dict[str, list[tuple[Feature, Command]]]:
    """The commands of features by the name they stand under, a group's own first."""
    found: dict[str, list[tuple[Feature, Command]]] = {}
    everything = [(feature, one) for feature in features.FEATURES for one in feature.commands]
    for feature, one in sorted(everything, key=lambda pair: bool(pair[1].group)):
        found.setdefault(one.group or one.name, []).append((feature, one))
    return found


@cache
def _loaded(name: str) -> Any:
    """Return the command, or the group with all that features have put into it."""
    holder = typer.Typer(add_completion=False)
    holder.callback()(lambda: None)
    with putting_together():
        (feature, first), *others = _places()[name]
        part = feature.part(first.place, "app")
        if isinstance(part, typer.Typer):
            holder.add_typer(part, name=name)
        else:
            holder.command(name)(part)
        for feature, other in others:
            part.command(other.name)(feature.part(other.place, ""))
        return typer.main.get_group(holder).commands[name]


app = typer.Typer(cls=_Commands, help="清卡管理 Qingka", no_args_is_help=True, add_completion=False)


@app.callback()
def _compose(ctx: typer.Context) -> None:
    """清卡管理 Qingka"""
    keep_private()
    if ctx.invoked_subcommand in _ALONE:
        return
    with putting_together():
        from app.requests.cli import engine

        features.compose()
    engine.fill([_engine_unless_served])


@app.command()
def version() -> None:
    """显示版本。"""
    typer.echo(__version__)


@app.command()
def migrate() -> None:
    """把数据库升级到最新结构。"""
    from app.core import migrate as migrations
    from app.core.db import Database
    from app.settings import load_settings

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
        from app.agent.config import ConfigError
        from app.core.logging import configure
        from app.settings import load_settings

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
    from app.core.logging import configure
    from app.requests.run.processes import NoSlot
    from app.settings import load_settings
    from app.worker import NeedsPostgres, work

    settings = load_settings()
    configure(settings.log_level)
    try:
        work(settings)
    except (NeedsPostgres, NoSlot) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def _engine_unless_served(
    settings: "Settings", database: "Database"
) -> AbstractContextManager[None]:
    from app import serving

    return serving.engine_unless_served(settings, database)


def main() -> None:
    """Entry point of `python -m app.cli`."""
    app(prog_name=Path(sys.argv[0]).name)


if __name__ == "__main__":
    main()
