"""Configuration of the device agent: TOML, one `[[device]]` table per device (docs/connecting-hardware.md)."""

import tomllib
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from app.contracts.devices import DeviceKind

FACTORY_PASSWORD = "88888888"  # noqa: S105 - printed in every manual; known so that it can be warned of
"""The password devices leave the factory with."""

_COMMON_KEYS = frozenset(
    {
        "driver",
        "kind",
        "number",
        "machine",
        "password",
        "password_file",
        "keyring",
        "timeout_seconds",
        "minimum_version",
        "simulated",
    }
)
_XML_KEYS = frozenset(
    {"bureau_url", "bureau_timeout_seconds", "dialect", "fields", "inverted_flags"}
)
_DRIVER_KEYS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    # driver: (keys it requires, further keys it takes)
    "tax_server": (frozenset({"url", "bureau_url", "number"}), _XML_KEYS),
    "serial_converter": (
        frozenset({"port"}),
        frozenset({"baud", "parity", "stop_bits"}),
    ),
    "operate_disk": (
        frozenset({"library", "bureau_url"}),
        _XML_KEYS | {"calling_convention", "environment", "interpreter"},
    ),
}


class ConfigError(Exception):
    """The configuration cannot be used; the message names each table and key and says what is wrong."""


def _http_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("应为 http:// 或 https:// 开头的地址")
    if parts.username or parts.password:
        raise ValueError("地址中不能含用户名或口令")
    return text.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(_http_url)]


class DeviceConfig(BaseModel):
    """One device: which driver reaches it, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    driver: Literal["tax_server", "serial_converter", "operate_disk"]
    kind: DeviceKind = DeviceKind.TAX_DISK
    number: str = Field("", pattern=r"^(\d{12})?$", description="设备编号; read from it when empty")
    machine: str = Field("", max_length=12, description="机器编号 (jqbh)")
    password: SecretStr | None = None
    password_file: Path | None = None
    keyring: bool = Field(
        False, description="take the password from the operating system's keyring"
    )
    timeout_seconds: float | None = Field(None, gt=0, description="overrides the agent's")
    bureau_timeout_seconds: float | None = Field(None, gt=0, description="overrides the agent's")
    minimum_version: str = Field(
        "",
        max_length=40,
        pattern=r"\d|^$",
        description="oldest device version (bbh) to work with, as the device writes it",
    )
    simulated: bool = False

    url: HttpUrl | None = Field(None, description="tax_server: base of /SKServer/SKDo")
    bureau_url: HttpUrl | None = None
    dialect: Literal["component", "middleware"] = "component"
    fields: dict[str, str] = Field(
        {}, description="names this vendor uses in place of the middleware dialect's"
    )

    inverted_flags: tuple[str, ...] = Field(
        (), description='flags this vendor gives the other way round, e.g. ["scbz"]'
    )

    port: str | None = Field(None, description="serial_converter: e.g. /dev/ttyUSB0 or COM3")
    baud: int = Field(9600, gt=0)
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1

    library: Path | None = Field(None, description="operate_disk: the library with OperateDisk")
    calling_convention: Literal["cdecl", "stdcall"] = "cdecl"
    interpreter: Path | None = Field(
        None, description="Python that loads the library: a 32-bit library needs a 32-bit one"
    )
    environment: dict[str, str] = Field(
        {}, description="further environment variables of the process that holds the library"
    )

    @model_validator(mode="after")
    def _keys_fit_driver(self) -> Self:
        required, optional = _DRIVER_KEYS[self.driver]
        missing = sorted(key for key in required if not getattr(self, key))
        if missing:
            raise ValueError(f"driver = {self.driver!r} 需要：{'、'.join(missing)}")
        foreign = sorted(self.model_fields_set - _COMMON_KEYS - required - optional)
        if foreign:
            raise ValueError(f"driver = {self.driver!r} 不使用：{'、'.join(foreign)}")
        sources = [self.password is not None, self.password_file is not None, self.keyring]
        if sum(sources) > 1:
            raise ValueError("password、password_file、keyring 只能设置一个")
        return self

    @property
    def port_key(self) -> str:
        """Devices with the same key share one physical port and are used one after another."""
        if self.driver == "tax_server":
            return f"{self.url} {self.number}"
        return str(self.port if self.driver == "serial_converter" else self.library)

    @property
    def transport(self) -> str:
        """Where the device is reached, for people; without secrets."""
        return str(self.url or self.port or self.library)


class AgentConfig(BaseModel):
    """The whole file. Times are in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data_dir: Path | None = None
    simulated: bool = Field(False, description="every device is a simulation")
    probe_seconds: float = Field(2.0, gt=0, description="how often an idle device is probed")
    settle_seconds: float = Field(
        3.0, ge=0, description="after a lost answer, how long the device gets to finish"
    )
    timeout_seconds: float = Field(30.0, gt=0, description="for the answer to one message")
    bureau_timeout_seconds: float = Field(
        30.0,
        gt=0,
        description="for the bureau's answer to one message; it is slow on the last days",
    )
    read_wait_seconds: float = Field(
        15.0, gt=0, description="how long a read waits for a device that is in use"
    )
    confirm_give_up_seconds: float = Field(
        600.0, ge=0, description="how long the confirmation to the bureau is tried"
    )
    device: tuple[DeviceConfig, ...] = ()

    @model_validator(mode="after")
    def _devices_are_distinct(self) -> Self:
        counts = Counter(device.number for device in self.device if device.number)
        twice = sorted(number for number, count in counts.items() if count > 1)
        if twice:
            raise ValueError(f"设备编号重复：{'、'.join(twice)}")
        return self

    def is_simulated(self, device: DeviceConfig) -> bool:
        """Whether this device is a simulation."""
        return self.simulated or device.simulated

    def timeout_of(self, device: DeviceConfig) -> float:
        """Seconds to wait for one answer of this device."""
        return device.timeout_seconds or self.timeout_seconds

    def bureau_timeout_of(self, device: DeviceConfig) -> float:
        """Seconds to wait for one answer of the bureau."""
        return device.bureau_timeout_seconds or self.bureau_timeout_seconds


def parse_config(data: dict[str, Any]) -> AgentConfig:
    """The configuration from parsed TOML. Raises `ConfigError`."""
    try:
        return AgentConfig.model_validate(data)
    except ValidationError as error:
        lines = [_describe(dict(item)) for item in error.errors(include_url=False)]
        raise ConfigError("设备代理配置有误：\n" + "\n".join(lines)) from error


def load_config(path: Path) -> AgentConfig:
    """The configuration of a TOML file; relative files in it are next to it. Raises `ConfigError`."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"无法读取设备代理配置 {path}：{error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"设备代理配置 {path} 不是有效的 TOML：{error}") from error
    config = parse_config(data)
    devices = tuple(_beside(device, path.parent) for device in config.device)
    return config.model_copy(update={"device": devices})


def _beside(device: DeviceConfig, folder: Path) -> DeviceConfig:
    if device.password_file is None:
        return device
    return device.model_copy(update={"password_file": folder / device.password_file})


def _describe(item: dict[str, Any]) -> str:
    place = "".join(
        f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in item["loc"]
    ).lstrip(".")
    words = {
        "extra_forbidden": "没有这个设置项",
        "missing": "缺少这个设置项",
    }
    message = words.get(item["type"]) or item["msg"].removeprefix("Value error, ")
    return f"  {place or '（文件）'}：{message}"
