"""The conversation with a serial converter: one command, one answer, over any byte port.

Answers do not name the command they belong to. So that a late answer is never taken for the answer to
the next command, a link that was just opened, or whose last exchange did not end properly, first
greets the converter: it reads until the line is quiet and asks something whose answer is known by its
length. The converter answers in order, so whatever belongs to an earlier command has come by then.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from app.agent.drivers.serial_converter.frames import (
    Answer,
    Corrupt,
    Decoder,
    Frame,
    FrameType,
    Request,
    Status,
    encode,
    next_pack,
    request_capacity,
    split,
)
from app.agent.drivers.serial_converter.ports import BytePort, Line, PortLost

MAX_ANSWER = 1 << 20
"""Bytes; a converter that sends more has lost its mind."""

CRC_REFUSED = b"\x1f"
"""The error byte that says our request arrived with a wrong CRC, so it was not executed."""


class LinkError(Exception):
    """An exchange failed. `executed`: the converter may have carried the command out."""

    executed = False


class Lost(LinkError):
    """The port is gone or cannot be opened."""


class Silent(LinkError):
    """No complete answer within the command's timeout."""


class Garbled(LinkError):
    """A wrong CRC, a half frame followed by silence, a pack out of order."""


class Unexpected(LinkError):
    """Only answers arrived that cannot belong to the command."""


class ConverterError(LinkError):
    """The converter answered ER with this data."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data.hex(" "))
        self.data = data


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. `half_frame` is the protocol's: a frame or pack whose rest stays away is given up."""

    half_frame: float = 3.0
    quiet: float = 0.1


@dataclass(frozen=True, slots=True)
class Ask:
    """One command. `repeatable`: asking again does no harm. `fits`: whether an answer can be its."""

    command: int
    data: bytes
    timeout: float
    fits: Callable[[bytes], bool]
    repeatable: bool = True
    type: FrameType = FrameType.PLAIN


