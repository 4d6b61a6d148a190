"""Driver families by name. A family is imported when the first device of it is configured."""

from collections.abc import Callable
from importlib import import_module
from typing import cast

from app.agent.config import ConfigError, DeviceConfig
from app.agent.drivers.base import Driver

FAMILIES = ("tax_server", "serial_converter", "operate_disk")
"""The names of the families; each is a folder here whose `driver.py` has `build(config, password)`."""

Build = Callable[[DeviceConfig, str], Driver]


def build_driver(config: DeviceConfig, password: str) -> Driver:
    """The driver of a configured device. Raises `ConfigError` when its family can't be loaded."""
    return _family(config.driver)(config, password)


def _family(name: str) -> Build:
    if name not in FAMILIES:
        raise ConfigError(f"没有名为 {name} 的驱动；可用的驱动：{'、'.join(FAMILIES)}")
    try:
        module = import_module(f"app.agent.drivers.{name}.driver")
    except ImportError as error:
        raise ConfigError(f"驱动 {name} 无法加载：{error}") from error
    return cast(Build, module.build)
