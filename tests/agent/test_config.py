"""The agent's configuration: what docs/connecting-hardware.md shows works, and what is wrong is named."""

from pathlib import Path
from typing import Any

import pytest

from app.agent.config import ConfigError, load_config, parse_config
from app.agent.drivers import registry
from app.agent.drivers.registry import build_driver
from app.agent.passwords import KEYRING_SERVICE, device_password
from app.contracts.devices import DeviceKind

EXAMPLE = """
probe_seconds = 1.5

[[device]]
driver = "tax_server"
url = "http://127.0.0.1:8712/"
bureau_url = "http://127.0.0.1:8712/bureau"
number = "661814461322"
password_file = "disk.password"
dialect = "component"
kind = "tax_disk"

[[device]]
driver = "serial_converter"
port = "/dev/ttyUSB0"
baud = 9600
password = "71624935"

[[device]]
driver = "operate_disk"
library = "NISEC_SKPC.dll"
bureau_url = "https://bureau.example/"
password = "71624935"
kind = "golden_tax_disk"
"""

TAX_SERVER = {
    "driver": "tax_server",
    "url": "http://127.0.0.1:1",
    "bureau_url": "http://127.0.0.1:1/bureau",
    "number": "661814461322",
    "password": "71624935",
}


def test_the_example(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(EXAMPLE, encoding="utf-8")
    secret = tmp_path / "disk.password"
    secret.write_text("71624935\n")
    secret.chmod(0o600)
    config = load_config(path)
    first, second, third = config.device
    assert config.probe_seconds == 1.5
    assert first.url == "http://127.0.0.1:8712"
    assert device_password(first) == "71624935"
    assert [device.port_key for device in config.device] == [
        "http://127.0.0.1:8712 661814461322",
        "/dev/ttyUSB0",
        "NISEC_SKPC.dll",
    ]
    assert third.kind is DeviceKind.GOLDEN_TAX_DISK
    assert config.timeout_of(second) == 30


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"url": None}, "device[1]：driver = 'tax_server' 需要：url"),
        ({"port": "/dev/ttyUSB0"}, "device[1]：driver = 'tax_server' 不使用：port"),
        ({"colour": "red"}, "device[1].colour：没有这个设置项"),
        ({"number": "12"}, "device[1].number："),
        ({"url": "ftp://x"}, "device[1].url：应为 http:// 或 https:// 开头的地址"),
        ({"url": "http://me:secret@x"}, "device[1].url：地址中不能含用户名或口令"),
        ({"keyring": True}, "只能设置一个"),
        ({"dialect": "klingon"}, "device[1].dialect："),
        ({"driver": "abacus"}, "device[1].driver："),
        ({"timeout_seconds": 0}, "device[1].timeout_seconds："),
        ({"minimum_version": "newest"}, "device[1].minimum_version："),
    ],
)
def test_mistakes_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({"device": [TAX_SERVER | change]})
    assert message in str(caught.value)


def test_a_secret_is_not_shown_with_the_mistake() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({"device": [TAX_SERVER | {"number": "x", "password": "geheim99"}]})
    assert "geheim99" not in str(caught.value)
    assert "71624935" not in repr(parse_config({"device": [TAX_SERVER]}))


def test_a_number_twice() -> None:
    with pytest.raises(ConfigError, match="设备编号重复：661814461322"):
        parse_config({"device": [TAX_SERVER, TAX_SERVER]})


def test_unknown_setting_of_the_agent() -> None:
    with pytest.raises(ConfigError, match="speed：没有这个设置项"):
        parse_config({"speed": 9})


@pytest.mark.parametrize("content", [None, b"[[device", b"\xff\xfe"])
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "agent.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"agent\.toml"):
        load_config(path)


def test_simulated_is_per_device_or_for_all() -> None:
    alone = parse_config({"device": [TAX_SERVER | {"simulated": True}]})
    every = parse_config({"simulated": True, "device": [TAX_SERVER]})
    none = parse_config({"device": [TAX_SERVER]})
    shown = [config.is_simulated(config.device[0]) for config in (alone, every, none)]
    assert shown == [True, True, False]


def test_password_from_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring

    kept = {(KEYRING_SERVICE, "661814461322"): "71624935"}
    monkeypatch.setattr(keyring, "get_password", lambda service, user: kept.get((service, user)))
    device = parse_config({"device": [TAX_SERVER | {"password": None, "keyring": True}]}).device[0]
    assert device_password(device) == "71624935"


def test_no_keyring_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring
    from keyring.errors import NoKeyringError

    def none(service: str, user: str) -> str:
        raise NoKeyringError("none")

    monkeypatch.setattr(keyring, "get_password", none)
    device = parse_config({"device": [TAX_SERVER | {"password": None, "keyring": True}]}).device[0]
    with pytest.raises(ConfigError, match="钥匙串"):
        device_password(device)


def test_password_file_that_is_missing(tmp_path: Path) -> None:
    change = {"password": None, "password_file": str(tmp_path / "none")}
    device = parse_config({"device": [TAX_SERVER | change]}).device[0]
    with pytest.raises(ConfigError, match="口令文件"):
        device_password(device)


def test_no_password_at_all() -> None:
    device = parse_config({"device": [TAX_SERVER | {"password": None}]}).device[0]
    assert device_password(device) == ""


def test_every_family_has_its_driver() -> None:
    assert registry.FAMILIES == ("tax_server", "serial_converter", "operate_disk")
    config = parse_config({"device": [TAX_SERVER]}).device[0]
    driver = build_driver(config, "71624935")
    assert (driver.family, driver.transport) == ("tax_server", "http://127.0.0.1:1/SKServer/SKDo")


def test_a_family_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(registry, "import_module", missing)
    config = parse_config({"device": [TAX_SERVER]}).device[0]
    with pytest.raises(ConfigError, match="tax_server 无法加载"):
        build_driver(config, "")
