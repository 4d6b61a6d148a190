"""A pseudo-terminal with a simulated converter behind it, optionally under a name of its own."""

import asyncio
import contextlib
import os
import tty
from pathlib import Path
from types import TracebackType
from typing import Self

from app.simulator.serial_commands import Commands
from app.simulator.serial_converter import Converter, ConverterTiming

READ_SIZE = 4096
WRITE_PAUSE = 0.005
"""Seconds between two tries at a full terminal buffer."""


class SimulatedPort:
    """Use inside a running event loop, as an asynchronous context manager.

    `path` is what a driver opens: the symbolic link where one is wanted, else the terminal itself.
    """

    def __init__(
        self,
        commands: Commands,
        *,
        link: Path | None = None,
        timing: ConverterTiming = ConverterTiming(),
    ) -> None:
        self.converter = Converter(commands, self._write, timing)
        self._link = link
        self._ends: tuple[int, int] | None = None
        self._serving: asyncio.Task[None] | None = None
        self.path = ""

    @property
    def plugged(self) -> bool:
        """Whether the port is there."""
        return self._ends is not None

    def plug(self) -> None:
        """Makes the port appear."""
        if self._ends is not None:
            return
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        self._ends = ours, theirs
        asyncio.get_running_loop().add_reader(ours, self._read)
        self.path = self._named(os.ttyname(theirs))

    def unplug(self) -> None:
        """Makes it disappear: whoever has it open gets an error."""
        if self._ends is None:
            return
        ours, theirs = self._ends
        self._ends = None
        asyncio.get_running_loop().remove_reader(ours)
        for end in (ours, theirs):
            os.close(end)
        if self._link is not None:
            self._link.unlink(missing_ok=True)

    async def __aenter__(self) -> Self:
        self.plug()
        self._serving = asyncio.create_task(self.converter.serve())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.unplug()
        if self._serving is not None:
            self._serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._serving

    def _named(self, terminal: str) -> str:
        """The link to the terminal. It replaces one that an earlier, killed process left."""
        if self._link is None:
            return terminal
        fresh = self._link.with_name(self._link.name + ".new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(terminal)
        fresh.replace(self._link)
        return str(self._link)

    def _read(self) -> None:
        if self._ends is not None:
            self.converter.feed(os.read(self._ends[0], READ_SIZE))

    async def _write(self, data: bytes) -> None:
        """Writes all; what nobody reads for long is lost with the port, as on a real line."""
        while data and self._ends is not None:
            try:
                data = data[os.write(self._ends[0], data) :]
            except BlockingIOError:
                await asyncio.sleep(WRITE_PAUSE)
