"""税控服务器: the XML messages over HTTP, POST {url}/SKServer/SKDo. One server serves many devices."""

from app.agent.config import ConfigError, DeviceConfig
from app.agent.drivers.transports import HttpTransport
from app.agent.drivers.xml.bureau import BureauClient
from app.agent.drivers.xml.dialects import dialect_of
from app.agent.drivers.xml.driver import XmlDriver

FAMILY = "tax_server"
DEFAULT_TIMEOUT = 30.0
"""Seconds, where the configuration gives none."""


def build(config: DeviceConfig, password: str) -> XmlDriver:
    """The driver of one device of a tax server."""
    if config.url is None or config.bureau_url is None:
        raise ConfigError("driver = 'tax_server' 需要 url 和 bureau_url")
    timeout = config.timeout_seconds or DEFAULT_TIMEOUT
    bureau_timeout = config.bureau_timeout_seconds or DEFAULT_TIMEOUT
    dialect = dialect_of(config.dialect, config.fields, config.inverted_flags)
    return XmlDriver(
        FAMILY,
        config.kind,
        dialect=dialect,
        transport=HttpTransport(f"{config.url}/SKServer/SKDo", timeout=timeout),
        bureau=BureauClient(HttpTransport(config.bureau_url, timeout=bureau_timeout), dialect),
        password=password,
        number=config.number,
        machine=config.machine,
        timeout=timeout,
    )
