"""Putting the agent together: `build_agent` is the one entry for the server and for the command line."""

import sqlite3
from pathlib import Path

from fastapi import FastAPI

from app.agent.api import create_agent_app
from app.agent.auth import TokenHash
from app.agent.config import AgentConfig, ConfigError, DeviceConfig, load_config
from app.agent.drivers.registry import build_driver
from app.agent.events import EventBuffer
from app.agent.journal import Journal
from app.agent.managed import ManagedDevice, PasswordInUse
from app.agent.operations.base import Timing
from app.agent.passwords import device_password
from app.agent.ports import Port, WorkerPool
from app.agent.runtime import Runtime
from app.core.clock import Clock, utc_now

JOURNAL_NAME = "agent-journal.db"


def build_agent(
    config: Path | AgentConfig, data_dir: Path, token: str | TokenHash, *, clock: Clock = utc_now
) -> tuple[FastAPI, Runtime]:
    """The agent's app and its runtime, not yet started. Raises `ConfigError`."""
    path = config if isinstance(config, Path) else None
    settings = load_config(config) if isinstance(config, Path) else config
    runtime = build_runtime(settings, settings.data_dir or data_dir, clock=clock, path=path)
    return create_agent_app(runtime, token), runtime


def build_runtime(
    config: AgentConfig, data_dir: Path, *, clock: Clock = utc_now, path: Path | None = None
) -> Runtime:
    """The runtime of these devices, with its journal in `data_dir`. Raises `ConfigError`.

    `path` is the file the configuration is from: a password corrected in it is taken up.
    """
    pool, events = WorkerPool(), EventBuffer()
    ports: dict[str, Port] = {}
    devices = [
        _device(config, item, path, ports.setdefault(item.port_key, Port(pool)), events, clock)
        for item in config.device
    ]
    return Runtime(
        devices,
        journal=_journal(data_dir, clock),
        pool=pool,
        events=events,
        clock=clock,
        timing=Timing(settle=config.settle_seconds, confirm_give_up=config.confirm_give_up_seconds),
        probe_seconds=config.probe_seconds,
        read_wait=config.read_wait_seconds,
    )


def _device(
    config: AgentConfig,
    item: DeviceConfig,
    path: Path | None,
    port: Port,
    events: EventBuffer,
    clock: Clock,
) -> ManagedDevice:
    simulated = config.is_simulated(item)
    password = device_password(item, simulated=simulated)
    times = {
        "timeout_seconds": config.timeout_of(item),
        "bureau_timeout_seconds": config.bureau_timeout_of(item),
    }
    complete = item.model_copy(update=times)
    return ManagedDevice(
        complete,
        build_driver(complete, password),
        port,
        simulated=simulated,
        password=PasswordInUse(
            password,
            lambda: device_password(_as_configured(item, path), simulated=simulated),
            lambda corrected: build_driver(complete, corrected),
        ),
        clock=clock,
        publish=events.add,
    )


def _as_configured(item: DeviceConfig, path: Path | None) -> DeviceConfig:
    """The device as its file describes it now. Raises `ConfigError`."""
    if path is None:
        return item
    place = item.port_key, item.number
    found = (one for one in load_config(path).device if (one.port_key, one.number) == place)
    return next(found, item)


def _journal(data_dir: Path, clock: Clock) -> Journal:
    data_dir.mkdir(parents=True, exist_ok=True)
    path = data_dir / JOURNAL_NAME
    try:
        return Journal(path, clock)
    except sqlite3.OperationalError as error:
        raise ConfigError(
            f"无法打开操作日志 {path}（{error}）：可能另有一个设备代理正在使用同一数据目录"
        ) from error
