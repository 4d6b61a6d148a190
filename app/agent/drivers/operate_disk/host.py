"""The process that holds the vendor's library, so that its crashes and hangs harm nobody else.

Run as a script, apart from the rest of the program: only the standard library is used, so the
interpreter may be another one (a 32-bit library needs a 32-bit Python). Frames go over the pipes
standard input and output had at the start; the library gets others, for it may print.

    to the host    length (4 bytes, big-endian), message
    from the host  kind (1 byte), length, content
                   R ready | F the library cannot be used: why (UTF-8), and the end
                   B the call begins, now it may act | A it returned: 4 bytes result, then `out`
                   O it wrote beyond `out`: its memory is not to be trusted any more, and the end

The call is made only while a lock file is held. A host whose agent was killed finishes its call, and
the host of the next agent waits for that, instead of meeting a device in the middle of a change.
"""

import argparse
import ctypes
import os
import queue
import struct
import sys
import threading
from collections.abc import Callable
from typing import BinaryIO

OUT_BYTES = 100 * 1024
"""Size of `out` as the vendors' documents have it."""

_SLACK = OUT_BYTES
"""Bytes behind `out` that catch a library which writes too much."""

ORPHAN_SECONDS = 120.0
"""How long the last call may go on once the agent is gone."""

Library = Callable[[bytes, "ctypes.Array[ctypes.c_char]"], int]


def read_frame(stream: BinaryIO) -> bytes | None:
    """One message, or None when the other side is gone."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    (length,) = struct.unpack(">I", head)
    body = stream.read(length)
    return body if len(body) == length else None


def tell(stream: BinaryIO, kind: bytes, content: bytes = b"") -> None:
    """Sends one frame to the agent."""
    stream.write(kind + struct.pack(">I", len(content)) + content)
    stream.flush()


class Host:
    """Makes one call after the other, in the order the messages came."""

    def __init__(self, library: Library, lock: BinaryIO, out: BinaryIO) -> None:
        self._library = library
        self._lock = lock
        self._out = out

    def serve(self, messages: "queue.SimpleQueue[bytes | None]") -> None:
        """Calls until the agent is gone."""
        tell(self._out, b"R")
        while (message := messages.get()) is not None:
            lock_file(self._lock)
            try:
                kind, content = self._call(message)
            finally:
                unlock_file(self._lock)
            tell(self._out, kind, content)
            if kind == b"O":
                return

    def _call(self, message: bytes) -> tuple[bytes, bytes]:
        buffer = ctypes.create_string_buffer(OUT_BYTES + _SLACK)
        tell(self._out, b"B")
        result = self._library(message, buffer)
        if any(buffer.raw[OUT_BYTES:]):
            return b"O", b""
        return b"A", struct.pack(">i", result) + buffer.raw[:OUT_BYTES].split(b"\0", 1)[0]


def load(path: str, convention: str) -> Library:
    """`OperateDisk` of the library. OSError, AttributeError or ValueError when it cannot be used."""
    if convention == "cdecl":
        library = ctypes.CDLL(path)
    elif sys.platform == "win32":
        library = ctypes.WinDLL(path)
    else:
        raise ValueError("stdcall 只用于 Windows")
    function = library.OperateDisk
    function.argtypes = (ctypes.c_char_p, ctypes.c_char_p)
    function.restype = ctypes.c_int
    return function


if sys.platform == "win32":
    import msvcrt

    def lock_file(file: BinaryIO) -> None:
        """Waits until this process alone holds the lock."""
        while True:
            try:
                file.seek(0)
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
            except OSError:
                continue
            return

    def unlock_file(file: BinaryIO) -> None:
        """Gives the lock back."""
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

    def _binary(descriptor: int) -> None:
        msvcrt.setmode(descriptor, os.O_BINARY)
else:
    import fcntl

    def lock_file(file: BinaryIO) -> None:
        """Waits until this process alone holds the lock."""
        fcntl.flock(file, fcntl.LOCK_EX)

    def unlock_file(file: BinaryIO) -> None:
        """Gives the lock back."""
        fcntl.flock(file, fcntl.LOCK_UN)

    def _binary(descriptor: int) -> None:
        """Pipes carry bytes as they are here."""


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The pipes to the agent, with the library's own input empty and its output on standard error."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    _binary(requests)
    _binary(answers)
    return os.fdopen(requests, "rb"), os.fdopen(answers, "wb")


def _listen(requests: BinaryIO, messages: "queue.SimpleQueue[bytes | None]") -> None:
    """Hands messages on. When the agent is gone, a call that never ends must not keep the process."""
    while (message := read_frame(requests)) is not None:
        messages.put(message)
    messages.put(None)
    end = threading.Timer(ORPHAN_SECONDS, os._exit, (1,))
    end.daemon = True
    end.start()


def main() -> int:
    """Loads the library, then serves until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("library")
    parser.add_argument("convention", choices=("cdecl", "stdcall"))
    parser.add_argument("lock")
    arguments = parser.parse_args()
    requests, answers = _own_pipes()
    messages: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, messages), daemon=True).start()
    try:
        lock = open(arguments.lock, "ab")  # noqa: SIM115 - held as long as the process lives
        library = load(arguments.library, arguments.convention)
    except (OSError, AttributeError, ValueError) as error:
        tell(answers, b"F", str(error).encode("utf-8"))
        return 1
    with lock:
        Host(library, lock, answers).serve(messages)
    return 0


if __name__ == "__main__":
    sys.exit(main())
