"""Runs the agent as a program of its own: listens, dials out, stops in order."""

import os
import signal
import socket
import ssl
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import typer
import uvicorn
from fastapi import FastAPI

from app.agent import enrollment
from app.agent.assembly import build_agent
from app.agent.auth import TokenHash
from app.agent.config import AgentConfig, ConfigError, load_config
from app.agent.dial import Dialer
from app.agent.enrollment import CERTIFICATE_FILE, KEY_FILE, TOKEN_FILE, Enrollment, write_secret
from app.agent.log_tail import LogTail
from app.agent.pages.routes import page_routes
from app.agent.runtime import Runtime
from app.core.http import CrossSiteGuard
from app.core.ids import new_token
from app.files import tighten

TOKEN_VARIABLE = "QINGKA_AGENT_TOKEN"  # noqa: S105 - the name of a variable


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What the command line says."""

    host: str
    port: int
    config: Path | None
    data_dir: Path
    dial: bool = False
    certificate: Path | None = None
    key: Path | None = None


def serve(options: ServeOptions) -> None:
    """Serve until interrupted. Raises `ConfigError`."""
    settings = load_config(options.config) if options.config is not None else AgentConfig()
    folder = settings.data_dir or options.data_dir
    tighten(folder)
    enrolled = _dialling(folder) if options.dial else None
    token = agent_token(folder)
    certificate = _certificate(options, folder, dials=enrolled is not None)
    with closing(_listen(options.host, options.port)) as listener:
        app, runtime = build_agent(settings, folder, _token(enrolled, token))
        dialer = Dialer(enrolled, app) if enrolled is not None else None
        _add_page(app, runtime, _link(dialer, enrolled))
        for name in ("SIGTERM", "SIGBREAK"):  # the latter is how Windows stops a console program
            if (number := getattr(signal, name, None)) is not None:
                signal.signal(number, _leave)
        _run(options, app, runtime, dialer, listener, certificate)


def agent_token(data_dir: Path) -> TokenHash:
    """The hash of the token callers show: of the one in the environment, else the one kept in `data_dir`.

    A token that is made here is shown once; only its hash is written.
    """
    if token := os.environ.get(TOKEN_VARIABLE, "").strip():
        return TokenHash.of(token)
    path = data_dir / TOKEN_FILE
    if path.exists():
        return _kept_token(path)
    token = new_token()
    data_dir.mkdir(parents=True, exist_ok=True)
    write_secret(path, f"{TokenHash.of(token)}\n".encode())
    typer.echo(f"设备代理令牌（只显示这一次）：{token}")
    return TokenHash.of(token)


def _kept_token(path: Path) -> TokenHash:
    text = path.read_text(encoding="utf-8").strip()
    if not text:
        raise ConfigError(f"令牌文件 {path} 是空的：请删除它，重新启动后登记新的令牌")
    return TokenHash.parse(text)


def _dialling(folder: Path) -> Enrollment:
    found = enrollment.load(folder)
    if found is None or found.mode != "dial":
        raise ConfigError(
            "还没有登记：请在服务器“税控设备 → 设备代理”生成登记码，"
            "然后运行 qingka agent enroll --server 地址 --code 登记码"
        )
    return found


def _token(enrolled: Enrollment | None, own: TokenHash) -> TokenHash:
    """A dialling agent has one token, that of its enrollment, for the tunnel and for its page."""
    return own if enrolled is None else TokenHash.of(enrolled.token.get_secret_value())


def _certificate(options: ServeOptions, folder: Path, *, dials: bool) -> tuple[Path, Path] | None:
    """Certificate and key to serve with: those given, else those made at the enrollment."""
    if (options.certificate is None) != (options.key is None):
        raise ConfigError("--tls-cert 与 --tls-key 需要同时给出")
    if options.certificate is not None and options.key is not None:
        return _usable(options.certificate, options.key)
    own = folder / CERTIFICATE_FILE, folder / KEY_FILE
    return _usable(*own) if own[0].exists() and not dials else None


def _usable(certificate: Path, key: Path) -> tuple[Path, Path]:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"证书 {certificate} 或私钥 {key} 无法使用：{error}") from error
    return certificate, key


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise ConfigError(f"无法监听 {host}:{port}：{error}") from error


def _add_page(app: FastAPI, runtime: Runtime, link: Callable[[], str]) -> None:
    tail = LogTail()
    tail.install()
    app.include_router(page_routes(runtime, tail.lines, link))
    app.add_middleware(CrossSiteGuard)


def _link(dialer: Dialer | None, enrolled: Enrollment | None) -> Callable[[], str]:
    """How the agent and its server are connected, in words."""
    if dialer is None or enrolled is None:
        return lambda: "等待服务器连接"
    server = enrolled.server
    return lambda: f"已连接 {server}" if dialer.connected.is_set() else f"正在连接 {server}"


def _run(
    options: ServeOptions,
    app: FastAPI,
    runtime: Runtime,
    dialer: Dialer | None,
    listener: socket.socket,
    certificate: tuple[Path, Path] | None,
) -> None:
    runtime.start()
    try:
        if dialer is not None:
            dialer.start()
        scheme = "http" if certificate is None else "https"
        typer.echo(f"agent ready on {scheme}://{options.host}:{listener.getsockname()[1]}")
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            ssl_certfile=certificate[0] if certificate else None,
            ssl_keyfile=certificate[1] if certificate else None,
            timeout_graceful_shutdown=3,
        )
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        if dialer is not None:
            dialer.stop()
        runtime.stop()


def _leave(number: int, frame: FrameType | None) -> None:
    """Uvicorn raises the signal again once it has ended; then the devices are let go in order."""
    raise SystemExit(0)
