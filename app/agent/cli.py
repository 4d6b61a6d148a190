"""Command line of the device agent: `qingka agent serve`, `qingka agent enroll`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from app.agent import enrollment
from app.agent.config import ConfigError
from app.agent.enrollment import EnrollmentFailed, Server
from app.agent.serving import ServeOptions
from app.agent.serving import serve as run
from app.core import logging
from app.core.clock import utc_now
from app.files import keep_private

agent = typer.Typer(help="设备代理：税控设备旁的本地服务", no_args_is_help=True)

DataDir = Annotated[Path, typer.Option(envvar="QINGKA_DATA_DIR", help="操作日志与令牌所在目录")]


@agent.callback()
def main() -> None:
    """设备代理：税控设备旁的本地服务。"""
    keep_private()


@agent.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="监听端口")] = 8711,
    host: Annotated[str, typer.Option(help="监听地址")] = "127.0.0.1",
    config: Annotated[
        Path | None, typer.Option(envvar="QINGKA_AGENT_CONFIG", help="设备配置（TOML）")
    ] = None,
    data_dir: DataDir = Path("data"),
    dial: Annotated[
        bool, typer.Option("--dial", help="由代理主动连接已登记的服务器，不需要开放端口")
    ] = False,
    tls_cert: Annotated[Path | None, typer.Option(help="HTTPS 证书（PEM）")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="HTTPS 私钥（PEM）")] = None,
) -> None:
    """运行设备代理，直到被中断。"""
    logging.configure(os.environ.get("QINGKA_LOG_LEVEL", "INFO"))
    try:
        run(ServeOptions(host, port, config, data_dir, dial, tls_cert, tls_key))
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


@agent.command()
def enroll(
    server: Annotated[str, typer.Option(help="服务器地址，例如 https://qingka.example")],
    code: Annotated[str, typer.Option(help="登记码，15 分钟内有效，只能使用一次")],
    data_dir: DataDir = Path("data"),
    listen: Annotated[
        str, typer.Option(help="服务器访问本代理的 https 地址；缺省由代理主动连接服务器")
    ] = "",
    pin: Annotated[str, typer.Option(help="服务器证书的 SHA-256 指纹")] = "",
    ca: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="签发服务器证书的 CA（PEM）")
    ] = None,
    allow_http: Annotated[
        bool, typer.Option("--allow-http", help="允许不加密的服务器地址（仅限可信的专用网络）")
    ] = False,
) -> None:
    """用登记码在服务器上登记这台电脑的设备代理。"""
    try:
        made = enrollment.enroll(
            Server(server, pin, ca, allow_http),
            code,
            data_dir=data_dir,
            listen=listen,
            clock=utc_now,
        )
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    except EnrollmentFailed as error:
        typer.echo(f"登记没有成功：{error}", err=True)
        raise typer.Exit(1) from error
    how = "qingka agent serve --dial" if made.mode == "dial" else "qingka agent serve"
    typer.echo(f"已登记为“{made.name}”。现在运行：{how}")
