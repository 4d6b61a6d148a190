"""`qingka backup`: list and verify."""

from typing import Annotated
from uuid import UUID

import typer

from app.accounts.principal import SYSTEM
from app.backups import queries, service
from app.backups.models import BackupState
from app.core import migrate
from app.core.clock import local, utc_now
from app.core.db import Database
from app.core.pagination import MAX_LIMIT, PageRequest
from app.errors import QingkaError
from app.settings import load_settings

app = typer.Typer(help="备份", no_args_is_help=True)


@app.command("list")
def list_backups(
    limit: Annotated[int, typer.Option(min=1, max=MAX_LIMIT, help="条数")] = 50,
) -> None:
    """列出备份，最近的在前。"""
    database = Database(load_settings().resolved_database_url)
    migrate.upgrade(database)
    with database.reading() as session:
        rows, _ = queries.page(session, SYSTEM, PageRequest(limit))
        for row in rows:
            when = f"{local(row.created_at):%Y-%m-%d %H:%M}"
            typer.echo(f"{row.id}  {when}  {row.state.value:<9} {row.size:>10}  {row.path}")
    database.dispose()


@app.command()
def verify(
    backup_id: Annotated[UUID | None, typer.Argument(help="备份编号；不填则校验全部")] = None,
) -> None:
    """读回备份并与清单比对；有损坏时退出码为 1。"""
    settings = load_settings()
    database = Database(settings.resolved_database_url)
    migrate.upgrade(database)
    ids = [backup_id] if backup_id else _all_ids(database)
    damaged = 0
    for one in ids:
        try:
            checked = service.verify(
                database, settings.resolved_backup_dir, one, actor=SYSTEM.actor, clock=utc_now
            )
        except QingkaError as error:
            typer.echo(error.detail, err=True)
            raise typer.Exit(1) from error
        damaged += checked.state is BackupState.DAMAGED
        typer.echo(f"{one}  {checked.state.value}  {checked.check_message}")
    database.dispose()
    if damaged:
        raise typer.Exit(1)


def _all_ids(database: Database) -> list[UUID]:
    ids: list[UUID] = []
    cursor: str | None = None
    with database.reading() as session:
        while True:
            rows, cursor = queries.page(session, SYSTEM, PageRequest(MAX_LIMIT, cursor))
            ids += [row.id for row in rows]
            if cursor is None:
                return ids
