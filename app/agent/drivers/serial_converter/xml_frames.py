"""The XML messages in frames of type 0x20, for what the plain protocol has no command for."""

from app.agent.drivers.serial_converter.frames import FrameType
from app.agent.drivers.serial_converter.link import Ask, ConverterError, Link, LinkError, Silent
from app.agent.drivers.transports import AnswerLost, NotSent

XML_COMMAND = 0x00
"""The command byte of a frame that carries XML: the message inside names itself."""


class XmlFrames:
    """An `XmlTransport` over a converter's link. It is for messages that may be repeated."""

    def __init__(self, link: Link, address: str, *, timeout: float) -> None:
        self.address = address
        self._link = link
        self._timeout = timeout

    def exchange(self, message: bytes, timeout: float | None = None) -> bytes:
        """The XML in the converter's answer. `ConverterError` when it answers ER."""
        ask = Ask(XML_COMMAND, message, timeout or self._timeout, bool, type=FrameType.XML)
        try:
            return self._link.exchange(ask)
        except ConverterError:
            raise
        except LinkError as error:
            kind = AnswerLost if error.executed else NotSent
            raise kind(str(error), timed_out=isinstance(error, Silent)) from error

    def close(self) -> None:
        """The link belongs to the driver, which closes it."""


class NoBureau:
    """An `XmlTransport` to a bureau that only the converter reaches."""

    address = ""

    def exchange(self, message: bytes, timeout: float | None = None) -> bytes:
        """Sends nothing."""
        raise NotSent("由转换器与税务端通信")

    def close(self) -> None:
        """There is nothing to close."""
