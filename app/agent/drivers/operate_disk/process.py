"""The agent's end of the process that holds the library: start, call, kill, start again."""

import hashlib
import os
import queue
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO, cast

from app.agent.drivers.operate_disk import host

START_SECONDS = 10.0
"""How long the host may take to load the library."""

_KILL_SECONDS = 5.0
_OWN_SETTINGS = "QINGKA_"


class HostFailed(Exception):
    """A call did not return. `begun`: the library had been entered, so it may have acted."""

    def __init__(self, message: str, *, begun: bool, timed_out: bool = False) -> None:
        super().__init__(message)
        self.begun = begun
        self.timed_out = timed_out


@dataclass(frozen=True, slots=True)
class LibraryCall:
    """Which library, how it is called, and what its process gets besides this one's environment."""

    library: Path
    convention: str = "cdecl"
    environment: Mapping[str, str] = field(default_factory=dict)
    interpreter: str = sys.executable

    @property
    def lock_path(self) -> Path:
        """The lock file all hosts of this library on this computer share."""
        name = hashlib.sha256(str(self.library).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"qingka-operate-disk-{name}.lock"

    def process_environment(self) -> dict[str, str]:
        """This process's environment without its own settings, some of which are secret."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(_OWN_SETTINGS)
        }
        return inherited | dict(self.environment)

    def command(self) -> list[str]:
        """The host's command line; isolated, so no module beside the script is imported by chance."""
        path = str(Path(host.__file__).resolve())
        return [
            self.interpreter,
            "-I",
            path,
            str(self.library),
            self.convention,
            str(self.lock_path),
        ]


Frame = tuple[bytes, bytes]


class HostProcess:
    """One host, from its start to its death. Use from one thread at a time."""

    def __init__(self, call: LibraryCall) -> None:
        """Starts the host. `HostFailed` when the library cannot be used."""
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the library is the administrator's choice
                call.command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL if sys.stderr is None else None,
                env=call.process_environment(),
            )
        except OSError as error:
            raise HostFailed(str(error), begun=False) from error
        self._frames: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self._reader = threading.Thread(
            target=_collect, args=(cast(BinaryIO, self._process.stdout), self._frames), daemon=True
        )
        self._reader.start()
        self._await_ready()

    @property
    def alive(self) -> bool:
        """Whether it can be called."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def call(self, message: bytes, timeout: float) -> tuple[int, bytes]:
        """What `OperateDisk` returned and wrote. `HostFailed` when it did not return in time."""
        self._send(message)
        try:
            return self._await_answer(time.monotonic() + timeout)
        except HostFailed as error:
            self.kill()
            # Between the last look and the kill the library may have been entered after all.
            error.begun = error.begun or self._process.poll() is None or self._begun_meanwhile()
            raise

    def kill(self) -> None:
        """Ends the host at once."""
        self._process.kill()
        try:
            self._process.wait(_KILL_SECONDS)
        except subprocess.TimeoutExpired:
            # Held by the kernel inside a driver call; it dies when that returns.
            return
        self._reader.join(_KILL_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout):
            _close(pipe)

    def _await_ready(self) -> None:
        try:
            kind, content = self._next(time.monotonic() + START_SECONDS, begun=False)
        except HostFailed:
            self.kill()
            raise
        if kind != b"R":
            self.kill()
            raise HostFailed(content.decode("utf-8", "replace"), begun=False)

    def _await_answer(self, deadline: float) -> tuple[int, bytes]:
        begun = False
        while True:
            kind, content = self._next(deadline, begun=begun)
            if kind == b"A":
                (result,) = struct.unpack(">i", content[:4])
                return result, content[4:]
            if kind == b"O":
                raise HostFailed("税控组件写出了缓冲区", begun=True)
            begun = begun or kind == b"B"

    def _begun_meanwhile(self) -> bool:
        begun = False
        while not self._frames.empty():
            frame = self._frames.get()
            begun = begun or (frame is not None and frame[0] == b"B")
        return begun

    def _send(self, message: bytes) -> None:
        pipe = cast(BinaryIO, self._process.stdin)
        try:
            pipe.write(struct.pack(">I", len(message)) + message)
            pipe.flush()
        except OSError as error:
            raise HostFailed("税控组件进程已退出", begun=False) from error

    def _next(self, deadline: float, *, begun: bool) -> Frame:
        try:
            frame = self._frames.get(timeout=max(deadline - time.monotonic(), 0.0))
        except queue.Empty as error:
            raise HostFailed("税控组件没有在规定时间内返回", begun=begun, timed_out=True) from error
        if frame is None:
            code = self._process.wait(_KILL_SECONDS)
            raise HostFailed(f"税控组件进程已崩溃（{code}）", begun=begun)
        return frame


def _collect(stream: BinaryIO, frames: "queue.SimpleQueue[Frame | None]") -> None:
    while kind := stream.read(1):
        content = host.read_frame(stream)
        if content is None:
            break
        frames.put((kind, content))
    frames.put(None)


def _close(pipe: IO[bytes] | None) -> None:
    try:
        if pipe is not None:
            pipe.close()
    except BrokenPipeError:
        # What was still buffered for a dead host is of no use to anybody.
        return
