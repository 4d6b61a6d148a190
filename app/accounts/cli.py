"""Command line parts `account` and `api-key`. Whoever has the shell of the server acts as the system."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import typer

from app.accounts import key_queries, queries, service
from app.accounts.models import Account, SessionEnd
from app.accounts.names import normalize_name
from app.accounts.principal import at_the_shell
from app.core.clock import local, utc_now
from app.core.db import Session
from app.core.installation import opened
from app.core.pagination import MAX_LIMIT, PageRequest
from app.errors import NotFound, QingkaError
from app.settings import Settings, load_settings

account_app = typer.Typer(help="账号", no_args_is_help=True)
api_key_app = typer.Typer(help="API 密钥", no_args_is_help=True)

PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="从标准输入读取密码")]


@dataclass(frozen=True, slots=True)
class Work:
    """One transaction with the settings it runs under."""

    session: Session
    settings: Settings


@contextmanager
def working() -> Iterator[Work]:
    """Migrate, then one transaction; errors that have a sentence end with it and exit code 1."""
    settings = load_settings()
    try:
        with opened(settings) as database, database.transaction() as session:
            yield Work(session, settings)
    except QingkaError as error:
        for text in error.errors.values() or [error.detail]:
            typer.echo(text, err=True)
        raise typer.Exit(1) from error


def typed_password(from_stdin: bool) -> str | None:
    return sys.stdin.readline().rstrip("\r\n") if from_stdin else None


def _named(session: Session, name: str) -> Account:
    account = queries.account_by_name(session, normalize_name(name))
    if account is None:
        raise NotFound(f"没有账号：{name}")
    return account


@account_app.command("passwd")
def set_password(
    name: Annotated[str, typer.Argument(help="用户名")], password_stdin: PasswordStdin = False
) -> None:
    """重置密码；登录后须修改，现有登录全部结束。"""
    password = typed_password(password_stdin)
    with working() as work:
        account = _named(work.session, name)
        given = service.reset_password(
            work.session, account.id, by=at_the_shell(), clock=utc_now, password=password
        )
    typer.echo("密码已重置，登录后须修改")
    if password is None:
        typer.echo(f"一次性密码（只显示这一次）：{given}")


@account_app.command("remove-totp")
def remove_totp(name: Annotated[str, typer.Argument(help="用户名")]) -> None:
    """停用一个账号的动态验证码（手机丢失时）；现有登录全部结束，密码不变。"""
    with working() as work:
        account, by, at = _named(work.session, name), at_the_shell(), utc_now()
        if not service.uses_totp(account):
            raise NotFound(f"账号 {account.name} 没有启用动态验证码")
        service.remove_totp(work.session, account, by=by, at=at)
        service.end_sessions_of(
            work.session, account.id, actor=by.actor, reason=SessionEnd.ENDED_BY_ADMIN, at=at
        )
    typer.echo("动态验证码已停用，可在 账号 → 动态验证码 重新绑定")


@account_app.command("list")
def list_accounts() -> None:
    """列出账号：用户名、显示名、角色、状态，以制表符分隔。"""
    with working() as work:
        cursor: str | None = None
        while True:
            page = queries.list_accounts(work.session, page=PageRequest(MAX_LIMIT, cursor))
            for view in queries.views(work.session, page.items, at=utc_now()):
                typer.echo(_account_line(view))
            cursor = page.next_cursor
            if cursor is None:
                return


def _account_line(view: queries.AccountView) -> str:
    account = view.account
    state = "启用" if account.disabled_at is None else "停用"
    roles = ",".join(sorted(role.value for role in view.roles))
    return "\t".join([account.name, account.display_name, roles, state])


@account_app.command("disable")
def disable_account(name: Annotated[str, typer.Argument(help="用户名")]) -> None:
    """停用账号；现有登录全部结束。"""
    with working() as work:
        account = _named(work.session, name)
        service.disable_account(work.session, account.id, by=at_the_shell(), clock=utc_now)
    typer.echo("账号已停用")


@api_key_app.command("list")
def list_api_keys() -> None:
    """列出 API 密钥：编号、开头、名称、权限、状态，以制表符分隔。"""
    with working() as work:
        cursor: str | None = None
        while True:
            page = key_queries.list_api_keys(work.session, page=PageRequest(MAX_LIMIT, cursor))
            for row in page.items:
                until = f"{local(row.expires_at):%Y-%m-%d}" if row.expires_at else "永不过期"
                state = "已吊销" if row.revoked_at else until
                typer.echo("\t".join([str(row.id), row.prefix, row.name, row.scopes, state]))
            cursor = page.next_cursor
            if cursor is None:
                return


@api_key_app.command("revoke")
def revoke_api_key(key_id: Annotated[UUID, typer.Argument(help="编号，见 list")]) -> None:
    """吊销 API 密钥。"""
    with working() as work:
        service.revoke_api_key(work.session, key_id, by=at_the_shell(), at=utc_now())
    typer.echo("密钥已吊销")