class Link:
    """One converter behind one port, opened when first needed and again after it was lost.

    `greeting` is asked to get back in step; its last answer must be known by its length.
    """

    def __init__(
        self,
        open_port: Callable[[], BytePort],
        greeting: tuple[Ask, ...],
        timing: Timing = Timing(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_port = open_port
        self._greeting = greeting
        self._timing = timing
        self._clock = clock
        self._line: Line | None = None
        self._decoder = Decoder()
        self._in_step = False
        self._converter_waits = False
        self._executed = False
        self._heard_at = 0.0

    def exchange(self, ask: Ask) -> bytes:
        """The data of the answer. Takes no longer than `ask.timeout`; raises `LinkError`."""
        deadline = self._clock() + ask.timeout
        self._executed = False
        try:
            return self._ask_twice_at_most(ask, deadline)
        except PortLost as error:
            self._drop()
            lost = Lost(str(error))
            lost.executed = self._executed
            raise lost from error
        except LinkError as error:
            error.executed = self._executed and not isinstance(error, ConverterError)
            raise

    def close(self) -> None:
        """Closes the port. The link may be used again: it opens anew."""
        self._drop()

    def _drop(self) -> None:
        self._in_step = False
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def _ask_twice_at_most(self, ask: Ask, deadline: float) -> bytes:
        try:
            return self._ask(ask, deadline)
        except Garbled:
            if not ask.repeatable:
                raise
        except ConverterError as error:
            if not (ask.repeatable and error.data == CRC_REFUSED):
                raise
        return self._ask(ask, deadline)

    def _ask(self, ask: Ask, deadline: float) -> bytes:
        if self._line is None:
            self._line = Line(self._open_port())
        if not self._in_step:
            self._greet(deadline)
        self._in_step = False
        try:
            data = self._converse(ask, deadline)
        except ConverterError:
            self._in_step = True
            raise
        self._in_step = True
        return data

    def _greet(self, deadline: float) -> None:
        """Gets back in step. One ER may be an earlier command's; the second is the greeting's own."""
        refused = False
        while True:
            self._drain(deadline)
            try:
                for ask in self._greeting:
                    self._converse(ask, min(deadline, self._clock() + ask.timeout))
                return
            except ConverterError:
                if refused:
                    raise
                refused = True
            except (Silent, Garbled, Unexpected):
                if self._clock() >= deadline:
                    raise
            finally:
                self._executed = False

    def _drain(self, deadline: float) -> None:
        """Reads until the line is quiet. A converter that waits for our pack would swallow a command."""
        quiet = self._timing.quiet
        if self._converter_waits:
            quiet += self._timing.half_frame
        until = self._clock() + quiet
        while self._port().read(min(until, deadline) - self._clock()):
            until = self._clock() + quiet
        self._converter_waits = self._converter_waits and self._clock() < until
        self._decoder.reset()

    def _converse(self, ask: Ask, deadline: float) -> bytes:
        self._decoder.reset()
        self._decoder.type = ask.type
        self._send(ask, deadline)
        return self._receive(ask, deadline)

    def _send(self, ask: Ask, deadline: float) -> None:
        for pack, part in split(ask.data, request_capacity(ask.type)):
            self._executed = pack == 0
            self._write(Request(ask.command, part, pack, ask.type))
            if pack:
                self._await_call_for_next(pack, deadline)

    def _await_call_for_next(self, pack: int, deadline: float) -> None:
        while True:
            answer = self._answer(deadline)
            if answer.status is Status.ERROR:
                raise ConverterError(answer.data)
            if answer.status is Status.NEXT_PACK and answer.data == bytes((pack,)):
                return

    def _receive(self, ask: Ask, deadline: float) -> bytes:
        misfit = False
        while True:
            try:
                data = self._payload(ask.type, deadline)
            except Silent as error:
                if misfit:
                    raise Unexpected("the answer has an impossible length") from error
                raise
            if ask.fits(data):
                return data
            misfit = True

    def _payload(self, kind: FrameType, deadline: float) -> bytes:
        """The data of one answer, its packs acknowledged and joined."""
        data, last = b"", 0
        while True:
            answer = self._answer(deadline)
            if answer.status is Status.ERROR:
                raise ConverterError(answer.data)
            if answer.status is Status.NEXT_PACK:
                continue
            if answer.pack == 0:
                self._acknowledge_all(kind, several=last > 0)
                return data + answer.data
            if answer.pack == next_pack(last) and len(data) < MAX_ANSWER:
                data, last = data + answer.data, answer.pack
            elif answer.pack != last:
                self._converter_waits = True
                raise Garbled(f"pack {answer.pack} after {last}")
            self._write(Answer(Status.NEXT_PACK, bytes((answer.pack,)), 0, kind))

    def _acknowledge_all(self, kind: FrameType, *, several: bool) -> None:
        # The converter listens up to 3 s for this after several packs, and would take it out of the
        # next command; after a single pack it does not listen.
        if several:
            self._write(Answer(Status.OK, b"", 0, kind))

    def _answer(self, deadline: float) -> Answer:
        """The next frame that is not WT: busy means nothing but to keep waiting."""
        while True:
            frame = self._decoder.take()
            if isinstance(frame, Corrupt):
                self._converter_waits = frame.pack != 0
                raise Garbled("wrong CRC")
            if isinstance(frame, Answer) and frame.status is not Status.WAIT:
                return frame
            if frame is None:
                self._hear(deadline)

    def _hear(self, deadline: float) -> None:
        now = self._clock()
        if now >= deadline:
            raise Silent("no answer in time")
        given_up_at = self._heard_at + self._timing.half_frame
        limit = min(deadline, given_up_at) if self._decoder.half else deadline
        data = self._port().read(limit - now)
        if data:
            self._heard_at = self._clock()
            self._decoder.feed(data)
        elif self._decoder.half and self._clock() >= given_up_at:
            raise Garbled("half a frame")

    def _port(self) -> Line:
        if self._line is None:
            raise PortLost("the port is closed")
        return self._line

    def _write(self, frame: Frame) -> None:
        self._port().write(encode(frame))
