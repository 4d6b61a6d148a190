"""The converter's side of the wire, over a simulated device and bureau. For demonstrations and tests.

It runs for each command the messages a real converter exchanges with its device and the bureau, so
every fault of the simulation strikes here too: a message nobody answers leaves the converter silent, a
damaged answer gets a wrong CRC, half an answer breaks off, a busy or slow device is WT.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass

from app.agent.drivers.serial_converter.frames import (
    ESCAPE,
    Answer,
    Corrupt,
    Decoder,
    Frame,
    FrameType,
    Request,
    Status,
    answer_capacity,
    encode,
    split,
)
from app.agent.drivers.serial_converter.xml_frames import XML_COMMAND
from app.simulator.serial_commands import Broken, Commands, Half, Refused, Unanswered

Write = Callable[[bytes], Awaitable[None]]

CRC_ERROR = b"\x1f"
UNKNOWN_COMMAND = b"\x20"
TIMED_OUT = b"\x30"


@dataclass(frozen=True, slots=True)
class ConverterTiming:
    """Seconds: patience with half frames and outstanding acknowledgements, and between two WT."""

    half_frame: float = 3.0
    wait_every: float = 1.0


class NotAcknowledged(Exception):
    """The host did not call for the next pack."""


class Converter:
    """Takes the host's bytes by `feed`, answers by `write`. `serve` runs until cancelled."""

    def __init__(
        self, commands: Commands, write: Write, timing: ConverterTiming = ConverterTiming()
    ) -> None:
        self.received: list[int] = []
        """Every command that arrived whole, in order."""
        self._commands = commands
        self._write = write
        self._timing = timing
        self._decoder = Decoder(requests=True)
        self._arrived = asyncio.Event()

    def feed(self, data: bytes) -> None:
        """Takes what the host sent."""
        self._decoder.feed(data)
        self._arrived.set()

    async def serve(self) -> None:
        """Answers one command after the other."""
        while True:
            frame = await self._next_frame()
            if isinstance(frame, Request):
                await self._command(frame)
            elif isinstance(frame, Corrupt) and frame.raw[0] == ESCAPE:
                await self._send(Answer(Status.ERROR, CRC_ERROR))

    async def _command(self, first: Request) -> None:
        self._decoder.type = first.type
        data = await self._collect(first)
        if data is None:
            await self._send(Answer(Status.ERROR, TIMED_OUT, 0, first.type))
            return
        self.received.append(first.command)
        await self._answer(first.type, self._execute(first, data))

    async def _collect(self, frame: Request) -> bytes | None:
        """The data of all packs, each called for; None when one stays away."""
        data = frame.data
        while frame.pack:
            await self._send(Answer(Status.NEXT_PACK, bytes((frame.pack,)), 0, frame.type))
            following = await self._frame_in_time()
            if not isinstance(following, Request) or following.command != frame.command:
                return None
            frame = following
            data += frame.data
        return data

    async def _execute(self, request: Request, data: bytes) -> bytes:
        if request.type is FrameType.XML:
            if request.command != XML_COMMAND:
                raise Refused(UNKNOWN_COMMAND)
            return await self._commands.xml(data)
        return await self._commands.execute(request.command, data)

    async def _answer(self, kind: FrameType, work: Coroutine[None, None, bytes]) -> None:
        try:
            data = await self._busy_meanwhile(kind, work)
            await self._deliver(kind, data)
        except Refused as refused:
            await self._send(Answer(Status.ERROR, refused.data, 0, kind))
        except Broken:
            raw = encode(Answer(Status.OK, b"", 0, kind))
            await self._write(raw[:-1] + bytes((raw[-1] ^ 0x01,)))
        except Half:
            await self._write(encode(Answer(Status.OK, b"", 0, kind))[:3])
        except (Unanswered, NotAcknowledged):
            return

    async def _busy_meanwhile(self, kind: FrameType, work: Coroutine[None, None, bytes]) -> bytes:
        task = asyncio.ensure_future(work)
        try:
            while True:
                done, _ = await asyncio.wait({task}, timeout=self._timing.wait_every)
                if done:
                    return task.result()
                await self._send(Answer(Status.WAIT, b"", 0, kind))
        finally:
            task.cancel()

    async def _deliver(self, kind: FrameType, data: bytes) -> None:
        parts = list(split(data, answer_capacity(kind)))
        for pack, part in parts:
            await self._send(Answer(Status.OK, part, pack, kind))
            if pack:
                await self._await_call_for_next(pack)
        if len(parts) > 1:
            # Whatever arrives now is taken for the host's acknowledgement, also a next command.
            await self._frame_in_time()

    async def _await_call_for_next(self, pack: int) -> None:
        called = await self._frame_in_time()
        if not isinstance(called, Answer) or called.data != bytes((pack,)):
            raise NotAcknowledged

    async def _send(self, frame: Frame) -> None:
        await self._write(encode(frame))

    async def _frame_in_time(self) -> Frame | Corrupt | None:
        try:
            async with asyncio.timeout(self._timing.half_frame):
                return await self._next_frame()
        except TimeoutError:
            return None

    async def _next_frame(self) -> Frame | Corrupt:
        """The next frame. Half a frame followed by silence is answered with a timeout and dropped."""
        while (frame := self._decoder.take()) is None:
            self._arrived.clear()
            patience = self._timing.half_frame if self._decoder.half else None
            try:
                async with asyncio.timeout(patience):
                    await self._arrived.wait()
            except TimeoutError:
                self._decoder.reset()
                await self._send(Answer(Status.ERROR, TIMED_OUT, 0, self._decoder.type))
        return frame
