"""Kernel events of plugging and unplugging: parsed, heard where there are any, harmless elsewhere."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.agent import uevents
from app.agent.uevents import Uevents, concerns_us

_TTY = Path("/sys/class/tty/tty0/uevent")


@pytest.mark.parametrize(
    ("message", "ours"),
    [
        (b"add@/devices/x\0ACTION=add\0SUBSYSTEM=tty\0DEVNAME=ttyUSB0", True),
        (b"remove@/devices/x\0ACTION=remove\0SUBSYSTEM=usb", True),
        (b"add@/devices/x\0ACTION=add\0SUBSYSTEM=net", False),
        (b"move@/devices/x\0ACTION=move\0SUBSYSTEM=tty", False),
        (b"libudev\0\xfe\xed\xca\xfe=\xff", False),
        (b"", False),
    ],
)
def test_which_events_concern_us(message: bytes, ours: bool) -> None:
    assert concerns_us(message) is ours


@pytest.fixture
def heard() -> Iterator[threading.Event]:
    """Set when an event was noticed."""
    noticed = threading.Event()
    events = Uevents(noticed.set)
    events.start()
    yield noticed
    events.stop()


@pytest.mark.skipif(
    not os.access(_TTY, os.W_OK), reason="only root may have the kernel announce a device again"
)
def test_an_event_of_the_kernel_is_noticed(heard: threading.Event) -> None:
    _TTY.write_text("change")
    assert heard.wait(5)


def test_without_such_events_nothing_is_listened_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uevents, "AVAILABLE", False)
    events = Uevents(lambda: None)
    events.start()
    events.stop()
    assert events._thread is None
