"""A byte port (a serial line or a pseudo-terminal) whose failures have one name."""

import sys
from dataclasses import dataclass
from typing import Protocol, cast

import serial

if sys.platform == "win32":
    _PORT_ERRORS: tuple[type[Exception], ...] = (OSError, TypeError)
else:
    import termios

    # pyserial lets termios errors through, and a TypeError when its descriptor is closed meanwhile.
    _PORT_ERRORS = (OSError, TypeError, termios.error)

_WRITE_SIZE = 512
"""Bytes handed to the port at once; they take 0.5 s at 9600 baud."""

_WRITE_TIMEOUT = 5.0
"""Seconds until a port that takes no bytes counts as lost."""


class BytePort(Protocol):
    """What is used of `serial.Serial`. `timeout` is how long `read` waits, in seconds."""

    timeout: float | None

    @property
    def in_waiting(self) -> int: ...

    def read(self, size: int = 1, /) -> bytes: ...

    def write(self, data: bytes, /) -> int | None: ...

    def close(self) -> None: ...


class PortLost(Exception):
    """The port could not be opened, or failed in use: unplugged, switched off, taken by others."""


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """A serial port: 9600 8N1 unless the converter is set to something else."""

    path: str
    baud: int = 9600
    parity: str = "N"
    stop_bits: float = 1


def open_serial(settings: SerialSettings) -> BytePort:
    """Opens a serial port for this process alone. `PortLost` when that is not possible."""
    try:
        port = serial.Serial(
            settings.path,
            settings.baud,
            parity=settings.parity,
            stopbits=settings.stop_bits,
            write_timeout=_WRITE_TIMEOUT,
            exclusive=True,
        )
    except (*_PORT_ERRORS, ValueError) as error:
        raise PortLost(str(error)) from error
    return cast(BytePort, port)


class Line:
    """Reads and writes of a port; every failure is `PortLost`."""

    def __init__(self, port: BytePort) -> None:
        self._port = port

    def read(self, wait: float) -> bytes:
        """Whatever has arrived, waiting up to `wait` seconds for the first byte; b"" if none came."""
        try:
            self._port.timeout = max(wait, 0.0)
            first = self._port.read(1)
            return first + self._port.read(self._port.in_waiting) if first else b""
        except _PORT_ERRORS as error:
            raise PortLost(str(error)) from error

    def write(self, data: bytes) -> None:
        """Hands all of `data` to the port."""
        try:
            for start in range(0, len(data), _WRITE_SIZE):
                self._port.write(data[start : start + _WRITE_SIZE])
        except _PORT_ERRORS as error:
            raise PortLost(str(error)) from error

    def close(self) -> None:
        """Closes the port; one that is already gone counts as closed."""
        try:
            self._port.close()
        except _PORT_ERRORS as error:
            raise PortLost(str(error)) from error
