"""税控盘组件接口: the XML messages through the vendor's library on the PC that holds the disk."""

import sys

from app.agent.config import ConfigError, DeviceConfig
from app.agent.drivers.operate_disk.process import LibraryCall
from app.agent.drivers.operate_disk.transport import LibraryTransport
from app.agent.drivers.transports import HttpTransport
from app.agent.drivers.xml.bureau import BureauClient
from app.agent.drivers.xml.dialects import dialect_of
from app.agent.drivers.xml.driver import XmlDriver

FAMILY = "operate_disk"
DEFAULT_TIMEOUT = 30.0
"""Seconds, where the configuration gives none."""


def build(config: DeviceConfig, password: str) -> XmlDriver:
    """The driver of a device behind a configured library."""
    if config.library is None or config.bureau_url is None:
        raise ConfigError("driver = 'operate_disk' 需要 library 和 bureau_url")
    timeout = config.timeout_seconds or DEFAULT_TIMEOUT
    bureau_timeout = config.bureau_timeout_seconds or DEFAULT_TIMEOUT
    dialect = dialect_of(config.dialect, config.fields, config.inverted_flags)
    call = LibraryCall(
        config.library,
        config.calling_convention,
        config.environment,
        interpreter=str(config.interpreter or sys.executable),
    )
    return XmlDriver(
        FAMILY,
        config.kind,
        dialect=dialect,
        transport=LibraryTransport(call, timeout=timeout),
        bureau=BureauClient(HttpTransport(config.bureau_url, timeout=bureau_timeout), dialect),
        password=password,
        number=config.number,
        machine=config.machine,
        timeout=timeout,
    )
