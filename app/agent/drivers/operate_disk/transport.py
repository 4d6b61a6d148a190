"""The XML messages through a vendor's shared library, one call at a time (`XmlTransport`)."""

import threading

from app.agent.drivers.operate_disk.process import HostFailed, HostProcess, LibraryCall
from app.agent.drivers.transports import AnswerLost, NotSent
from app.core.logging import get_logger

logger = get_logger(__name__)


class LibraryTransport:
    """Starts the library's process when first needed, and again after it crashed or was killed."""

    def __init__(self, call: LibraryCall, *, timeout: float) -> None:
        self.address = str(call.library)
        self._call = call
        self._timeout = timeout
        self._host: HostProcess | None = None
        self._one_at_a_time = threading.Lock()

    @property
    def process_id(self) -> int | None:
        """The process that holds the library now, if one does."""
        return self._host.pid if self._host is not None and self._host.alive else None

    def exchange(self, message: bytes, timeout: float | None = None) -> bytes:
        """What the library wrote into `out`, which may be anything.

        `NotSent` when the library was certainly not entered, `AnswerLost` when it was and crashed, did not
        return within `timeout` seconds or wrote nothing; its process is killed then.
        """
        with self._one_at_a_time:
            try:
                result, answer = self._call_patiently(message, timeout or self._timeout)
            except HostFailed as error:
                kind = AnswerLost if error.begun else NotSent
                raise kind(f"{self.address}：{error}", timed_out=error.timed_out) from error
        if not answer:
            raise AnswerLost(f"{self.address}：OperateDisk 返回 {result}，没有应答")
        return answer

    def close(self) -> None:
        """Ends the library's process; the next exchange starts another."""
        with self._one_at_a_time:
            self._drop()

    def _call_patiently(self, message: bytes, timeout: float) -> tuple[int, bytes]:
        """A process that turns out to have died before it entered the library is replaced once."""
        try:
            return self._call_once(message, timeout)
        except HostFailed as error:
            if error.begun or error.timed_out:
                raise
        return self._call_once(message, timeout)

    def _call_once(self, message: bytes, timeout: float) -> tuple[int, bytes]:
        try:
            return self._ready().call(message, timeout)
        except HostFailed as error:
            self._drop()
            logger.warning("operate_disk.failed", library=self.address, error=str(error))
            raise

    def _ready(self) -> HostProcess:
        if self._host is None or not self._host.alive:
            self._drop()
            self._host = HostProcess(self._call)
        return self._host

    def _drop(self) -> None:
        host, self._host = self._host, None
        if host is not None:
            host.kill()
