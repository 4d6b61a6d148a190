"""Command line of the device agent: `qingka agent serve`."""

import os
import signal
import socket
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
import uvicorn

from app.agent.assembly import build_agent
from app.agent.config import AgentConfig, ConfigError, load_config
from app.core import logging
from app.core.ids import new_token

agent = typer.Typer(help="设备代理：税控设备旁的本地服务", no_args_is_help=True)

TOKEN_VARIABLE = "QINGKA_AGENT_TOKEN"  # noqa: S105 - the name of a variable
TOKEN_FILE = "agent-token"  # noqa: S105 - the name of a file


@agent.callback()
def main() -> None:
    """Keeps `serve` a command of its own."""


@agent.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="监听端口")] = 8711,
    host: Annotated[str, typer.Option(help="监听地址")] = "127.0.0.1",
    config: Annotated[
        Path | None, typer.Option(envvar="QINGKA_AGENT_CONFIG", help="设备配置（TOML）")
    ] = None,
    data_dir: Annotated[
        Path, typer.Option(envvar="QINGKA_DATA_DIR", help="操作日志与令牌所在目录")
    ] = Path("data"),
) -> None:
    """Run the agent until it is interrupted."""
    logging.configure(os.environ.get("QINGKA_LOG_LEVEL", "INFO"))
    try:
        settings = load_config(config) if config is not None else AgentConfig()
        folder = settings.data_dir or data_dir
        token = agent_token(folder)
        app, runtime = build_agent(settings, folder, token)
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    listener = _listen(host, port)
    signal.signal(signal.SIGTERM, _leave)
    runtime.start()
    try:
        typer.echo(f"agent ready on http://{host}:{listener.getsockname()[1]}")
        options = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
        uvicorn.Server(options).run(sockets=[listener])
    finally:
        runtime.stop()
        listener.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        typer.echo(f"无法监听 {host}:{port}：{error}", err=True)
        raise typer.Exit(2) from error


def _leave(number: int, frame: FrameType | None) -> None:
    """Uvicorn raises the signal again once it has ended; then the devices are let go in order."""
    raise SystemExit(0)


def agent_token(data_dir: Path) -> str:
    """The token from the environment, else the one kept in `data_dir`, made and shown once."""
    if token := os.environ.get(TOKEN_VARIABLE, "").strip():
        return token
    path = data_dir / TOKEN_FILE
    if path.exists():
        return path.read_text(encoding="utf-8").strip()
    token = new_token()
    data_dir.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token + "\n")
    typer.echo(f"设备代理令牌（只显示这一次）：{token}")
    return token
