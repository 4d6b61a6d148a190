"""`qingka backup`: create, list, verify, restore, drill, prune, rotate."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn
from uuid import UUID

import typer
from pydantic import ValidationError

from app.accounts.principal import SYSTEM, at_the_shell
from app.backups import encryption, queries, service
from app.backups.models import BackupKind, BackupState
from app.backups.requested import back_up_requested
from app.backups.schemas import BackupCreate
from app.backups.storage import Storage, storage_of
from app.core.clock import local, utc_now
from app.core.db import Database
from app.core.forms import form_messages
from app.core.hooks import HookPoint
from app.core.installation import BREAKS, BRING, fingerprint, opened
from app.core.pagination import MAX_LIMIT, PageRequest
from app.errors import QingkaError
from app.operators import queries as operators_queries
from app.settings import Settings, load_settings

app = typer.Typer(help="备份", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class _World:
    settings: Settings
    database: Database
    storage: Storage


rules = HookPoint[Callable[[Settings, Database], None]]("backups.rules")
"""How the rules that admins have set at run time are applied to the settings of a command."""


@contextmanager
def _world() -> Iterator[_World]:
    """Settings, migrated database and storage; an error is said with what to do, and exits with 1."""
    settings = load_settings()
    with _said(), opened(settings) as database:
        for apply in rules:
            apply(settings, database)
        yield _World(settings, database, storage_of(settings))


@contextmanager
def _said() -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        for message in form_messages(error).values():
            typer.echo(message, err=True)
        raise typer.Exit(1) from error
    except QingkaError as error:
        typer.echo(f"{error.code}: {error.detail}", err=True)
        typer.echo(f"  → {error.remedy}", err=True)
        raise typer.Exit(1) from error


@app.command()
def create(
    operator: Annotated[str, typer.Option(help="操作员工号，与 --period 一起")] = "",
    enterprise: Annotated[str, typer.Option(help="企业的纳税人识别号")] = "",
    period: Annotated[str, typer.Option(help="属期 YYYY-MM")] = "",
    system: Annotated[bool, typer.Option("--system", help="全系统备份")] = False,
) -> None:
    """立即备份，读回比对后登记。"""
    with _world() as world:
        values: dict[str, object] = {"period": period or None}
        if system:
            values = {"kind": BackupKind.SYSTEM}
        elif operator:
            values["operator_id"] = _operator_id(world.database, operator)
        elif enterprise:
            values["enterprise_id"] = _enterprise_id(world.database, enterprise)
        data = BackupCreate.model_validate(values)
        made = back_up_requested(
            world.database, world.settings, data, principal=at_the_shell(), clock=utc_now
        )
        typer.echo(f"{made.id}  {made.path}  {made.check_message}")


def _operator_id(database: Database, code: str) -> UUID:
    with database.reading() as session:
        operator = operators_queries.by_code(session, code)
    if operator is None:
        _give_up(f"没有工号为 {code} 的操作员")
    return operator.id


def _enterprise_id(database: Database, tax_no: str) -> UUID:
    with database.reading() as session:
        found = queries.enterprise_id(session, tax_no)
    if found is None:
        _give_up(f"没有纳税人识别号为 {tax_no} 的企业")
    return found


def _give_up(text: str) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(1)


@app.command("list")
def list_backups(
    limit: Annotated[int, typer.Option(min=1, max=MAX_LIMIT, help="条数")] = 50,
) -> None:
    """列出备份，最近的在前。"""
    with _world() as world, world.database.reading() as session:
        rows, _ = queries.page(session, SYSTEM, PageRequest(limit))
        for row in rows:
            when = f"{local(row.created_at):%Y-%m-%d %H:%M}"
            typer.echo(f"{row.id}  {when}  {row.state.value:<9} {row.size:>10}  {row.path}")


@app.command()
def verify(
    backup_id: Annotated[UUID | None, typer.Argument(help="备份编号；不填则校验全部")] = None,
) -> None:
    """读回备份并与清单比对；有损坏时退出码为 1。"""
    with _world() as world:
        ids = [backup_id] if backup_id else _all_ids(world.database)
        damaged = sum(not _verify(world, one) for one in ids)
    if damaged:
        raise typer.Exit(1)


def _verify(world: _World, backup_id: UUID) -> bool:
    checked = service.verify(
        world.database, world.storage, backup_id, actor=at_the_shell().actor, clock=utc_now
    )
    typer.echo(f"{backup_id}  {checked.state.value}  {checked.check_message}")
    return checked.state is not BackupState.DAMAGED


@app.command()
def restore(
    backup_id: Annotated[UUID | None, typer.Argument(help="备份编号")] = None,
    preview: Annotated[bool, typer.Option("--preview", help="只显示会发生什么")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="不再询问")] = False,
    to: Annotated[str, typer.Option(help="全系统备份：新数据库的地址")] = "",
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="直接读取备份文件，配合 --to")
    ] = None,
) -> None:
    """恢复备份：先显示会发生什么，确认后写回；全系统备份恢复到 --to 指定的新数据库。"""
    if file is not None and to:
        _restore_file(file, to)
        return
    if backup_id is None:
        _give_up("请给出备份编号，或同时给出 --file 与 --to")
    with _world() as world:
        if to:
            _restore_system(world, backup_id, to)
        else:
            _restore_ledger(world, backup_id, preview=preview, yes=yes)


def _restore_file(path: Path, to: str) -> None:
    """Without a database of ours: it may be what was lost."""
    with _said(), path.open("rb") as file:
        plain = encryption.unsealed(file, encryption.keys_of(load_settings()))
        done = service.restore_system(plain, to)
        _say_restored(done)
        _say_what_the_secret_breaks(done, load_settings())


def _say_what_the_secret_breaks(done: service.SystemRestored, settings: Settings) -> None:
    """The archive holds everything but the root secret; nothing here makes one."""
    if not done.secret:
        typer.echo("这份备份没有记录系统密钥的指纹，无法核对本机的系统密钥", err=True)
    elif settings.has_secret and fingerprint(settings) == done.secret:
        typer.echo(f"系统密钥与备份一致（指纹 {done.secret}）")
    else:
        here = "本机的系统密钥不是备份时的那一个" if settings.has_secret else "本机没有系统密钥"
        typer.echo(f"{here}，备份时的指纹为 {done.secret}。{BREAKS}。", err=True)
        typer.echo(f"  → {BRING.format(directory=settings.data_dir)}", err=True)


def _restore_system(world: _World, backup_id: UUID, to: str) -> None:
    with service.any_good_copy(world.database, world.storage, backup_id) as good:
        _say_restored(service.restore_system(good.file, to))


def _say_restored(done: service.SystemRestored) -> None:
    typer.echo(f"已恢复 {done.tables} 张表共 {done.rows} 行（{done.engine}），逐行比对一致")


def _restore_ledger(world: _World, backup_id: UUID, *, preview: bool, yes: bool) -> None:
    plan = service.preview(world.database, world.storage, backup_id)
    _show(plan)
    if preview:
        return
    if not yes and not (sys.stdin.isatty() and typer.confirm("写回以上数据？")):
        _give_up("没有恢复；确认无误后加 --yes 运行")
    done = service.restore(
        world.database, world.storage, backup_id, actor=at_the_shell().actor, clock=utc_now
    )
    typer.echo(f"恢复完成：写回 {done.writes} 条，共 {done.total} 条")


def _show(plan: service.Preview) -> None:
    for one in plan.devices:
        typer.echo(
            f"{one.device_number}  恢复 {one.returning}  改回 {one.changing}  "
            f"不变 {one.unchanged}  草稿 {one.drafts_returning}  冲突 {one.conflicts}"
        )
    for blocker in plan.blockers:
        typer.echo(f"✕ {blocker}", err=True)


@app.command()
def drill(
    backup_id: Annotated[UUID | None, typer.Argument(help="备份编号；不填则为最近一份")] = None,
) -> None:
    """恢复演练：恢复到临时数据库并逐行比对；不一致时退出码为 1。"""
    with _world() as world:
        wanted = backup_id or _newest_id(world.database)
        report = service.drill(
            world.database, world.storage, wanted, actor=at_the_shell().actor, clock=utc_now
        )
        typer.echo(f"{wanted}  {'通过' if report.ok else '未通过'}  {report.message}")
    if not report.ok:
        raise typer.Exit(1)


@app.command()
def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只列出会清理的备份")] = False,
) -> None:
    """按保留规则清理备份，每一份都有审计记录；有删不掉的时退出码为 1。"""
    with _world() as world:
        gone = service.prune(
            world.database,
            world.storage,
            service.retention_of(world.settings),
            actor=at_the_shell().actor,
            clock=utc_now,
            dry_run=dry_run,
        )
    _say_each([(f"{one.backup_id}  {one.path}", one.problem) for one in gone])


@app.command()
def rotate() -> None:
    """用当前密钥重新加密全部备份，之后不再需要旧密钥；有失败时退出码为 1。"""
    with _world() as world:
        done = service.rotate(
            world.database, world.storage, actor=at_the_shell().actor, clock=utc_now
        )
    _say_each([(f"{one.backup_id}  {one.path}", one.problem) for one in done])


def _say_each(lines: list[tuple[str, str]]) -> None:
    for text, problem in lines:
        typer.echo(f"{text}  {problem}".rstrip(), err=bool(problem))
    typer.echo(f"共 {len(lines)} 份，{sum(bool(problem) for _, problem in lines)} 份未完成")
    if any(problem for _, problem in lines):
        raise typer.Exit(1)


def _newest_id(database: Database) -> UUID:
    with database.reading() as session:
        newest = queries.newest_id(session)
    if newest is None:
        _give_up("还没有备份")
    return newest


def _all_ids(database: Database) -> list[UUID]:
    ids: list[UUID] = []
    cursor: str | None = None
    with database.reading() as session:
        while True:
            rows, cursor = queries.page(session, SYSTEM, PageRequest(MAX_LIMIT, cursor))
            ids += [row.id for row in rows if row.state is not BackupState.DELETED]
            if cursor is None:
                return ids
