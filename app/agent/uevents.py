"""Plugging and unplugging as the kernel tells it (Linux), the very messages udev acts on.

They only hasten the next look at a device: where there are none, polling finds out by itself.
"""

import socket
import threading
from collections.abc import Callable

from app.core.logging import get_logger

log = get_logger(__name__)

AVAILABLE = hasattr(socket, "AF_NETLINK")
"""Whether this system has such messages (not on Windows and macOS)."""

_KOBJECT_UEVENT = 15
_KERNEL_GROUP = 1
_SUBSYSTEMS = frozenset({"tty", "usb", "hidraw", "block"})
_LARGEST = 8192
_LOOK_SECONDS = 0.5


class Uevents:
    """Calls `noticed` when a device that could be one of ours comes or goes."""

    def __init__(self, noticed: Callable[[], None]) -> None:
        self._noticed = noticed
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen, where the system allows it."""
        if not AVAILABLE:
            return
        try:
            link = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _KOBJECT_UEVENT)
            link.bind((0, _KERNEL_GROUP))
        except OSError as error:
            log.info("no kernel events, polling alone", reason=str(error))
            return
        link.settimeout(_LOOK_SECONDS)
        self._thread = threading.Thread(target=self._listen, args=(link,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=2 * _LOOK_SECONDS)

    def _listen(self, link: socket.socket) -> None:
        with link:
            while not self._stopping.is_set():
                try:
                    message = link.recv(_LARGEST)
                except TimeoutError:
                    continue
                except OSError as error:
                    log.warning("kernel events ended, polling alone", reason=str(error))
                    return
                if concerns_us(message):
                    self._noticed()


def concerns_us(message: bytes) -> bool:
    """Whether the message tells of a port that came, went or changed."""
    fields = dict(part.split("=", 1) for part in _texts(message) if "=" in part)
    return fields.get("SUBSYSTEM") in _SUBSYSTEMS and fields.get("ACTION") in (
        "add",
        "remove",
        "change",
        "bind",
        "unbind",
    )


def _texts(message: bytes) -> list[str]:
    return [part.decode("utf-8", "replace") for part in message.split(b"\0")]
