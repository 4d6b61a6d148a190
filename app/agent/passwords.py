"""Where device passwords come from. They stay with the agent and are never sent to the server."""

import stat
from pathlib import Path

from app.agent.config import FACTORY_PASSWORD, ConfigError, DeviceConfig
from app.core.logging import get_logger

KEYRING_SERVICE = "qingka-agent"
"""Service name in the operating system's keyring; the user name is the device number."""

_log = get_logger(__name__)


def device_password(device: DeviceConfig, *, simulated: bool = False) -> str:
    """The password of a device; empty when none is set. Raises `ConfigError` when it cannot be read."""
    if device.password_file is not None:
        return _from_file(device.password_file)
    if device.keyring:
        return _from_keyring(device.number or device.transport)
    if device.password is None:
        return ""
    password = device.password.get_secret_value()
    if password == FACTORY_PASSWORD and not simulated:
        _log.warning(
            "factory_password_in_plain_text",
            device=device.number,
            advice="change the device's password and keep it in the keyring or a password_file",
        )
    return password


def _from_file(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"无法读取口令文件 {path}：{error}") from error
    if hasattr(stat, "S_IRWXG") and mode & (stat.S_IRGRP | stat.S_IROTH):
        _log.warning("secret_file_readable_by_others", path=str(path), advice="chmod 600")
    return text


def _from_keyring(user: str) -> str:
    import keyring
    from keyring.errors import KeyringError

    try:
        return keyring.get_password(KEYRING_SERVICE, user) or ""
    except KeyringError as error:
        raise ConfigError(f"无法从系统钥匙串读取设备 {user} 的口令：{error}") from error
