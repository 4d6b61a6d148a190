"""Command line: new accounts and API keys, with the enterprises they reach by tax number."""

from datetime import timedelta
from typing import Annotated

import typer

from app.accounts import service
from app.accounts.cli import PasswordStdin, typed_password, working
from app.accounts.principal import Permission, Role, at_the_shell
from app.accounts.service import AccountDraft
from app.core.clock import utc_now
from app.operators import access

Enterprises = Annotated[
    list[str] | None,
    typer.Option("--enterprise", help="只限这家企业（税号），可重复；不给则不限企业"),
]


def create_account(
    name: Annotated[str, typer.Argument(help="用户名")],
    role: Annotated[list[Role], typer.Option(help="角色，可重复")],
    display_name: Annotated[str, typer.Option(help="显示名")] = "",
    enterprise: Enterprises = None,
    operator: Annotated[str, typer.Option(help="本人是哪位操作员（工号）")] = "",
    password_stdin: PasswordStdin = False,
) -> None:
    """新建账号；不给密码时生成一次性密码并显示一次。"""
    password = typed_password(password_stdin)
    with working() as work:
        draft = AccountDraft(
            name=name,
            roles=frozenset(role),
            display_name=display_name,
            password=password,
            must_change_password=password is None,
            enterprise_ids=access.enterprises_named(work.session, enterprise)
            if enterprise
            else None,
            operator_id=access.operator_coded(work.session, operator),
        )
        new = service.create_account(
            work.session, draft, by=at_the_shell(), settings=work.settings, clock=utc_now
        )
        made = new.account.name
    typer.echo(f"已创建账号 {made}")
    if new.one_time_password:
        typer.echo(f"一次性密码（只显示这一次）：{new.one_time_password}")


def create_api_key(
    name: Annotated[str, typer.Argument(help="名称")],
    scope: Annotated[list[Permission], typer.Option(help="权限，可重复")],
    enterprise: Enterprises = None,
    days: Annotated[int, typer.Option(min=0, help="有效天数；0 为永不过期")] = 365,
) -> None:
    """新建 API 密钥；密钥写到标准输出，只显示这一次。"""
    at = utc_now()
    with working() as work:
        new = service.create_api_key(
            work.session,
            by=at_the_shell(),
            name=name,
            scopes=frozenset(scope),
            expires_at=at + timedelta(days=days) if days else None,
            at=at,
            enterprise_ids=access.enterprises_named(work.session, enterprise)
            if enterprise
            else None,
        )
    typer.echo(new.key)
