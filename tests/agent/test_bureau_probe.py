"""Whether the bureau is reachable: asked cheaply, believed for a while, honest about error pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from app.agent.config import AgentConfig
from app.agent.drivers.transports import AnswerLost, NotSent
from app.agent.drivers.xml.bureau import BureauClient
from app.agent.drivers.xml.dialects import COMPONENT

if TYPE_CHECKING:
    from app.contracts.devices import DeviceInfo
    from tests.agent.conftest import Lab

UNKNOWN = (
    '<?xml version="1.0" encoding="gbk"?><business id=""><body><output>'
    "<returncode>-101</returncode><returnmsg>解析请求数据错误</returnmsg></output></body></business>"
).encode("gbk")


class Scripted:
    """A transport that answers as it is told."""

    address = "bureau"

    def __init__(self, answer: Callable[[], bytes]) -> None:
        self.answer = answer
        self.sent: list[bytes] = []

    def exchange(self, message: bytes, timeout: float | None = None) -> bytes:
        assert timeout is None, "the bureau has as long for the probe as for every message"
        self.sent.append(message)
        return self.answer()

    def close(self) -> None:
        """Nothing to close."""


def _lost() -> bytes:
    raise AnswerLost("HTTP 503")


def _refused() -> bytes:
    raise NotSent("connection refused")


@pytest.fixture
def info(lab: Lab) -> DeviceInfo:
    return lab.start()._devices[0].driver.read_info()


@pytest.mark.parametrize(
    ("answer", "reachable"),
    [
        (lambda: UNKNOWN, True),
        (lambda: b"<html>please sign in</html>", False),
        (lambda: b"", False),
        (_lost, False),
        (_refused, False),
    ],
)
def test_what_counts_as_an_answer(
    info: DeviceInfo, answer: Callable[[], bytes], reachable: bool
) -> None:
    transport = Scripted(answer)
    assert BureauClient(transport, COMPONENT).reachable(info) is reachable
    assert info.number.encode() in transport.sent[0]


def test_an_answer_is_believed_for_five_seconds(
    info: DeviceInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("app.agent.drivers.xml.bureau.time.monotonic", lambda: now[0])
    transport = Scripted(lambda: UNKNOWN)
    client = BureauClient(transport, COMPONENT)
    for at, asked in ((100.0, 1), (104.9, 1), (105.0, 2)):
        now[0] = at
        assert client.reachable(info) is True
        assert len(transport.sent) == asked


def test_a_reading_tells_it(lab: Lab) -> None:
    reading = lab.start().read("661814461322")
    assert reading.bureau_reachable is True
    assert reading.summary.can_set_clock is True


def test_how_long_the_bureau_is_waited_for_is_a_setting() -> None:
    config = AgentConfig.model_validate(
        {
            "bureau_timeout_seconds": 25,
            "device": [
                {
                    "driver": "tax_server",
                    "url": "http://127.0.0.1:9",
                    "bureau_url": "http://127.0.0.1:9/b",
                    "number": "661814461322",
                },
                {
                    "driver": "tax_server",
                    "url": "http://127.0.0.1:9",
                    "bureau_url": "http://127.0.0.1:9/b",
                    "number": "661814461323",
                    "bureau_timeout_seconds": 40,
                },
            ],
        }
    )
    assert [config.bureau_timeout_of(one) for one in config.device] == [25, 40]
    assert AgentConfig().bureau_timeout_seconds >= 10
